"""What may be asked of a retraining; without torch, so that mistakes are found at once."""

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from budgetnas._version import __version__
from budgetnas.data import DataSource
from budgetnas.metric import METRICS, SELECTIONS, Metric, selection_problem
from budgetnas.plugins import changes
from budgetnas.recipe import Recipe
from budgetnas.study import require_same
from budgetnas.study.options import (
    AskedRecipe,
    Data,
    Device,
    Drawn,
    Extended,
    Options,
    Place,
    Seed,
    Shown,
    Text,
    Training,
    Unreadable,
    WhichRecipe,
    WhichStudy,
    one_of,
)

if TYPE_CHECKING:
    from budgetnas.runs import RunConfig
    from budgetnas.study.begun import BegunStudy
    from budgetnas.workflows.retrain import Target


class WhichTarget(Options):
    """What is trained again."""

    panel = "What to retrain"

    target: Annotated[Text, Shown("TARGET", argument=True)] = "best"
    """best, a trial's number, a preset, or a JSON file."""

    @property
    def is_of_a_study(self) -> bool:
        """Whether the target can only be found in a study."""
        number = self.target.isascii() and self.target.isdecimal() and len(self.target) < 19
        return self.target == "best" or number


class FullTraining(Training):
    """How it is trained, and which of its epochs is kept."""

    panel = "Training"

    recipe: Annotated[WhichRecipe, Shown("NAME|FILE")] = AskedRecipe.of("full")
    """A named recipe (budgetnas presets lists them) or a TOML file that changes one."""
    seed: Annotated[Seed | None, Shown("N")] = None
    """Seed of every random choice."""
    select: Annotated[str | None, one_of("selection", SELECTIONS), Shown("NAME")] = None
    """Keep the weights of the epoch that is last (default), best-val (on your validation part or a
    tenth of the training images, held out) or best-test (on the test set: test-selected)."""
    metric: Annotated[Metric | None, one_of("metric", METRICS), Shown("NAME")] = None
    """By what best-val and best-test choose the epoch: accuracy, or balanced, the mean over
    classes of the share classified correctly; the study's unless given."""
    test_curves: Annotated[bool, Shown(flags=("--test-curves",))] = False
    """Also test after every epoch; the result is test-selected."""
    compiled: Annotated[bool, Shown(flags=("--compile",))] = False
    """Use torch.compile if a few timed steps show that the run is faster with it."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if problem := selection_problem(self.select or "last", self.test_curves):
            raise ValueError(problem)
        return self


class WhichRun(Options):
    """Which run."""

    panel = "Where"

    resume: Annotated[bool, Shown(flags=("--resume",))] = False
    """Continue the newest unfinished run of TARGET."""
    out: Annotated[Place | None, Shown("DIR")] = None
    """The run's folder: new, or to resume."""


class RetrainOptions(
    WhichTarget, Data, Unreadable, FullTraining, WhichStudy, WhichRun, Device, Extended
):
    """What may be asked of a retraining; what it becomes is a `RunConfig`."""

    first = "target"

    def source_of(self, origin: "BegunStudy | None") -> DataSource:
        """Return the data that is asked for, what is not asked being the study's."""
        if origin is None or (self.dataset and self.dataset != origin.config.data.dataset):
            return self.source()
        given = {name: value for name, value in self if name in DataSource.model_fields}
        asked = {name: value for name, value in given.items() if value is not None}
        return DataSource.choose(**dict(origin.config.data) | asked)

    def names_data(self) -> bool:
        """Return whether data is named, which may be other data than the study's."""
        return any(getattr(self, name) is not None for name in Data.model_fields)

    def recipe_of(
        self, found: "Target", source: DataSource, channels: int, images: int
    ) -> tuple[Recipe, list[str]]:
        """Return the recipe that is asked for, fitted to images and trial; with notices."""
        drawn = None
        if found.trial is not None:
            drawn = Drawn(found.trial, found.arch, found.overrides)
        if found.recipe is None or "recipe" in self.model_fields_set:
            return self.fitted_recipe(source, channels, images, drawn)
        own = Training.of(recipe=AskedRecipe(found.recipe, adapts=True), epochs=self.epochs)
        return own.fitted_recipe(source, channels, None, drawn)  # its batch is its study's

    def require_same(self, began: "RunConfig") -> None:
        """Check that a run is resumed with the options that it began with.

        Raises:
            InputError: With both values of each option that differs.
        """
        then = dict(began.data) | dict(began) | {"study": began.study or "none"}
        then |= {"epochs": began.recipe.epochs, "test_curves": began.test_selected}
        now = {name: value for name, value in self if name in self.model_fields_set}
        now |= {"recipe": self._recipe_again(began), "test_curves": self.test_curves or None}
        options: dict[str, tuple[object, object]] = {
            "the version of budgetnas": (began.version, __version__),
            "the target": (began.target, self.target),
        }
        for name in then:
            if name not in ("target", "data_dir", "plugins") and now.get(name) is not None:
                options[self.flag(name)] = then[name], now[name]
        options |= changes(began.plugins)
        require_same(
            f"the run of {began.target!r}", options, "leave out --resume to begin another"
        )

    def _recipe_again(self, began: "RunConfig") -> Recipe | None:
        """Return the recipe that is asked for, as it would be had the run begun with it."""
        if "recipe" not in self.model_fields_set:
            return None
        drawn = Drawn(began.trial or 0, began.arch, began.overrides)
        return self.fitted_recipe(began.data, len(began.mean), began.images, drawn)[0]


class SeedsOptions(RetrainOptions):
    """What may be asked of one retraining or several."""

    panel = "Training"

    seeds: Annotated[int, Field(ge=1, le=1_000), Shown("N")] = 1
    """Number of runs with different seeds, a folder each; the result is the mean of their test
    accuracies with its 95 % interval."""

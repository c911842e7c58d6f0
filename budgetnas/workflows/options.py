"""What may be asked of comparisons and retrainings; no torch, so that mistakes show at once."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from budgetnas._version import __version__
from budgetnas.data import DataSource
from budgetnas.metric import SELECTIONS, Metric, selection_problem
from budgetnas.plugins import changes
from budgetnas.recipe import Epochs, Recipe
from budgetnas.space import MAX_SEEDS
from budgetnas.spec import shorten
from budgetnas.study import LEAST_ARCHS, PUBLISHED, require_same
from budgetnas.study.options import (
    AskedRecipe,
    Data,
    Device,
    Drawn,
    Extended,
    Limit,
    Located,
    Options,
    Place,
    Resources,
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
    metric: Annotated[Metric | None, Shown("NAME")] = None
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


TOP, SEEDS, EPOCHS = 5, 3, 30
"""Defaults: number of finalists, number of seeds, epochs."""
LEAST_FINALISTS = 2
"""Least number of finalists."""
PUBLISHED_RECIPE = "efficient-resnets"


class ComparingOptions(Located, WhichStudy, Resources):
    """The study, the place of its images, and resources: none changes what is trained."""

    def command(self, verb: str, study: str, *names: str, **settled: Any) -> str:
        """Write these options as a command.

        Args:
            verb: The command.
            study: The study's name.
            names: The options that are written where they were given.
            settled: Values of options that were not given.
        """
        asked = self.model_copy(update={"study": study, **settled})
        return shlex.join(["budgetnas", verb, *asked.words("study", *names)])

    @classmethod
    def of_command(cls, command: str) -> Self:
        """Read the options of a command that `command` wrote."""
        words = shlex.split(command)[2:]
        names = {cls.flag(name): name for name in cls.model_fields}
        return cls.of(**{names[w]: v for w, v in zip(words[::2], words[1::2], strict=True)})


class LongTraining(Training):
    """How networks are trained to be compared: the recipe `full` for 30 epochs unless asked."""

    panel = "Training"

    recipe: Annotated[WhichRecipe, Shown("NAME|FILE")] = AskedRecipe.of("full")
    """A named recipe (budgetnas presets lists them) or a TOML file that changes one."""

    def written_recipe(self) -> Recipe:
        """Return the recipe for no images yet, with the epochs that are asked for."""
        own = "recipe" in self.model_fields_set or self.epochs is not None
        recipe = super().written_recipe()
        return recipe if own else recipe.changed(epochs=EPOCHS)


class Racing(Options):
    """Which trials race, and what wins."""

    panel = "What to compare"

    top: Annotated[int | None, Field(ge=LEAST_FINALISTS, le=10_000), Shown("K")] = None
    """Number of the best trials; 5 unless given. If fewer are completed, those."""
    seeds: Annotated[int | None, Field(ge=2, le=MAX_SEEDS), Shown("N")] = None
    """Number of seeds of each; 3 unless given."""
    margin: Annotated[float | None, Field(ge=0, le=100), Shown("POINTS")] = None
    """A smaller network wins if it is shown (at 95 %) to be less than this many percentage points
    below the best; 1 unless given, 0: only the best mean wins."""
    budget: Annotated[Limit | None, Shown("N")] = None
    """Maximum of a trial's parameters: 500k, 5M."""
    metric: Annotated[Metric | None, Shown("NAME")] = None
    """What finalists are chosen and compared by: accuracy, or balanced, the mean over classes of
    the share classified correctly; the search's unless given."""


class FinalistsOptions(Racing, LongTraining, ComparingOptions):
    """What may be asked of a search's finalists."""


class Decomposing(Options):
    """With what the winner is compared."""

    panel = "What to compare"

    seeds: Annotated[int | None, Field(ge=1, le=MAX_SEEDS), Shown("N")] = None
    """Number of seeds of each network; 3 unless given."""
    random: Annotated[int | None, Field(ge=0, le=100_000), Shown("N")] = None
    """Number of random networks, trained as the search's trials are, of which the best is
    compared; as many as the search has trained unless given, 0: none."""


class CompareOptions(Decomposing, LongTraining, ComparingOptions):
    """What may be asked of a comparison with baselines."""

    @field_validator("recipe", mode="before")
    @classmethod
    def _has_another_name(cls, recipe: Any) -> Any:
        if recipe == PUBLISHED:
            raise ValueError(f"{PUBLISHED!r} is what another one is called here")
        return recipe


def _listed(short: Any) -> Any:
    """Read candidates as they are typed: `1,3,9`."""
    if not isinstance(short, str):
        return tuple(short) if isinstance(short, Sequence) else short
    words = short.split(",")
    if not all(word.isascii() and word.isdecimal() and len(word) <= 9 for word in words):
        raise ValueError(f"must be whole numbers such as 1,3,9, got {shorten(short)}")
    return tuple(map(int, words))


class Ranking(Options):
    """Which trainings are ranked."""

    panel = "What to compare"

    archs: Annotated[int, Field(ge=LEAST_ARCHS, le=1_000), Shown("K")] = 12
    """Number of architectures to compare, at least 5."""
    short: Annotated[tuple[int, ...], BeforeValidator(_listed), Shown("N,N,...")] = (1, 3, 9)
    """Numbers of epochs of a trial to compare: 1,3,9 unless given."""
    seeds: Annotated[int, Field(ge=1, le=MAX_SEEDS), Shown("N")] = 1
    """Number of seeds of each, short and in full."""
    top: Annotated[int, Shown("K")] = 3
    """Number of the best of a ranking that the regret is measured for."""


class InFull(Training):
    """How networks are trained in full."""

    panel = "Training"

    epochs: Annotated[Epochs, Shown("N")] = 30
    """Number of epochs of a full training."""
    recipe: Annotated[WhichRecipe, Shown("NAME|FILE")] = AskedRecipe.of("full")
    """Recipe of a full training: its name, or a TOML file that changes one."""


class FidelityOptions(Ranking, InFull, ComparingOptions):
    """Options of `fidelity`."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        listed = ",".join(map(str, self.short))
        in_order = bool(self.short) and [*self.short] == sorted({*self.short})
        rules = [
            (
                in_order and self.short[0] > 0,
                f"--short must be whole numbers from 1, each more than the last, got {listed}",
            ),
            (
                max(self.short, default=0) < self.epochs,
                f"--short must be less than --epochs, got {listed} and {self.epochs}",
            ),
            (
                1 <= self.top < self.archs,
                f"--top must be from 1 to less than --archs, got {self.top} and {self.archs}",
            ),
        ]
        for holds, rule in rules:
            if not holds:
                raise ValueError(rule)
        return self

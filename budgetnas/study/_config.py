"""`StudyConfig`, the content of study.toml: what defines a study; and the search that it was."""

import contextlib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from budgetnas._version import __version__
from budgetnas.arch import Budget, blocks_from
from budgetnas.data import DataSource, Depth
from budgetnas.errors import InputError
from budgetnas.files import write_atomic
from budgetnas.metric import DEFAULT_METRIC, Metric, metrics_from, unequal_share
from budgetnas.plugins import Plugins, needed
from budgetnas.recipe import RECIPES, Numerics, Recipe
from budgetnas.space import Fill, Free, Grid, Proposal, values
from budgetnas.spec import Maybe, Spec, read_toml
from budgetnas.study._place import config_path, study_folder, study_name
from budgetnas.study.options import SearchOptions, Training, require_named

Count = Annotated[int, Field(ge=0)]


class DataFacts(Spec):
    """Facts of the data, as the study began."""

    channels: Annotated[int, Field(ge=1)]
    """1 for grey, 3 for colour."""
    classes: tuple[str, ...]
    """The classes' names, in the order of the labels."""
    fingerprint: str
    """Digest of the training part's images and labels."""
    train: Count
    """Images that trials train on."""
    val: Count
    """Images that trials are compared on."""
    val_counts: tuple[Count, ...]
    """How many of those each class has, in the order of the labels."""
    split: str
    """Digest of which images are which."""
    copies: Count = 0
    """Images of the training part that repeat another one."""
    ambiguous: Count = 0
    """Pictures of the training part that lie under two classes or more."""
    depth: Maybe[Depth] = None
    """How pictures of more than 8 bits became 8; if absent, there was none."""
    own_validation: bool = False
    """Whether the data has images to validate on; else a tenth of each class is split off."""

    @property
    def largest_share(self) -> float | None:
        """The largest class's share of the validation images; None where classes are equal."""
        return unequal_share(self.val_counts)


class About(Spec):
    """Why there is this study: words for its report, which no trial depends on."""

    question: Maybe[str] = None
    """The question that it answers."""
    source: Maybe[str] = None
    """Where the question comes from: a paper's figure."""
    claim: Maybe[str] = None
    """The conclusion there."""
    command: Maybe[str] = None
    """The command that runs it."""
    scaled: Maybe[str] = None
    """The scaling down of the study's file; none: in full."""
    adapted: Maybe[str] = None
    """Changes of recipes that these images needed; none: none."""


MOST_CONFLICTS = 5
"""How many differences an error lists."""

Selection = Literal["last", "best"]


class StudyConfig(Spec):
    """The definition of a study, from its first trial on."""

    plugins: Plugins = ()
    """Modules that register what the other fields name; before them, since they import it."""
    name: str
    """The study's name, in its storage too."""
    version: str
    """The version of budgetnas that began it."""
    seed: Annotated[int, Field(ge=0)]
    """Seed of every random choice."""
    train_samples: Maybe[Annotated[int, Field(ge=1)]] = None
    """Number of images of the training split to train on; if absent, all."""
    pruner: str
    """Which of Optuna's pruners stops hopeless trials."""
    storage: Maybe[str] = None
    """SQLAlchemy URL without its password; if absent, study.db beside this file."""
    metric: Metric = DEFAULT_METRIC
    """What trials are compared by, and a trial's value: `accuracy` is the share of the validation
    images that is right, `balanced` the mean over classes of that share."""
    select: Selection = "last"
    """A trial's value is the metric after its last epoch, or its best one."""
    confusion: bool = False
    """Keep which class is taken for which, of each trial's validation images."""
    about: About = About()
    """Why there is this study."""
    budget: Budget
    """The budget that no network exceeds."""
    limits: tuple[Budget, ...] = ()
    """Limits beside it: each is a constraint in its own right."""
    smaller: tuple[Budget, ...] = ()
    """Smaller budgets of the same cost that the study also searches for, the largest first."""
    data: DataSource
    """Which images."""
    facts: DataFacts
    """Facts of these images."""
    numerics: Numerics
    """In which arithmetic trials are trained."""
    recipe: Recipe
    """How trials are trained, unless their proposal says otherwise."""
    proposal: Proposal
    """Where the trials' networks come from."""

    @classmethod
    def of(cls, *asked: Spec, **settled: Any) -> Self:
        """Define a study by all that options and it have in common, and by what is settled."""
        same = {name: v for each in asked for name, v in each if name in cls.model_fields}
        return cls(**{**same, **settled})

    @property
    def alike(self) -> tuple[int, ...]:
        """Validation images of each class, where classes count alike; () where images do."""
        return self.facts.val_counts if self.metric == "balanced" else ()

    def registered(self) -> list[tuple[str, str]]:
        """List what of the study users have registered, and the modules that it is from."""
        match self.proposal:
            case Free(space=space) | Fill(space=space):
                blocks = list(values(space.arch.block))
            case Grid(cells=cells):
                blocks = [cell.arch.block for cell in cells]
        return [*blocks_from(blocks), *metrics_from([self.metric])]

    @property
    def all_limits(self) -> tuple[Budget, ...]:
        return self.budget, *self.limits

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The budgets that are searched for, the largest first."""
        return self.budget, *self.smaller

    def budget_for(self, cost: int) -> Budget:
        """Return the smallest of the study's budgets that something of this cost fits.

        Networks are judged, while they are trained, among those of the same one.
        """
        return next((b for b in reversed(self.budgets) if cost <= b.limit), self.budget)

    @classmethod
    def begun(cls, folder: Path) -> Self | None:
        """Read the study.toml of a folder where a study has begun; None where none has."""
        return cls.read(folder) if config_path(folder).is_file() else None

    @classmethod
    def read(cls, folder: Path) -> Self:
        path = config_path(folder)
        data = read_toml(path)
        if "question" in data:
            raise InputError(f"{path} is a study file, not a study: budgetnas run {folder}")
        with explain_version(data, str(path)):
            config = cls.parse(data, str(path))
        if config.name != study_name(folder):
            raise InputError(
                f"{path}: name must be its folder's, {study_name(folder)!r}, got {config.name!r}"
            )
        return config

    def definition(self) -> dict[str, Any]:
        """Return everything that the trials depend on, wherever images and storage are.

        More seeds are more trials, and change nothing about the others.
        """
        apart: dict[str, Any] = {"data": {"data_dir"}, "storage": True, "about": True}
        return self.model_dump(mode="json", exclude={**apart, "proposal": {"seeds"}})

    def write(self, folder: Path) -> None:
        write_atomic(config_path(folder), self.to_toml())


@contextlib.contextmanager
def explain_version(data: object, source: str) -> Iterator[None]:
    """Name the version that wrote a file that can't be read, if it was another one."""
    try:
        yield
    except InputError as error:
        version = data.get("version") if isinstance(data, dict) else None
        if version in (None, __version__):
            raise
        raise InputError(
            f"{source}: begun with budgetnas {version!r}, this is {__version__!r}, "
            f"which reads it differently ({str(error).removeprefix(f'{source}: ')})"
        ) from None


def require_same(
    what: str,
    options: Mapping[str, tuple[object, object]],
    way_out: str = "another --study begins another",
) -> None:
    """Raise if something would be continued under other conditions than it began with.

    Args:
        what: What is continued.
        options: For each option that was given, what it was in the beginning and what it is now.
        way_out: What to do instead.

    Raises:
        InputError: With both values of each that differs.
    """
    conflicts = [
        f"{where} was {_short(began)}, now {_short(given)}"
        for option, values in options.items()
        for where, began, given in _differences(option, *map(_plain, values))
    ]
    if conflicts:
        more = len(conflicts) - MOST_CONFLICTS
        shown = conflicts[:MOST_CONFLICTS] + [f"and {more:,} more"] * (more > 0)
        raise InputError(
            f"{what} can only be continued as it began: {'; '.join(shown)} ({way_out})"
        )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value.model_dump(mode="json") if isinstance(value, Spec) else value


def _differences(where: str, began: object, given: object) -> Iterator[tuple[str, object, object]]:
    """Yield (place, began, given) for every value in which two descriptions differ."""
    if isinstance(began, dict) and isinstance(given, dict):
        for key in sorted({*began, *given}):
            yield from _differences(f"{where} {key}", began.get(key), given.get(key))
    elif isinstance(began, list) and isinstance(given, list) and len(began) == len(given):
        for number, (old, new) in enumerate(zip(began, given, strict=True)):
            yield from _differences(f"{where} {number}", old, new)
    elif began != given:
        yield where, began, given


ELSEWHERE = {"study", "storage", "trials", "device", "timeout", "workers"}
"""Options that change no trial."""


def begun_with(config: StudyConfig) -> dict[str, Any]:
    """Return what a search's study was begun with, by the names of its options.

    Fields of the same name have the same meaning, be they of an option, the study, its data or
    its proposal.
    """
    parts: tuple[Spec, ...] = (config.proposal, config.data, config)
    same = {n: v for part in parts for n, v in part if n in SearchOptions.model_fields}
    bytes_limit = _limit(config, "bytes")
    return {
        **{name: value for name, value in same.items() if name not in ELSEWHERE},
        "also": config.smaller or None,
        "max_macs": _limit(config, "macs"),
        "max_bytes": bytes_limit,
        "bits": int(bytes_limit.cost.partition("-")[2]) if bytes_limit else None,
        "epochs": config.recipe.epochs,
        "proposal": config.proposal.name,
    }


def _limit(config: StudyConfig, cost: str) -> Budget | None:
    return next((each for each in config.limits if each.cost.startswith(cost)), None)


def require_same_search(config: StudyConfig, asked: SearchOptions) -> None:
    """Check that a study is continued with the options that it began with.

    Raises:
        InputError: With both values of each option that differs.
    """
    if isinstance(config.proposal, Grid):
        raise InputError(f"study {config.name!r} is no search: budgetnas run continues it")
    if asked.data_dir is not None:
        config = config.changed(data=config.data.at(asked.data_dir))
    given: dict[str, tuple[object, object]] = {
        "the version of budgetnas": (config.version, __version__)
    }
    now = dict(asked) | {"also": asked.smaller, "recipe": _again(config, asked)}
    now["plugins"], _ = needed(asked.plugins, config.registered())
    for name, then in begun_with(config).items():
        if name in ("sampler", "pruner") and name not in asked.model_fields_set:
            require_named(name, then)
        if name in asked.model_fields_set - {"data_dir"}:
            given[asked.flag(name)] = _limit_of(then), _limit_of(now[name])
    require_same(f"study {config.name!r}", given)


def _limit_of(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_limit_of, value))
    return value.limit if isinstance(value, Budget) else value


def _again(config: StudyConfig, training: Training) -> Any:
    """Return the recipe that is asked for, as it would be had the study begun with it."""
    facts = config.facts
    return training.fitted_recipe(config.data, facts.channels, facts.train)[0]


def search_command(config: StudyConfig, trials: int) -> str:
    """Write the command of a search like this one, with N trained trials.

    Every option is in it that is not the default. The space and the recipe, where they are none
    that has a name, are the files of `write_files`.
    """
    default = {name: field.default for name, field in SearchOptions.model_fields.items()}
    default |= dict(DataSource.choose(config.data.dataset, config.data.data_dir)) | {
        "dataset": None, "data_dir": None,
    }  # fmt: skip
    given = begun_with(config) | _named(config)
    words = [
        word
        for name in SearchOptions.panels()
        if name in given and given[name] != default[name]
        for word in SearchOptions.written(name, _limit_of(given[name]))
    ]
    return shlex.join(
        ["budgetnas", "search", "--study", config.name, *words, "--trials", str(trials)]
    )


def _named(config: StudyConfig) -> dict[str, Any]:
    """Return what a command has of the space and the recipe: a name, or the path of a file."""
    folder = study_folder(config.name)
    default = SearchOptions()
    same = begun_with(config).get("space") == default.space
    name = _recipe_name(config)
    if name is None:
        recipe: dict[str, Any] = {"recipe": folder / "recipe.toml", "epochs": None}
    else:
        own = RECIPES[name].epochs == config.recipe.epochs
        recipe = {"recipe": default.recipe if name == str(default.recipe) else name}
        recipe |= {"epochs": None if own else config.recipe.epochs}
    return recipe | ({} if same else {"space": folder / "space.toml"})


def write_files(config: StudyConfig, folder: Path) -> None:
    """Write the files that the command of a search needs, if it needs any."""
    if isinstance(config.proposal, Free | Fill):
        if config.proposal.space != SearchOptions().space:
            write_atomic(folder / "space.toml", config.proposal.space.to_toml())
        if _recipe_name(config) is None:
            write_atomic(folder / "recipe.toml", config.recipe.to_toml())


def _recipe_name(config: StudyConfig) -> str | None:
    """Find the named recipe that this one is, fitted to these images; None if there is none."""
    for name in RECIPES:
        if _again(config, Training.of(recipe=name, epochs=config.recipe.epochs)) == config.recipe:
            return name
    return None

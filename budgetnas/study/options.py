"""What may be asked: one class a verb, which the command line, TOML and Python read.

A field is an option: its docstring is the option's help, its type is what may be asked, and
`model_fields_set` is what was asked. The classes that verbs are made of are the panels of help.
No torch and no Optuna here: help and what is wrong with an option need neither.
"""

import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import Parameter, get_annotations, signature
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from budgetnas.arch import Arch, Budget, other_limits, smaller_budgets
from budgetnas.data import DATASETS, DataSource, Side, check_background, check_fit
from budgetnas.errors import InputError
from budgetnas.metric import DEFAULT_METRIC, Metric
from budgetnas.plugins import Plugins
from budgetnas.recipe import RECIPES, Epochs, Recipe, as_recipe
from budgetnas.space import (
    DEFAULT_PROPOSAL,
    DEFAULT_SAMPLER,
    PROPOSALS,
    Fill,
    Free,
    Overrides,
    Space,
)
from budgetnas.spec import Spec, rule_of, shorten
from budgetnas.study._place import budget_needed, default_name
from budgetnas.study._tables import Quick


@dataclass(frozen=True)
class Shown:
    """How the command line shows a field."""

    metavar: str = ""
    """The placeholder of its value in help."""
    flags: tuple[str, ...] = ()
    """Its names, where they are not made from the field's."""
    argument: bool = False
    """Whether it is positional."""


# only here are docstrings read: pydantic looks for their source in all modules, 2 ms a class
class Options(Spec, validate_default=False, use_attribute_docstrings=True):
    """What may be asked of a verb."""

    panel: ClassVar[str]
    """The heading of the class's own fields in help."""
    first: ClassVar[str] = "study"
    """The field that needs no name where a function is called."""

    @classmethod
    def of(cls, **asked: Any) -> Self:
        """Validate what is asked; None is not asked.

        Raises:
            InputError: On one line, with every option that can't be, its rule and its value.
        """
        given = {name: value for name, value in asked.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            found = sorted(error.errors(include_url=False), key=cls._place)
            # without what they register, other options can't be read
            found = [each for each in found if each["loc"][:1] == ("plugins",)] or found
            raise InputError("; ".join(map(cls._describe, found))) from None

    @classmethod
    def _place(cls, problem: Any) -> int:
        return [*cls.panels(), *problem["loc"]].index(problem["loc"][0]) if problem["loc"] else 0

    @classmethod
    def _describe(cls, problem: Any) -> str:
        name = problem["loc"][0] if problem["loc"] else ""
        text = rule_of(cls, problem).removeprefix(f"{name}: ")
        return f"{cls.flag(name)}: {text}" if name and not text.startswith("--") else text

    @classmethod
    def panels(cls) -> dict[str, str]:
        """Return the fields with their panels: those of each base, then those of this class."""
        found = dict[str, str]()
        for base in cls.__bases__:
            if issubclass(base, Options):
                found |= base.panels()
        own = (name for name in get_annotations(cls) if name in cls.model_fields)
        return found | {name: cls.panel for name in own if name not in found}

    @classmethod
    def shown(cls, name: str) -> Shown:
        """Return how a field is shown."""
        found = (each for each in cls.model_fields[name].metadata if isinstance(each, Shown))
        return next(found, Shown())

    @classmethod
    def flags(cls, name: str) -> tuple[str, ...]:
        """Return the names of a field on the command line."""
        shown = cls.shown(name)
        if shown.argument:
            return (shown.metavar,)
        return shown.flags or (f"--{name.replace('_', '-')}",)

    @classmethod
    def flag(cls, name: str) -> str:
        """Return what errors call a field."""
        return cls.flags(name)[0].partition("/")[0]

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """Return the fields as parameters of a function, of which the first needs no name."""
        names = dict.fromkeys([cls.first, *cls.panels()])
        fields = [(name, cls.model_fields[name]) for name in names]
        kinds = [Parameter.POSITIONAL_OR_KEYWORD, *[Parameter.KEYWORD_ONLY] * len(fields)]
        return [
            Parameter(
                name, kind, annotation=field.annotation,
                default=Parameter.empty if field.is_required() else field.default,
            )
            for (name, field), kind in zip(fields, kinds, strict=False)
        ]  # fmt: skip

    def words(self, *names: str) -> list[str]:
        """Write those of some fields that were asked as a command line has them."""
        asked = [name for name in names if name in self.model_fields_set]
        return [word for name in asked for word in self.written(name, getattr(self, name))]

    @classmethod
    def written(cls, name: str, value: Any) -> list[str]:
        """Write a value of a field as a command line has it."""
        option = cls.flag(name)
        match value:
            case None:
                return []
            case bool():
                return [option] if value else [f"--no-{option.removeprefix('--')}"]
            case AskedRecipe(name=None):
                return []
            case float():
                return [option, f"{value:g}"]
            case tuple():
                return [option, ",".join(map(str, value))]
            case _:
                return [option, str(value)]

    @classmethod
    def help(cls, name: str) -> str:
        """Return a field's docstring."""
        return " ".join((cls.model_fields[name].description or "").split())


def reads(function: Callable[[Any], Any]) -> BeforeValidator:
    """Parse a field by a function that raises `InputError`."""

    def read(value: Any) -> Any:
        with as_value_error():
            return function(value)

    return BeforeValidator(read)


@contextmanager
def as_value_error() -> Iterator[None]:
    """Make pydantic collect the problems of several options together."""
    try:
        yield
    except InputError as error:
        raise ValueError(str(error)) from None


def one_of(kind: str, names: Iterable[str]) -> BeforeValidator:
    """Restrict a field to some names; an error lists them."""
    known = tuple(names)

    def check(name: Any) -> Any:
        if name not in known:
            raise ValueError(f"unknown {kind} {shorten(name)}, known: {', '.join(known)}")
        return name

    return BeforeValidator(check)


def _not_empty(value: Any) -> Any:
    """Raise for the empty text of a variable that a script forgot to set."""
    if value == "":
        raise ValueError("must not be empty, got ''")
    return value


def as_budget(budget: Budget | str | int) -> Budget:
    """Read a budget in any of its forms."""
    return budget if isinstance(budget, Budget) else Budget.from_text(str(budget))


def _listed(also: str | Sequence[Any]) -> tuple[Budget, ...]:
    listed = also.split(",") if isinstance(also, str) else also
    return tuple(map(as_budget, listed))


AskedWorkers: TypeAlias = int | Literal["auto"]
"""Number of trials trained at once; auto: the fastest number."""

MOST_WORKERS = 64


def check_workers(asked: int | str) -> AskedWorkers:
    """Read how many workers are asked for.

    Raises:
        InputError: If it is neither `auto` nor a number of them.
    """
    if asked == "auto":
        return "auto"
    number = int(asked) if re.fullmatch("[0-9]{1,4}", str(asked)) else 0
    if not 1 <= number <= MOST_WORKERS:
        raise InputError(
            f"--workers must be auto or a whole number from 1 to {MOST_WORKERS}, got {asked!r}"
        )
    return number


@dataclass(frozen=True)
class AskedRecipe:
    """A recipe before it is fitted to images. A named one adapts to them; any other does not."""

    recipe: Recipe
    """As it is written."""
    name: str | None = None
    """Its name, or the path of its file."""
    adapts: bool = False
    """Whether it adapts."""

    @classmethod
    def of(cls, asked: "AskedRecipe | Recipe | str | dict[str, Any]") -> "AskedRecipe":
        """Look up a recipe's name, or read a recipe file, a dict like one, or a recipe."""
        if isinstance(asked, AskedRecipe):
            return asked
        name = asked if isinstance(asked, str) else None
        return cls(as_recipe(asked), name, name in RECIPES)

    def __str__(self) -> str:
        return self.name or "a recipe of its own"


@dataclass(frozen=True)
class Drawn:
    """An architecture and recipe fields that a trial has drawn."""

    trial: int
    """Its number."""
    arch: Arch
    """The network."""
    overrides: Overrides
    """Recipe fields."""


Text = Annotated[str, BeforeValidator(_not_empty)]
Place = Annotated[Path, BeforeValidator(_not_empty)]
Positive = Annotated[int, Field(ge=1)]
Limit = Annotated[Budget, reads(as_budget)]
Smaller = Annotated[tuple[Budget, ...], reads(_listed)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
WhichDataset = Annotated[str, one_of("data set", DATASETS), BeforeValidator(_not_empty)]
WhichRecipe = Annotated[AskedRecipe, reads(AskedRecipe.of), BeforeValidator(_not_empty)]

# the names in budgetnas.trials, which imports Optuna; a test compares them
SAMPLER_NAMES = ("tpe", "random", "gp", "nsga2")
PRUNER_NAMES = ("halving", "median", "none")


class Extended(Options):
    """Additions to the package; the last base of its verb, since it is validated first."""

    panel = "Where"

    plugins: Annotated[Plugins, Shown("NAMES")] = ()
    """Modules or .py files, separated by commas, that register blocks or metrics; recorded with
    the study."""


INSTANCES: dict[str, Any] = {}
"""Optuna's samplers and pruners that Python functions were given, by what a study records."""


def _or_instance(kind: str, names: tuple[str, ...], base: str) -> BeforeValidator:
    """Restrict a field to some names, or an object of Optuna's, of which the words are kept."""

    def check(given: Any) -> Any:
        if base in (each.__name__ for each in type(given).__mro__):  # without importing Optuna
            words = _described(given)
            INSTANCES[words] = given
            return words
        if given not in (*names, *INSTANCES):
            known = ", ".join(names)
            raise ValueError(f"unknown {kind} {shorten(given)}, known: {known}")
        return given

    return BeforeValidator(check)


def _described(instance: Any) -> str:
    """Write an object of Optuna's as its class and those parameters that can be written.

    Without the seed: it is not used.
    """
    words = []
    for name in signature(type(instance)).parameters:
        value = vars(instance).get(f"_{name}", instance)
        if hasattr(value, "prune") or hasattr(value, "sample_relative"):
            words += [f"{name}={_described(value)}"] if value is not instance else []
        elif name != "seed" and isinstance(value, bool | int | float | str | None):
            words.append(f"{name}={value!r}")
    return f"{type(instance).__name__}({', '.join(words)})"


def require_named(kind: str, words: str) -> None:
    """Raise where a study has a sampler or pruner that only Python functions can be given."""
    if words not in (*SAMPLER_NAMES, *PRUNER_NAMES):
        raise InputError(
            f"the study's {kind}, {words}, was given from Python: to continue, "
            f"budgetnas.search(..., {kind}={words.partition('(')[0]}(...))"
        )


def instance_of(kind: str, words: str) -> Any:
    """Return the sampler or pruner that this process was given.

    Raises:
        InputError: If it was given none like it.
    """
    if words not in INSTANCES:
        require_named(kind, words)
    return INSTANCES[words]


class Costs(Options):
    """The costs of networks."""

    panel = "What to search"

    budget: Annotated[Limit | None, Shown("N")] = None
    """Maximum of trainable parameters: 5e6, 5M, 500k. Required for a new study."""
    also: Annotated[Smaller | None, Shown("N,N")] = None
    """Smaller budgets to search in the same study: 500k,1M,2M."""
    max_macs: Annotated[Limit | None, Shown("N")] = None
    """Maximum of multiply-adds for one image: 100M."""
    max_bytes: Annotated[Limit | None, Shown("N")] = None
    """Maximum of bytes of the stored weights: 1M."""
    bits: Annotated[int | None, Shown("8|16|32")] = None
    """Bits of each stored weight, for --max-bytes (32)."""

    @property
    def smaller(self) -> tuple[Budget, ...]:
        """The smaller budgets, the largest first."""
        return smaller_budgets(self.also or (), self.budget)

    @property
    def limits(self) -> tuple[Budget, ...]:
        """The limits beside the budget."""
        return other_limits(self.max_macs, self.max_bytes, self.bits)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        with as_value_error():
            _ = self.smaller, self.limits
        return self


class Drawing(Options):
    """How many networks are drawn, and how: also a study file's table `search`."""

    panel = "What to search"

    trials: Annotated[int, Field(ge=1, le=10**9), Shown("N")] = 100
    """Number of trained trials after which the search ends."""
    space: Annotated[Space, reads(Space.of), BeforeValidator(_not_empty), Shown("FILE")] = Space()
    """A TOML file that narrows the default space."""
    proposal: Annotated[str, one_of("proposal", PROPOSALS), Shown("NAME")] = DEFAULT_PROPOSAL
    """fill draws a shape and widens it until it fills the budget; free draws any network of the
    space, and rejects those over the budget."""
    presets: Annotated[bool, Shown(flags=("--presets/--no-presets",))] = True
    """Try the published networks that fit first (default), or not."""
    pruner: Annotated[str, _or_instance("pruner", PRUNER_NAMES, "BasePruner"), Shown("NAME")] = (
        "halving"
    )
    """Pruner: halving (asynchronous successive halving, ASHA), median or none."""

    def proposed(self) -> Free | Fill:
        """Return where networks come from."""
        kind = PROPOSALS[self.proposal]
        return kind(**{name: value for name, value in self if name in kind.model_fields})


class Sampling(Options):
    """Which of Optuna's samplers draws."""

    panel = "What to search"

    sampler: Annotated[
        str, _or_instance("sampler", SAMPLER_NAMES, "BaseSampler"), Shown("NAME")
    ] = DEFAULT_SAMPLER
    """Optuna's sampler: random, tpe, gp or nsga2."""


class Comparing(Options):
    """By what networks are compared."""

    panel = "What to search"

    metric: Annotated[Metric, Shown("NAME")] = DEFAULT_METRIC
    """What networks are compared by: accuracy is the share of validation images classified
    correctly; balanced is the mean of that share over classes, so that a small class counts as
    much as a large one."""


class Located(Options):
    """Where images are."""

    panel = "Data"

    data_dir: Annotated[Place | None, Shown("DIR")] = None
    """Where data sets are kept (./data); for folder, the folder itself; for arrays, the file."""


class Named(Options):
    """Which images."""

    panel = "Data"

    dataset: Annotated[WhichDataset | None, Shown("NAME")] = None
    """cifar10, cifar100, svhn, fashion-mnist, digits (embedded), folder (your images in
    --data-dir: train/<class>/*, optionally test/<class>/*), or arrays (the file --data-dir that
    budgetnas.ImageData wrote)."""


class Images(Named, Located):
    """Which images, and where they are."""

    @model_validator(mode="before")
    @classmethod
    def _are_in_a_file(cls, asked: dict[str, Any]) -> dict[str, Any]:
        """Write images that are given in memory, and ask for their file instead."""
        if not hasattr(asked.get("dataset"), "write"):
            return asked
        file = asked["dataset"].write(asked.get("data_dir") or "data")
        return asked | {"dataset": "arrays", "data_dir": file}


class Data(Images):
    """Which images, and how they are brought to one size."""

    image_size: Annotated[Side | None, Shown("PIXELS")] = None
    """Side of an image. The data set's own unless given; 32 for folder."""
    fit: Annotated[Annotated[str, reads(check_fit)] | None, Shown("NAME")] = None
    """How images are made square: crop (default: the short side resized, the
    centre kept), pad (the long side resized, the rest background) or squash (both sides resized).
    Only pad and squash keep what lies at an edge."""
    background: Annotated[Annotated[str, reads(check_background)] | None, Shown("COLOUR")] = None
    """Colour behind transparent pixels and around padded images: white (default), black, grey
    or #rrggbb."""

    def source(self) -> DataSource:
        """Return the images that are asked for, cifar10 where none are."""
        given = {name: value for name, value in self if name in DataSource.model_fields}
        return DataSource.choose(**given | {"dataset": self.dataset or "cifar10"})


class Unreadable(Options):
    """Files that are no images."""

    panel = "Data"

    skip_unreadable: Annotated[bool | None, Shown(flags=("--skip-unreadable",))] = None
    """Leave out unreadable files of --dataset folder instead of stopping; they are counted, and
    listed in unreadable.txt."""


class Training(Options):
    """How one network is trained."""

    panel = "Training"

    epochs: Annotated[Epochs | None, Shown("N")] = None
    """Number of epochs, instead of the recipe's."""
    recipe: Annotated[WhichRecipe, Shown("NAME|FILE")] = AskedRecipe.of("short")
    """A named recipe (budgetnas presets lists them) or a TOML file that changes one."""

    def written_recipe(self) -> Recipe:
        """Return the recipe for no images yet, with the epochs that are asked for."""
        recipe = self.recipe.recipe
        return recipe if self.epochs is None else recipe.changed(epochs=self.epochs)

    def fitted_recipe(
        self, source: DataSource, channels: int, images: int | None, drawn: Drawn | None = None
    ) -> tuple[Recipe, list[str]]:
        """Fit a named recipe to images, and lay over it what a trial has drawn; with notices.

        Args:
            source: The images.
            channels: Their channels.
            images: How many are trained on; None where the batch is settled.
            drawn: What the trial drew that is trained again.
        """
        written = self.written_recipe()
        if not self.recipe.adapts:
            return written, []
        recipe, notices = written.adapted(channels, source.info.mirror, source.image_size, images)
        overrides = drawn.overrides if drawn else Overrides()
        fields = overrides.model_dump(exclude_none=True)
        if drawn and fields:
            listed = ", ".join(f"{name} {value}" for name, value in fields.items())
            notices.append(f"as drawn by trial {drawn.trial}: {listed}")
        return overrides.apply(recipe), notices


class Beginning(Options):
    """Images and seed that a study begins with."""

    panel = "Training"

    train_samples: Annotated[Positive | None, Shown("N")] = None
    """Number of training images, stratified; validation stays whole."""
    seed: Annotated[Seed | None, Shown("N")] = None
    """Seed of every random choice."""


class WhichStudy(Options):
    """Which study."""

    panel = "Where"

    study: Annotated[Text | None, Shown("NAME", ("--study", "--study-name"))] = None
    """The study, in ./studies/NAME."""
    storage: Annotated[Text | None, Shown("URL")] = None
    """SQLAlchemy URL of the study's storage; study.db in its folder unless given."""


class Device(Options):
    """On which device."""

    panel = "Where"

    device: Annotated[str, Shown("NAME")] = "auto"
    """auto, cpu, cuda or cuda:N."""


class Resources(Device):
    """With what, and for how long."""

    timeout: Annotated[Annotated[float, Field(gt=0)] | None, Shown("SECONDS")] = None
    """Seconds after which to stop, at the end of an epoch."""
    workers: Annotated[Annotated[AskedWorkers, reads(check_workers)], Shown("N|auto")] = 1
    """Number of trials trained at once, each in a process of its own; auto measures for some
    seconds which number is fastest. With more than one, the proposals depend on timing; each
    training stays reproducible."""

    def deadline(self) -> float:
        """Return when it must stop, by `time.monotonic`."""
        return math.inf if self.timeout is None else time.monotonic() + self.timeout


class SearchOptions(
    Costs, Drawing, Sampling, Comparing, Data, Unreadable, Training, Beginning, WhichStudy,
    Resources, Extended,
):  # fmt: skip
    """What may be asked of a search; what it becomes is a `StudyConfig`."""

    first = "budget"

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        with as_value_error():
            if self.study is None:  # else the study may say which data
                self.source()
        return self

    def name(self) -> str:
        """Return the study's name, made from its data and budget unless given."""
        if self.study is not None:
            return self.study
        if self.budget is None:
            raise budget_needed(None)
        return default_name(self.source(), self.budget)


class PlanOptions(Costs, Drawing, Data, Training, Beginning, Device, Extended):
    """What may be asked of a look ahead at a search."""

    first = "budget"

    budget: Annotated[Limit, Shown("N")]
    """Maximum of trainable parameters: 5e6, 5M, 500k."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        with as_value_error():
            self.source()
        return self


class WhichFile(Options):
    """Which study file, and how large."""

    panel = "What to run"

    study: Annotated[Text, BeforeValidator(os.fspath), Shown("STUDY", argument=True)]
    """A study file, its folder, or its name in ./studies."""
    quick: Annotated[bool | Quick, Shown(flags=("--quick",))] = False
    """Scale it down to a minute or two on a CPU; results are labelled so."""


class RunOptions(WhichFile, Images, Unreadable, Resources, Extended):
    """What may be asked of a run of a study file."""

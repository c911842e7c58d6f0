"""`Space`: which architectures and recipe fields a study may draw.

Every field of a space is a domain: one value (fixed), a list (choices), or a range. A TOML file
says only what differs from the default space::

    [arch]
    stages = 3                                   # fixed
    block = ["basic", "preact"]                  # choices
    width = { low = 16, high = 256, step = 16 }  # a range

    [arch.stage.1]                               # the first stage only
    depth = { low = 1, high = 2 }

    [recipe]                                     # closed unless a domain opens it
    lr = { low = 0.02, high = 0.5, log = true }
"""

import random
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, Protocol, Self, TypeVar

from pydantic import Discriminator, Field, Tag, model_validator

from budgetnas.arch.arch import (
    MAX_STAGES,
    SE,
    Arch,
    BlockName,
    Depth,
    Kernel,
    Norms,
    Probability,
    Stage,
    Width,
)
from budgetnas.arch.count import count_params
from budgetnas.recipe.optimizer import ClipNorm, ClipValue, Decay, Fraction, Lookahead, Rate
from budgetnas.recipe.recipe import BatchSize, Recipe
from budgetnas.spec import Maybe, Spec, read_toml

T = TypeVar("T")
N = TypeVar("N", int, float)


class Range(Spec, Generic[N]):
    """Numbers from low to high."""

    low: N
    """The smallest value."""

    high: N
    """The largest value; it is reached."""

    step: Maybe[N] = None
    """Distance of neighbours; whole numbers have 1 if absent, others none."""

    log: bool = False
    """Draw evenly on the logarithmic scale: as many from 8 to 16 as from 256 to 512."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low <= high must hold, got low={self.low}, high={self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range needs low > 0, got low={self.low}")
        if self.step is None:
            return self
        if self.step <= 0:
            raise ValueError(f"step > 0 must hold, got step={self.step}")
        if not isinstance(self.low, int):
            raise ValueError(f"only ranges of whole numbers have a step, got step={self.step}")
        if (self.high - self.low) % self.step or (self.log and self.low % self.step):
            raise ValueError(
                f"steps must lead from low to high (and in a log range from 0 to low), "
                f"got low={self.low}, high={self.high}, step={self.step}"
            )
        return self

    def whole_values(self) -> range:
        """List the values of a range of whole numbers."""
        return range(int(self.low), int(self.high) + 1, int(self.step or 1))


def _kind(value: object) -> str:
    if isinstance(value, list | tuple):
        return "choices"
    return "range" if isinstance(value, dict | Range) else "value"


_Choices = Annotated[tuple[T, ...], Field(min_length=1), Tag("choices")]
Domain = Annotated[Annotated[T, Tag("value")] | _Choices[T], Discriminator(_kind)]
Numbers = Annotated[
    Annotated[N, Tag("value")] | _Choices[N] | Annotated[Range[N], Tag("range")],
    Discriminator(_kind),
]


class Suggester(Protocol):
    """What draws values: an Optuna trial, or `RandomSuggester`."""

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Draw a whole number from low to high."""
        ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Draw a number from low to high."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of the choices."""
        ...


class RandomSuggester:
    """Draws at random, as Optuna's random sampler would, without a study."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Draw a whole number."""
        if not log:
            return self._random.randrange(low, high + 1, step)
        value = self.suggest_float(name, low - 0.5, high + 0.5, log=True)
        return min(max(round(value), low), high)

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Draw a number."""
        if not log:
            return self._random.uniform(low, high)
        return float(low * (high / low) ** self._random.random())

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of the choices."""
        return self._random.choice(choices)


def _draw(trial: Suggester, name: str, domain: Any) -> Any:
    """Draw from a domain; a fixed value asks nobody."""
    match domain:
        case Range(low=int(low), high=high, step=step, log=True) if step and step > 1:
            # Optuna has no logarithmic ranges with steps: it draws the multiple.
            return step * trial.suggest_int(f"{name}/{step}", low // step, high // step, log=True)
        case Range(low=int(low), high=high, step=step, log=log):
            return trial.suggest_int(name, low, high, step=step or 1, log=log)
        case Range(low=low, high=high, log=log):
            return trial.suggest_float(name, low, high, log=log)
        case (only,):
            return only
        case tuple():
            return trial.suggest_categorical(name, domain)
        case _:
            return domain


def _values(domain: Any) -> tuple[Any, ...]:
    """List the values of a domain of names or whole numbers."""
    match domain:
        case Range():
            return tuple(domain.whole_values())
        case tuple():
            return domain
        case _:
            return (domain,)


class StageSpace(Spec):
    """What one stage may be, where it differs from the others."""

    width: Maybe[Numbers[Width]] = None
    """Channels at the output of its blocks."""
    depth: Maybe[Numbers[Depth]] = None
    """Number of blocks."""
    kernel: Maybe[Numbers[Kernel]] = None
    """Side of the branch's spatial convolutions."""
    shortcut_kernel: Maybe[Numbers[Kernel]] = None
    """Side of a projection shortcut's convolution."""


class ArchSpace(Spec):
    """Which architectures may be drawn."""

    block: Domain[BlockName] = ("basic", "preact")
    """The kind of block."""
    stages: Numbers[Annotated[int, Field(ge=1, le=MAX_STAGES)]] = Range(low=2, high=4)
    """Number of stages (the papers' N)."""
    width: Numbers[Width] = Range(low=8, high=512, step=8, log=True)
    """Channels of a stage's blocks (C_i)."""
    depth: Numbers[Depth] = Range(low=1, high=5)
    """Blocks of a stage (B_i)."""
    kernel: Numbers[Kernel] = 3
    """Side of a branch's spatial convolutions (F_i)."""
    shortcut_kernel: Numbers[Kernel] = (1, 3)
    """Side of a projection shortcut's convolution (K_i)."""
    stem_width: Maybe[Numbers[Width]] = None
    """Channels of the stem; if absent, the first stage's."""
    se: Domain[Literal["none", "stem", "block"]] = ("none", "stem", "block")
    """Where squeeze-and-excitation is."""
    se_reduction: Numbers[Annotated[int, Field(ge=1, le=1_000_000)]] = 16
    """How much narrower its middle is."""
    norm: Domain[Norms] = "batch"
    """Batch norm, or none."""
    dropout: Numbers[Probability] = 0.0
    """Probability of dropout after each block and before the linear layer."""
    stage: dict[Annotated[int, Field(ge=1, le=MAX_STAGES)], StageSpace] = {}
    """Single stages, counted from 1, that differ from the others."""

    @model_validator(mode="after")
    def _every_draw_is_valid(self) -> Self:
        for number in range(1, max(_values(self.stages)) + 1):
            for field in ("kernel", "shortcut_kernel"):
                even = [side for side in _values(self.of(number, field)) if side % 2 == 0]
                if even:
                    raise ValueError(f"{field}: kernels must be odd, the space has {even[0]}")
            undivided = [w for w in _values(self.of(number, "width")) if w % 4]
            if "bottleneck" in _values(self.block) and undivided:
                raise ValueError(
                    "width: a bottleneck's must be divisible by 4, "
                    f"the space has {undivided[0]} in stage {number}"
                )
        return self

    def of(self, number: int, field: str) -> Any:
        """Return a field's domain for one stage, counted from 1."""
        own = getattr(self.stage.get(number, StageSpace()), field)
        return getattr(self, field) if own is None else own


class RecipeSpace(Spec):
    """Which recipe fields may be drawn; what is absent is the recipe's."""

    lr: Maybe[Numbers[Rate]] = None
    """Learning rate."""
    momentum: Maybe[Numbers[Fraction]] = None
    """Momentum (beta 1 for Adam)."""
    weight_decay: Maybe[Numbers[Decay]] = None
    """Weight decay."""
    batch_size: Maybe[Numbers[BatchSize]] = None
    """Images a step."""
    lookahead: Maybe[Domain[bool]] = None
    """Lookahead, on or off."""
    lookahead_k: Maybe[Numbers[Annotated[int, Field(ge=1)]]] = None
    """Lookahead's steps between synchronisations."""
    lookahead_alpha: Maybe[Numbers[Annotated[float, Field(gt=0, le=1)]]] = None
    """How far Lookahead's slow weights move."""
    clip: Maybe[Domain[Literal["off", "norm", "value"]]] = None
    """Clipping of gradients."""
    clip_limit: Maybe[Numbers[Rate]] = None
    """The limit of clipping."""


class Overrides(Spec):
    """Values drawn for recipe fields; what is absent is the recipe's."""

    lr: Rate | None = None
    momentum: Fraction | None = None
    weight_decay: Decay | None = None
    batch_size: BatchSize | None = None
    lookahead: bool | None = None
    lookahead_k: int | None = None
    lookahead_alpha: float | None = None
    clip: Literal["off", "norm", "value"] | None = None
    clip_limit: Rate | None = None

    def apply(self, recipe: Recipe) -> Recipe:
        """Lay the drawn values over a recipe."""
        given = self.model_dump(exclude_none=True)
        optimizer = {k: v for k, v in given.items() if k in ("lr", "momentum", "weight_decay")}
        changes: dict[str, Any] = {"optimizer": recipe.optimizer.changed(**optimizer)}
        if self.batch_size is not None:
            changes["batch_size"] = self.batch_size
        if self.lookahead is not None:
            changes["lookahead"] = (recipe.lookahead or Lookahead()) if self.lookahead else None
        changed = recipe.changed(**changes)
        return changed.changed(lookahead=self._lookahead(changed), clip=self._clip(changed))

    def _lookahead(self, recipe: Recipe) -> Lookahead | None:
        given = {"k": self.lookahead_k, "alpha": self.lookahead_alpha}
        drawn = {name: value for name, value in given.items() if value is not None}
        return recipe.lookahead.changed(**drawn) if recipe.lookahead else None

    def _clip(self, recipe: Recipe) -> ClipNorm | ClipValue | None:
        kinds = {"off": None, "norm": ClipNorm(), "value": ClipValue()}
        clip = recipe.clip if self.clip is None else kinds[self.clip]
        return clip.changed(limit=self.clip_limit) if clip and self.clip_limit else clip


class Draw(NamedTuple):
    """What was drawn for one trial."""

    arch: Arch
    overrides: Overrides


class Space(Spec):
    """Which architectures and recipe fields a study may draw."""

    arch: ArchSpace = ArchSpace()
    """The architectures."""

    recipe: RecipeSpace = RecipeSpace()
    """The recipe fields."""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a TOML file that narrows or fixes fields of the default space.

        Raises:
            InputError: With every problem of the file, on one line.
        """
        merged: dict[str, Any] = cls().model_dump()
        for section, fields in read_toml(path).items():
            base = merged.get(section)
            # field by field: a domain is replaced whole, never mixed with the default's
            merged[section] = base | fields if base and isinstance(fields, dict) else fields
        return cls.parse(merged, str(path))

    def draw(self, trial: Suggester, in_channels: int, num_classes: int) -> Draw:
        """Draw an architecture for such images, and recipe fields if any is open."""
        return Draw(self._draw_arch(trial, in_channels, num_classes), self._draw_recipe(trial))

    def _draw_arch(self, trial: Suggester, in_channels: int, num_classes: int) -> Arch:
        space = self.arch
        block = _draw(trial, "block", space.block)
        number = _draw(trial, "stages", space.stages)
        stages = tuple(self._draw_stage(trial, index) for index in range(1, number + 1))
        stem = _draw(trial, "stem_width", space.stem_width)
        where = _draw(trial, "se", space.se)
        se = None
        if where != "none":
            se = SE(where=where, reduction=_draw(trial, "se_reduction", space.se_reduction))
        return Arch(
            in_channels=in_channels,
            num_classes=num_classes,
            block=block,
            stem_width=stages[0].width if stem is None else stem,
            stages=stages,
            se=se,
            norm=_draw(trial, "norm", space.norm),
            dropout=_draw(trial, "dropout", space.dropout),
        )

    def _draw_stage(self, trial: Suggester, number: int) -> Stage:
        fields = ("width", "depth", "kernel", "shortcut_kernel")
        return Stage(**{f: _draw(trial, f"{f}_{number}", self.arch.of(number, f)) for f in fields})

    def _draw_recipe(self, trial: Suggester) -> Overrides:
        space = self.recipe
        drawn: dict[str, Any] = {}
        for name in RecipeSpace.model_fields:
            unused = (name.startswith("lookahead_") and drawn.get("lookahead") is False) or (
                name == "clip_limit" and drawn.get("clip") == "off"
            )
            if getattr(space, name) is not None and not unused:
                drawn[name] = _draw(trial, name, getattr(space, name))
        return Overrides(**drawn)

    def smallest(self, in_channels: int, num_classes: int) -> Arch:
        """Find the network with the fewest parameters in the space.

        Everything but a stage's width is monotone on its own. The width of the first stage is
        either the smallest, or the smallest that equals the stem's: then there is no projection.
        """
        space = self.arch
        candidates = product(
            _values(space.block), _values(space.stages), _values(space.norm),
            _values(space.se), self._narrow_starts(),
        )  # fmt: skip
        reduction = max(_values(space.se_reduction))
        archs = (
            Arch(
                in_channels=in_channels,
                num_classes=num_classes,
                block=block,
                stem_width=stem,
                stages=tuple(self._least_stage(i, first) for i in range(1, number + 1)),
                se=None if se == "none" else SE(where=se, reduction=reduction),
                norm=norm,
            )
            for block, number, norm, se, (stem, first) in candidates
        )  # fmt: skip
        return min(archs, key=count_params)

    def _narrow_starts(self) -> list[tuple[int, int]]:
        """Candidates for (stem width, first stage's width)."""
        first = _values(self.arch.of(1, "width"))
        if self.arch.stem_width is None:
            return [(min(first), min(first))]
        stem = _values(self.arch.stem_width)
        equal = set(first) & set(stem)
        return [(min(stem), min(first)), *((w, w) for w in sorted(equal)[:1])]

    def _least_stage(self, number: int, first_width: int) -> Stage:
        def least(field: str) -> int:
            return int(min(_values(self.arch.of(number, field))))

        return Stage(
            width=first_width if number == 1 else least("width"),
            depth=least("depth"),
            kernel=least("kernel"),
            shortcut_kernel=least("shortcut_kernel"),
        )

    def feasible_share(self, fits: Callable[[Arch], bool], draws: int, seed: int = 0) -> float:
        """Estimate the share of random draws (colour images, 10 classes) that fit."""
        suggester = RandomSuggester(seed)
        return sum(fits(self.draw(suggester, 3, 10).arch) for _ in range(draws)) / draws

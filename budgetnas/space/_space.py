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

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, cast

from pydantic import AfterValidator, BeforeValidator, Field, create_model, model_validator
from pydantic.fields import FieldInfo

from budgetnas.arch import (
    MAX_STAGES,
    SE,
    Arch,
    BlockName,
    Depth,
    Kernel,
    Norms,
    Probability,
    Reduction,
    Stage,
    Width,
    count_params,
    odd,
)
from budgetnas.recipe import (
    BatchSize,
    ClipNorm,
    ClipValue,
    Decay,
    Fraction,
    Lookahead,
    LookaheadShare,
    LookaheadSteps,
    Rate,
    Recipe,
)
from budgetnas.space._domains import (
    Domain,
    Numbers,
    Range,
    Suggester,
    contains,
    draw,
    greatest,
    least,
    least_common,
    undivided,
    values,
)
from budgetnas.spec import Maybe, Spec, annotation_of, read_toml

_Number = Annotated[int, Field(ge=1, le=MAX_STAGES)]
Counts = Numbers[_Number, Range[_Number]]
Widths = Numbers[Width, Range[Width]]
Depths = Numbers[Depth, Range[Depth]]
Kernels = Numbers[Kernel, Range[Kernel]]
Reductions = Numbers[Reduction, Range[Reduction]]
Probabilities = Numbers[Probability, Range[Probability]]
Rates = Numbers[Rate, Range[Rate]]


def _numbered(stages: Any) -> Any:
    """Read the stages' numbers, which as keys of a file are text."""
    if not isinstance(stages, dict):
        return stages
    numbers = {str(number): number for number in range(1_000)}
    return {numbers.get(key, key): stage for key, stage in stages.items()}


def _own(field: FieldInfo) -> Any:
    """Return what a field of `Stage` is in `StageSpace`: a domain, or as in the other stages."""
    number = annotation_of(field)
    domain = cast(Any, Numbers)[number, cast(Any, Range)[number]]
    return cast(Any, Maybe)[domain], Field(None, description=field.description)


_Own: Any = create_model(
    "_Own", __base__=Spec, **{name: _own(field) for name, field in Stage.model_fields.items()}
)


class StageSpace(_Own):
    """What one stage may be, where it differs from the others: a domain a field of `Stage`."""


_KERNELS = [n for n, field in Stage.model_fields.items() if AfterValidator(odd) in field.metadata]


class ArchSpace(Spec):
    """Which architectures may be drawn; every field of `Stage` has its domain here."""

    block: Domain[BlockName] = ("basic", "preact")
    """The kind of block."""
    stages: Counts = Range(low=2, high=4)
    """Number of stages (the papers' N)."""
    width: Widths = Range(low=8, high=512, step=8, log=True)
    """Channels of a stage's blocks (C_i)."""
    depth: Depths = Range(low=1, high=5)
    """Blocks of a stage (B_i)."""
    kernel: Kernels = 3
    """Side of a branch's spatial convolutions (F_i)."""
    shortcut_kernel: Kernels = (1, 3)
    """Side of a projection shortcut's convolution (K_i)."""
    stem_width: Maybe[Widths] = None
    """Channels of the stem; if absent, the first stage's."""
    se: Domain[Literal["none", "stem", "block"]] = ("none", "stem", "block")
    """Where squeeze-and-excitation is."""
    se_reduction: Reductions = 16
    """How much narrower its middle is."""
    norm: Domain[Norms] = "batch"
    """Batch norm, or none."""
    dropout: Probabilities = 0.0
    """Probability of dropout after each block and before the linear layer."""
    stage: Annotated[dict[_Number, StageSpace], BeforeValidator(_numbered)] = {}
    """Single stages, counted from 1, that differ from the others."""

    @model_validator(mode="after")
    def _every_draw_is_valid(self) -> Self:
        for number in range(1, greatest(self.stages) + 1):
            for field in _KERNELS:
                even = undivided(self.of(number, field), 2, 1)
                if even:
                    raise ValueError(f"{field}: kernels must be odd, the space has {even[0]}")
            odd = undivided(self.of(number, "width"), 4)
            if "bottleneck" in values(self.block) and odd:
                raise ValueError(
                    "width: a bottleneck's must be divisible by 4, "
                    f"the space has {odd[0]} in stage {number}"
                )
        return self

    def of(self, number: int, field: str) -> Any:
        """Return a field's domain for one stage, counted from 1."""
        own = getattr(self.stage.get(number, StageSpace()), field)
        return getattr(self, field) if own is None else own


class RecipeSpace(Spec):
    """Which recipe fields may be drawn; what is absent is the recipe's."""

    lr: Maybe[Rates] = None
    """Learning rate."""
    momentum: Maybe[Numbers[Fraction, Range[Fraction]]] = None
    """Momentum (beta 1 for Adam)."""
    weight_decay: Maybe[Numbers[Decay, Range[Decay]]] = None
    """Weight decay."""
    batch_size: Maybe[Numbers[BatchSize, Range[BatchSize]]] = None
    """Images a step."""
    lookahead: Maybe[Domain[bool]] = None
    """Lookahead, on or off."""
    lookahead_k: Maybe[Numbers[LookaheadSteps, Range[LookaheadSteps]]] = None
    """Lookahead's steps between synchronisations."""
    lookahead_alpha: Maybe[Numbers[LookaheadShare, Range[LookaheadShare]]] = None
    """How far Lookahead's slow weights move."""
    clip: Maybe[Domain[Literal["off", "norm", "value"]]] = None
    """Clipping of gradients."""
    clip_limit: Maybe[Rates] = None
    """The limit of clipping."""


class Overrides(Spec):
    """Values drawn for recipe fields; what is absent is the recipe's."""

    lr: Rate | None = None
    momentum: Fraction | None = None
    weight_decay: Decay | None = None
    batch_size: BatchSize | None = None
    lookahead: bool | None = None
    lookahead_k: LookaheadSteps | None = None
    lookahead_alpha: LookaheadShare | None = None
    clip: Literal["off", "norm", "value"] | None = None
    clip_limit: Rate | None = None

    def apply(self, recipe: Recipe) -> Recipe:
        def drawn(*names: str, prefix: str = "") -> dict[str, Any]:
            values = {name: getattr(self, prefix + name) for name in names}
            return {name: value for name, value in values.items() if value is not None}

        lookahead, clip = recipe.lookahead, recipe.clip
        if self.lookahead is not None:
            lookahead = (lookahead or Lookahead()) if self.lookahead else None
        if self.clip is not None:
            clip = {"off": None, "norm": ClipNorm(), "value": ClipValue()}[self.clip]
        return recipe.changed(
            optimizer=recipe.optimizer.changed(**drawn("lr", "momentum", "weight_decay")),
            lookahead=lookahead and lookahead.changed(**drawn("k", "alpha", prefix="lookahead_")),
            clip=clip and clip.changed(**drawn("limit", prefix="clip_")),
            **drawn("batch_size"),
        )


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
        return cls.from_table(read_toml(path), str(path))

    @classmethod
    def of(cls, given: "Space | Path | str | dict[str, Any] | None") -> "Space | None":
        """Read a space in any form that Python functions take; None where none was given.

        Raises:
            InputError: As for a space file; a dict has the same keys.
        """
        if isinstance(given, dict):
            return cls.from_table(given, "space")
        return cls.from_file(Path(given)) if isinstance(given, str | Path) else given

    @classmethod
    def from_table(cls, table: dict[str, Any], source: str) -> Self:
        """Lay what a file says over the default space; `source` names it in the error."""
        merged: dict[str, Any] = cls().model_dump()
        for section, fields in table.items():
            base = merged.get(section)
            # field by field: a domain is replaced whole, never mixed with the default's
            merged[section] = base | fields if base and isinstance(fields, dict) else fields
        return cls.parse(merged, source)

    def draw(
        self, trial: Suggester, in_channels: int, num_classes: int, *, widths: bool = True
    ) -> Draw:
        """Draw an architecture for such images, and recipe fields if any is open.

        Without `widths`, those of the stages are not drawn, but the narrowest of the space.
        """
        space = self.arch
        block = draw(trial, "block", space.block)
        number = draw(trial, "stages", space.stages)
        stages = tuple(self._draw_stage(trial, index, widths) for index in range(1, number + 1))
        stem = draw(trial, "stem_width", space.stem_width)
        where = draw(trial, "se", space.se)
        se = None
        if where != "none":
            se = SE(where=where, reduction=draw(trial, "se_reduction", space.se_reduction))
        arch = Arch(
            in_channels=in_channels,
            num_classes=num_classes,
            block=block,
            stem_width=stages[0].width if stem is None else stem,
            stages=stages,
            se=se,
            norm=draw(trial, "norm", space.norm),
            dropout=draw(trial, "dropout", space.dropout),
        )
        return Draw(arch, self._draw_recipe(trial))

    def _draw_stage(self, trial: Suggester, number: int, widths: bool) -> Stage:
        domain = self.arch.of(number, "width")
        width = draw(trial, f"width_{number}", domain) if widths else least(domain)
        drawn = {
            name: draw(trial, f"{name}_{number}", self.arch.of(number, name))
            for name in Stage.model_fields
            if name != "width"
        }
        return Stage(width=width, **drawn)

    def holds(self, arch: Arch) -> bool:
        space, first = self.arch, arch.stages[0].width
        fixed = arch.stem_width == first if space.stem_width is None else None
        return (
            contains(space.block, arch.block)
            and contains(space.stages, len(arch.stages))
            and (contains(space.stem_width, arch.stem_width) if fixed is None else fixed)
            and contains(space.se, arch.se.where if arch.se else "none")
            and (arch.se is None or contains(space.se_reduction, arch.se.reduction))
            and contains(space.norm, arch.norm)
            and contains(space.dropout, arch.dropout)
            and all(
                contains(space.of(number, field), getattr(stage, field))
                for number, stage in enumerate(arch.stages, start=1)
                for field in Stage.model_fields
            )
        )

    def _draw_recipe(self, trial: Suggester) -> Overrides:
        space = self.recipe
        drawn: dict[str, Any] = {}
        for name in RecipeSpace.model_fields:
            unused = (name.startswith("lookahead_") and drawn.get("lookahead") is False) or (
                name == "clip_limit" and drawn.get("clip") == "off"
            )
            if getattr(space, name) is not None and not unused:
                drawn[name] = draw(trial, name, getattr(space, name))
        return Overrides(**drawn)

    def smallest(
        self,
        in_channels: int,
        num_classes: int,
        cost: Callable[[Arch], float] = count_params,
    ) -> Arch:
        """Find the network with the fewest parameters in the space, or the least of another cost.

        Everything but a stage's width is monotone on its own. The width of the first stage is
        either the smallest, or the smallest that equals the stem's: then there is no projection.
        """
        space = self.arch
        candidates = product(
            values(space.block), values(space.stages), values(space.norm),
            values(space.se), self._narrow_starts(),
        )  # fmt: skip
        reduction = greatest(space.se_reduction)
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
        return min(archs, key=cost)

    def _narrow_starts(self) -> list[tuple[int, int]]:
        """Candidates for (stem width, first stage's width)."""
        first, stem = self.arch.of(1, "width"), self.arch.stem_width
        if stem is None:
            return [(least(first), least(first))]
        return [
            (least(stem), least(first)),
            *((both, both) for both in least_common(first, stem)),
        ]

    def _least_stage(self, number: int, first_width: int) -> Stage:
        fields = {name: least(self.arch.of(number, name)) for name in Stage.model_fields}
        if number == 1:
            fields["width"] = first_width
        return Stage(**fields)

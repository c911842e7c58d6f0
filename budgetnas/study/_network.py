"""`Network`: an architecture as a study file says it, in lists as the papers' tables do."""

from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, create_model, model_validator
from pydantic.fields import FieldInfo

from budgetnas.arch import (
    MAX_STAGES,
    PRESETS,
    SE,
    Arch,
    BlockName,
    Depth,
    Norms,
    Probability,
    Reduction,
    Stage,
    Width,
)
from budgetnas.errors import InputError
from budgetnas.spec import Maybe, Spec, annotation_of, overlay, shorten

_OTHERS = {f"{n}s": n for n, field in Stage.model_fields.items() if not field.is_required()}
"""Keys for the fields of a stage that may be absent, such as `kernels`, with those fields."""


def _for_all_or_each(field: FieldInfo) -> Any:
    value = annotation_of(field)
    return value | cast(Any, tuple)[value, ...], Field(
        field.default, description=field.description
    )


_Others: Any = create_model(
    "_Others",
    __base__=Spec,
    **{key: _for_all_or_each(Stage.model_fields[name]) for key, name in _OTHERS.items()},
)


class Network(_Others):
    """A residual network: one entry of each list is of one stage.

    Fields of a stage that may be absent, as `kernels`, are given for all stages or for each.
    """

    more_keys = ("base",)

    block: BlockName = "basic"
    """The kind of block."""
    depths: Annotated[tuple[Depth, ...], Field(min_length=1, max_length=MAX_STAGES)]
    """Blocks of each stage (B_i)."""
    widths: Annotated[tuple[Width, ...], Field(min_length=1, max_length=MAX_STAGES)]
    """Channels of each stage (C_i)."""
    stem_width: Maybe[Width] = None
    """Channels of the stem; if absent, the first stage's."""
    se: Literal["none", "stem", "block"] = "none"
    """Where squeeze-and-excitation is."""
    se_reduction: Reduction = 16
    """How much narrower its middle is."""
    norm: Norms = "batch"
    """Batch norm, or none."""
    dropout: Probability = 0.0
    """Probability of dropout after each block and before the linear layer."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for name in ("widths", *_OTHERS):
            given = getattr(self, name)
            if isinstance(given, tuple) and len(given) != len(self.depths):
                raise ValueError(
                    f"{name}: one for each of the {len(self.depths)} stages is needed, "
                    f"got {len(given)}"
                )
        return self

    @classmethod
    def of(cls, arch: Arch) -> Self:
        return cls(
            block=arch.block,
            depths=tuple(stage.depth for stage in arch.stages),
            widths=tuple(stage.width for stage in arch.stages),
            **{
                key: tuple(getattr(stage, name) for stage in arch.stages)
                for key, name in _OTHERS.items()
            },
            stem_width=None if arch.stem_width == arch.stages[0].width else arch.stem_width,
            se=arch.se.where if arch.se else "none",
            se_reduction=arch.se.reduction if arch.se else 16,
            norm=arch.norm,
            dropout=arch.dropout,
        )

    def arch(self, in_channels: int, num_classes: int) -> Arch:
        others = {name: self._each(getattr(self, key)) for key, name in _OTHERS.items()}
        return Arch(
            in_channels=in_channels,
            num_classes=num_classes,
            block=self.block,
            stem_width=self.stem_width or self.widths[0],
            stages=tuple(
                Stage(
                    depth=depth,
                    width=self.widths[at],
                    **{name: given[at] for name, given in others.items()},
                )
                for at, depth in enumerate(self.depths)
            ),
            se=None if self.se == "none" else SE(where=self.se, reduction=self.se_reduction),
            norm=self.norm,
            dropout=self.dropout,
        )

    def _each(self, given: int | tuple[int, ...]) -> tuple[int, ...]:
        return given if isinstance(given, tuple) else (given,) * len(self.depths)


def network_table(given: Any, source: str, base: dict[str, Any]) -> dict[str, Any]:
    """Lay what a study file says of a network over another one.

    Args:
        given: A preset's name, or a table of `Network`; its `base` names the preset that it
            changes instead.
        source: Names the place in the error.
        base: The table that it changes.

    Raises:
        InputError: With the presets that are known.
    """
    if isinstance(given, str):
        return preset_table(given, source)
    if not isinstance(given, dict):
        raise InputError(f"{source}: must be a preset or a table, got {shorten(given)}")
    rest = {key: value for key, value in given.items() if key != "base"}
    if "base" in given:
        base = preset_table(given["base"], f"{source}.base")
    elif rest.keys() >= {"depths", "widths"}:
        base = {}  # a network of its own, that keeps nothing of another
    if "depths" in rest and len(base.get("depths", ())) != len(rest["depths"]):
        # what was said of each stage says nothing of other stages
        base = {k: v for k, v in base.items() if k not in _OTHERS}
    return overlay(base, rest)


def preset_table(name: Any, source: str) -> dict[str, Any]:
    if not isinstance(name, str) or name not in PRESETS:
        raise InputError(f"{source}: unknown preset {shorten(name)}, known: {', '.join(PRESETS)}")
    return Network.of(PRESETS[name]).model_dump()

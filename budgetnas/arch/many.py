"""Many architectures at once, as arrays of numbers, for the counter: the walk and formulas of one.

`count_params` and `count_macs` take an `Archs` as they take an `Arch`, and return an array. What
its members have in common is a number here, what differs an array with an entry for each.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

from budgetnas.arch.arch import SE, Norms

Whole = Any
"""A whole number, or a numpy array of them, int64 [n]; this room does without numpy."""


@dataclass(frozen=True, eq=False)
class Stages:
    """One stage of many architectures; see `Stage`."""

    width: Whole
    depth: Whole
    kernel: Whole = 3
    shortcut_kernel: Whole = 1

    def __getitem__(self, chosen: Any) -> Self:
        """Return some of them, by a slice or a mask."""
        fields = ("width", "depth", "kernel", "shortcut_kernel")
        return replace(self, **{name: _some(getattr(self, name), chosen) for name in fields})


@dataclass(frozen=True, eq=False)
class Archs:
    """Many architectures of one kind of block and as many stages; see `Arch`.

    Whether the first block has a projection is the same for all of them: it has none where
    `stem_width` is None.
    """

    block: str
    stages: tuple[Stages, ...]
    stem: Whole | None = None
    """The stems' widths, different from the first stage's in every entry; None: all equal it."""
    se: SE | None = None
    norm: Norms = "batch"
    in_channels: int = 3
    num_classes: int = 10
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Raise if the stems are of both kinds: one formula would be wrong for some of them."""
        if self.stem is None:
            return
        same = self.stem == self.stages[0].width
        if same if isinstance(same, bool) else same.any():
            raise ValueError("stems must differ from the first stage everywhere, or be None")

    @property
    def stem_width(self) -> Whole:
        """Channels of the stem; where there is no projection, the very array of the stage's."""
        return self.stages[0].width if self.stem is None else self.stem

    def __getitem__(self, chosen: Any) -> Self:
        """Return some of them, by a slice or a mask."""
        stem = None if self.stem is None else _some(self.stem, chosen)
        return replace(self, stages=tuple(stage[chosen] for stage in self.stages), stem=stem)


def _some(value: Whole, chosen: Any) -> Whole:
    return value if isinstance(value, int) else value[chosen]

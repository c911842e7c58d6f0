"""How many architectures a space holds, and which share of them fits: counted, or sampled."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.stats import binomtest

from budgetnas.arch import SE, Arch, Budget, Stage
from budgetnas.searching.counting import Counts, Shares, loads
from budgetnas.space import Space, values

EXACT = 5_000_000
"""Up to this number, all architectures are counted, in seconds; above it, a sample is."""
SAMPLE = 200_000
FIELDS = tuple(Stage.model_fields)


@dataclass(frozen=True)
class Census:
    """The architectures of a space, held against limits.

    Each description counts once, whether or not fields without effect tell it from another;
    dropout, which costs nothing, is not told apart.
    """

    held: int
    """How many the space holds."""
    looked_at: int
    """How many of them were counted: all, or a sample in which each is as probable."""
    fitting: int
    """How many of those fit."""
    low: float
    """Lower end of the share's 95 % interval (Clopper and Pearson); the share, if it is exact."""
    high: float
    """Upper end."""
    largest: Arch | None
    """What fills the limits most of all that were counted; None where nothing fits."""
    exact: bool
    """Whether all were counted."""

    @property
    def share(self) -> float:
        """The share that fits, in [0, 1]."""
        return self.fitting / self.looked_at

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "share": self.share,
            "share_interval": [self.low, self.high],
            "exact": self.exact,
            "counted": self.looked_at,
        }


@dataclass(frozen=True)
class _Group:
    """Architectures of one block, number of stages, gate and norm."""

    block: str
    stages: int
    se: SE | None
    norm: str
    domains: tuple[Sequence[int], ...]
    """The stem's if it has its own, then those of `FIELDS` of each stage."""
    own_stem: bool

    @property
    def size(self) -> int:
        return math.prod(len(domain) for domain in self.domains)

    def columns(self, places: Sequence[Counts]) -> list[Counts]:
        """Look up the values at places, one array a domain."""
        return [_listed(domain)[at] for domain, at in zip(self.domains, places, strict=True)]

    def archs(self, columns: list[Counts], in_channels: int, num_classes: int) -> Arch:
        """Describe those with these values at once."""
        fields = self._fields(columns, Stage.model_construct)
        return Arch.model_construct(in_channels=in_channels, num_classes=num_classes, **fields)

    def one(self, columns: list[Counts], at: int, in_channels: int, num_classes: int) -> Arch:
        """Describe one of them."""
        fields = self._fields([int(column[at]) for column in columns], Stage)
        return Arch(in_channels=in_channels, num_classes=num_classes, **fields)

    def _fields(self, numbers: Sequence[Any], stage: Callable[..., Stage]) -> dict[str, Any]:
        each = iter(numbers[self.own_stem :])
        stages = tuple(stage(**{name: next(each) for name in FIELDS}) for _ in range(self.stages))
        stem = numbers[0] if self.own_stem else stages[0].width
        return {
            "block": self.block, "stem_width": stem, "stages": stages,
            "se": self.se, "norm": self.norm,
        }  # fmt: skip


def _listed(domain: Sequence[int]) -> Counts:
    return np.array(domain, dtype=np.int64)


def census(
    space: Space,
    limits: Sequence[Budget],
    image_size: int,
    in_channels: int,
    num_classes: int,
    seed: int = 0,
) -> Census:
    """Hold the architectures of a space against limits.

    Args:
        space: What there is.
        limits: What must not be exceeded.
        image_size: Side of an image in pixels.
        in_channels: Of the images.
        num_classes: Of the data.
        seed: Of the sample, where not all are counted.
    """
    groups = list(_groups(space))
    held = number_of_architectures(space)
    exact = held <= EXACT
    batches = _all(groups) if exact else _sample(groups, held, seed)
    looked_at = fitting = 0
    largest, most = None, 0.0
    for group, places in batches:
        columns = group.columns(places)
        archs = group.archs(columns, in_channels, num_classes)
        filling = loads(archs, columns[0] if group.own_stem else None, limits, image_size)
        looked_at += len(filling)
        fitting += int((filling <= 1).sum())
        at = int(_under(filling).argmax())
        if most < filling[at] <= 1:
            most, largest = filling[at], group.one(columns, at, in_channels, num_classes)
    interval = binomtest(fitting, looked_at).proportion_ci(0.95)
    low, high = (fitting / held,) * 2 if exact else (interval.low, interval.high)
    return Census(held, looked_at, fitting, float(low), float(high), largest, exact)


def number_of_architectures(space: Space) -> int:
    """Count the architectures that a space holds."""
    return sum(group.size for group in _groups(space))


def _under(filling: Shares) -> Shares:
    return np.where(filling <= 1, filling, 0)


def _groups(space: Space) -> Iterator[_Group]:
    arch = space.arch
    for block, number, where, norm in product(
        values(arch.block), values(arch.stages), values(arch.se), values(arch.norm)
    ):
        gates = [None] if where == "none" else [
            SE(where=where, reduction=reduction) for reduction in values(arch.se_reduction)
        ]  # fmt: skip
        stages = [values(arch.of(at, field)) for at in range(1, number + 1) for field in FIELDS]
        stem = [] if arch.stem_width is None else [values(arch.stem_width)]
        for gate in gates:
            yield _Group(block, number, gate, norm, (*stem, *stages), bool(stem))


def _all(groups: Sequence[_Group]) -> Iterator[tuple[_Group, Sequence[Counts]]]:
    for group in groups:
        shape = tuple(len(domain) for domain in group.domains)
        for start in range(0, group.size, SAMPLE):
            numbers = np.arange(start, min(start + SAMPLE, group.size))
            yield group, np.unravel_index(numbers, shape)


def _sample(
    groups: Sequence[_Group], held: int, seed: int
) -> Iterator[tuple[_Group, Sequence[Counts]]]:
    """Draw each architecture with the same probability."""
    random = np.random.default_rng(seed)
    shares = [group.size / held for group in groups]
    for group, many in zip(groups, random.multinomial(SAMPLE, shares), strict=True):
        if many:
            yield group, [random.integers(0, len(domain), many) for domain in group.domains]

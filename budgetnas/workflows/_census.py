"""The share of a space that fits, and a sample of what a search that fills its budget draws."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from statistics import median_low
from typing import Any

import numpy as np
from scipy.stats import binomtest

from budgetnas.arch import COSTS, SE, Arch, Budget, Stage, count_macs, count_params
from budgetnas.seeds import derive_seed
from budgetnas.space import Fill, RandomSuggester, Space, values
from budgetnas.trials import Counts, Limits, loads, networks_of

EXACT = 5_000_000
"""Up to this number, all architectures are counted (seconds); above it, a sample is."""
SAMPLE = 200_000
FIELDS = tuple(Stage.model_fields)


@dataclass(frozen=True)
class Census:
    """The architectures of a space, counted against limits.

    Descriptions that differ in fields without effect count each; dropout, which costs nothing,
    does not.
    """

    held: int
    """Number of architectures in the space."""
    looked_at: int
    """Number of counted ones: all, or a uniform sample."""
    fitting: int
    """Number of counted ones that fit."""
    low: float
    """Lower end of the share's 95 % interval (Clopper and Pearson); the share, if it is exact."""
    high: float
    """Upper end."""
    largest: Arch | None
    """The counted one that fills the limits most; None where none fits."""
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
        """Return the values at indices, one array a domain."""
        arrays = (np.array(domain, dtype=np.int64) for domain in self.domains)
        return [values[at] for values, at in zip(arrays, places, strict=True)]

    def archs(self, columns: list[Counts], in_channels: int, num_classes: int) -> Arch:
        """Return the architectures with these values as one of arrays."""
        fields = self._fields(columns, Stage.model_construct)
        return Arch.model_construct(in_channels=in_channels, num_classes=num_classes, **fields)

    def one(self, columns: list[Counts], at: int, in_channels: int, num_classes: int) -> Arch:
        """Return one of them."""
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


def census(space: Space, limits: Limits, seed: int = 0) -> Census:
    """Count the architectures of a space that fit; `seed` is that of a sample."""
    groups = list(_groups(space))
    held = number_of_architectures(space)
    exact = held <= EXACT
    batches = _all(groups) if exact else _sample(groups, held, seed)
    looked_at = fitting = 0
    largest, most = None, 0.0
    for group, places in batches:
        columns = group.columns(places)
        archs = group.archs(columns, limits.in_channels, limits.num_classes)
        stem = columns[0] if group.own_stem else None
        filling = loads(archs, stem, limits.budgets, limits.image_size)
        looked_at += len(filling)
        fitting += int((filling <= 1).sum())
        at = int(np.where(filling <= 1, filling, 0).argmax())
        if most < filling[at] <= 1:
            most = filling[at]
            largest = group.one(columns, at, limits.in_channels, limits.num_classes)
    interval = binomtest(fitting, looked_at).proportion_ci(0.95)
    low, high = (fitting / held,) * 2 if exact else (interval.low, interval.high)
    return Census(held, looked_at, fitting, float(low), float(high), largest, exact)


def number_of_architectures(space: Space) -> int:
    """Return the number of architectures in a space."""
    return sum(group.size for group in _groups(space))


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


DRAWS = 200
"""Number of networks that are drawn for each budget, in about a second."""


@dataclass(frozen=True)
class Counted:
    """A network and its costs."""

    arch: Arch
    params: int
    """Trainable parameters."""
    macs: int
    """Multiply-adds for one image."""

    @classmethod
    def of(cls, arch: Arch, image_size: int) -> "Counted":
        """Count a network."""
        return cls(arch, count_params(arch), count_macs(arch, image_size))

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        arch = self.arch.model_dump(mode="json")
        return {"params": self.params, "macs": self.macs, "arch": arch}


@dataclass(frozen=True)
class NetworkSample:
    """A sample of a search's random draws for one budget."""

    budget: Budget
    """The budget that the networks fill."""
    networks: tuple[Counted, ...]
    """In the order of the draws."""
    different: int
    """Number of different ones."""
    filled: tuple[float, ...]
    """Each network's share of the limit that it fills most."""
    seed: int
    """Seed of the draws."""

    @property
    def smallest(self) -> Counted:
        """The network that fills least."""
        return self.networks[self.filled.index(min(self.filled))]

    @property
    def largest(self) -> Counted:
        """The network that fills most."""
        return self.networks[self.filled.index(max(self.filled))]

    def below(self, share: float) -> int:
        """Count those that fill less than a share: the space is too narrow for them."""
        return sum(each < share for each in self.filled)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "budget": self.budget.limit,
            "draws": len(self.networks),
            "different": self.different,
            "seed": self.seed,
            "filled": _ends(self.filled),
            "params": _ends([each.params for each in self.networks]),
            "macs": _ends([each.macs for each in self.networks]),
            "smallest": self.smallest.as_json(),
            "largest": self.largest.as_json(),
        }


def draw_some(fill: Fill, limits: Limits, seed: int = 0) -> NetworkSample:
    """Draw networks that fill the first of some limits, as a search does."""
    budget = limits.budgets[0]
    suggester = RandomSuggester(derive_seed(seed, "plan", budget.limit))
    archs = list(islice(networks_of(fill, suggester, limits), DRAWS))
    counted = tuple(Counted.of(arch, limits.image_size) for arch in archs)
    different = len({arch.digest() for arch in archs})
    return NetworkSample(budget, counted, different, tuple(map(limits.load, archs)), seed)


def least_limits(arch: Arch, limits: Limits) -> dict[str, int]:
    """Return the costs of a network that exceed their limits."""
    return {
        each.cost: COSTS[each.cost](arch, limits.image_size)
        for each in limits.budgets
        if each.excess(arch, limits.image_size) > 0
    }


def _ends(values: Sequence[float]) -> dict[str, float]:
    return {"least": min(values), "median": median_low(values), "most": max(values)}

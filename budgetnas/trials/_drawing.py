"""Drawing networks as a proposal says: many are counted at once, and widths are solved for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from budgetnas.arch import COSTS, Arch, Budget, fits, load
from budgetnas.space import Draw, Fill, Free, Space, Suggester, draw, least, values
from budgetnas.study import StudyConfig

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]

AT_ONCE = 16_384
"""Number of architectures whose intermediate results fit a core's cache."""


def loads(archs: Arch, stem: Counts | int | None, limits: Sequence[Budget], size: int) -> Shares:
    """Return the largest cost over its limit of each, float64 [n]; feasible means at most 1.

    Args:
        archs: With arrays, int64 [n], for the widths of its stages at least; its stem is not read.
        stem: The stems' widths, in some the first stage's; None: in all.
        limits: Limits of costs.
        size: Side of an image in pixels.
    """
    first: Any = archs.stages[0].width
    if stem is None:
        return _chunks(archs, None, limits, size)
    stems = np.broadcast_to(np.asarray(stem, dtype=np.int64), first.shape)
    result, same = np.empty(len(first)), stems == first
    for chosen, own in ((same, None), (~same, stems[~same])):
        if chosen.any():
            result[chosen] = _chunks(archs_at(archs, chosen), own, limits, size)
    return result


@dataclass(frozen=True)
class Limits:
    """What networks must not exceed, and the images that they are for."""

    budgets: tuple[Budget, ...]
    """The budget first."""
    image_size: int
    """Side of an image in pixels."""
    in_channels: int
    num_classes: int

    @classmethod
    def of(cls, config: StudyConfig) -> "Limits":
        """Return those of a study."""
        facts = config.facts
        return cls(config.all_limits, config.data.image_size, facts.channels, len(facts.classes))

    def of_budget(self, budget: Budget) -> "Limits":
        """Return the same with another budget."""
        return replace(self, budgets=(budget, *self.budgets[1:]))

    def load(self, arch: Arch) -> float:
        """Return a network's largest cost over its limit; at most 1: it fits."""
        return load(self.budgets, arch, self.image_size)

    def fit(self, arch: Arch) -> bool:
        """Return whether a network is within all of them."""
        return fits(self.budgets, arch, self.image_size)

    def smallest(self, space: Space) -> Arch:
        """Return the network of a space that fills the limits least."""
        return space.smallest(self.in_channels, self.num_classes, self.load)

    def loads(self, arch: Arch, widths: Counts, *, stem_follows: bool) -> Shares:
        """Return the loads, float64 [n], of a network with widths, int64 [n, stages]."""
        stages = [
            stage.model_copy(update={"width": each})
            for stage, each in zip(arch.stages, widths.T, strict=True)
        ]
        many = arch.model_copy(update={"stages": stages})
        stem = None if stem_follows else arch.stem_width
        return loads(many, stem, self.budgets, self.image_size)


def with_widths(arch: Arch, widths: Counts, *, stem_follows: bool) -> Arch:
    """Return a network with other widths, int64 [stages]."""
    stages = tuple(
        stage.changed(width=int(width)) for stage, width in zip(arch.stages, widths, strict=True)
    )
    return arch.changed(
        stages=stages, stem_width=int(widths[0]) if stem_follows else arch.stem_width
    )


def archs_at(archs: Arch, chosen: Any, stem: Counts | None = None) -> Arch:
    """Return some of many architectures, by a slice or a mask."""
    stages = [
        stage.model_copy(
            update={n: value[chosen] for n, value in stage if isinstance(value, np.ndarray)}
        )
        for stage in archs.stages
    ]
    first = stages[0].width
    return archs.model_copy(
        update={"stages": stages, "stem_width": first if stem is None else stem}
    )


def _chunks(archs: Arch, stem: Counts | None, limits: Sequence[Budget], size: int) -> Shares:
    first: Any = archs.stages[0].width
    result = np.empty(len(first))
    for start in range(0, len(first), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        own = None if stem is None else stem[part]
        result[part] = _load(archs_at(archs, part, own), limits, size)
    return result


def _load(archs: Arch, limits: Sequence[Budget], size: int) -> Shares:
    shares: list[Shares] = [
        np.divide(COSTS[each.cost](archs, size), each.limit) for each in limits
    ]
    if len(shares) == 1:
        return shares[0]
    most: Shares = np.maximum.reduce(shares)
    return most


SCALES = 256
"""Number of scales of a whole shape that are tried."""
NEAR = 0.005
"""Difference to the wanted share of the budget that does not matter."""
OFFSETS = {4: 2, 6: 1}
"""Steps up and down around the best scale, by the largest number of stages for which they are
tried; of a network with more stages, only the last are moved."""


def filled(
    space: Space,
    shape: Arch,
    ratios: Sequence[float],
    fill: float,
    least_fill: float,
    limits: Limits,
) -> Arch:
    """Give a shape the widths of a space with which it fills a share of its limits.

    A shape that is over a limit even where it is narrowest is first made smaller, see `fitting`.
    Where the widths of the space do not reach that share, the nearest that fit are taken.

    Args:
        space: The space of the widths.
        shape: With the narrowest widths of the space.
        ratios: Ratio of the widths of each stage, from the second on, to the one before.
        fill: The share to fill of the limit that is filled most, in (0, 1].
        least_fill: The least share.
        limits: Limits that the smallest network of the space fits.
    """
    shape = fitting(space, shape, limits)
    solver = _Solver(space, shape, limits)
    wanted: Shares = np.cumprod([1.0, *ratios[: len(shape.stages) - 1]], dtype=np.float64)
    widths = solver.solve(wanted, fill, least_fill)
    return with_widths(shape, widths, stem_follows=solver.stem_follows)


def fitting(space: Space, shape: Arch, limits: Limits) -> Arch:
    """Make a shape smaller until it fits.

    It loses blocks, from the deepest stage (of equals, the last), then its last stages; then it
    is the smallest network of the space.
    """
    if limits.load(shape) <= 1:
        return shape
    smaller = (each for each in _smaller(space, shape) if limits.load(each) <= 1)
    return next(smaller, None) or limits.smallest(space)


def _smaller(space: Space, shape: Arch) -> Iterator[Arch]:
    """Yield it without a block, then another, then without a stage, and so on."""
    while (shallower := _shallower(space, shape)) is not None:
        yield (shape := shallower)
    numbers = sorted(n for n in values(space.arch.stages) if n < len(shape.stages))
    for number in reversed(numbers):
        yield (shape := shape.changed(stages=shape.stages[:number]))


def _shallower(space: Space, shape: Arch) -> Arch | None:
    """Return it with the next smaller depth of its deepest stage that has one."""
    fewer = [
        max((d for d in values(space.arch.of(number, "depth")) if d < stage.depth), default=0)
        for number, stage in enumerate(shape.stages, start=1)
    ]
    places = [place for place, depth in enumerate(fewer) if depth]
    if not places:
        return None
    place = max(places, key=lambda place: (shape.stages[place].depth, place))
    stages = list(shape.stages)
    stages[place] = stages[place].changed(depth=fewer[place])
    return shape.changed(stages=tuple(stages))


class _Solver:
    """Counts a shape with many widths at once."""

    def __init__(self, space: Space, shape: Arch, limits: Limits) -> None:
        self.shape, self.limits = shape, limits
        self.stem_follows = space.arch.stem_width is None
        numbers = range(1, len(shape.stages) + 1)
        listed = [sorted(values(space.arch.of(number, "width"))) for number in numbers]
        if shape.stages[0].width != least(space.arch.of(1, "width")):
            listed[0] = [shape.stages[0].width]  # the smallest network's, which is no choice
        self.widths = [np.array(each, dtype=np.int64) for each in listed]

    def solve(self, wanted: Shares, fill: float, least_fill: float) -> Counts:
        """Find widths, int64 [stages], for relative widths [stages] and a share of the limits."""
        whole = self._scaled(wanted)
        filling = self._loads(whole)
        fitting = np.flatnonzero(filling <= 1)  # the narrowest is among them
        nearest = fitting[np.abs(np.log(filling[fitting] / fill)).argmin()]
        around = self._around(whole[nearest])
        filling = self._loads(around)
        allowed = filling <= 1
        if (enough := allowed & (filling >= least_fill)).any():
            allowed = enough
        around, filling = around[allowed], filling[allowed]
        off = np.maximum(np.abs(filling - fill) - NEAR, 0)
        near = around[off <= off.min()]
        return self._of(near[self._distortions(near, wanted).argmin()])

    def _scaled(self, wanted: Shares) -> Counts:
        """Return indices of widths, int64 [n, stages], of the whole shape at all scales."""
        pairs = list(zip(self.widths, wanted, strict=True))
        low = min(each[0] / share for each, share in pairs)
        high = max(each[-1] / share for each, share in pairs)
        scales = np.geomspace(low, high, SCALES)
        columns = [_nearest(each, scales * share) for each, share in pairs]
        return np.unique(np.stack(columns, axis=1), axis=0)

    def _around(self, places: Counts) -> Counts:
        """Return neighbours of indices of widths, int64 [n, stages]."""
        stages = len(places)
        reach = next((steps for most, steps in OFFSETS.items() if stages <= most), 1)
        still = max(0, stages - max(OFFSETS))
        moves = [(0,)] * still + [tuple(range(-reach, reach + 1))] * (stages - still)
        moved = places + np.array(list(product(*moves)), dtype=np.int64)
        last = np.array([len(each) - 1 for each in self.widths])
        return np.unique(np.clip(moved, 0, last), axis=0)

    def _distortions(self, places: Counts, wanted: Shares) -> Shares:
        """Return the distance of widths to the wanted relative ones, float64 [n]."""
        widths = np.stack([each[at] for each, at in zip(self.widths, places.T, strict=True)])
        spread: Shares = np.log(widths / wanted[:, None]).std(axis=0)
        return spread

    def _of(self, places: Counts) -> Counts:
        return np.array([each[at] for each, at in zip(self.widths, places, strict=True)])

    def _loads(self, places: Counts) -> Shares:
        widths = [each[at] for each, at in zip(self.widths, places.T, strict=True)]
        return self.limits.loads(
            self.shape, np.stack(widths, axis=1), stem_follows=self.stem_follows
        )


def _nearest(listed: Counts, targets: Shares) -> Counts:
    """Return the indices of the values that are nearest to targets, by ratio."""
    middles = np.sqrt(listed[1:].astype(np.float64) * listed[:-1])
    return np.searchsorted(middles, targets)


def draw_filled(fill: Fill, trial: Suggester, limits: Limits) -> Draw:
    """Draw a shape and a fill of the limits, and solve for the widths."""
    shape, overrides = fill.space.draw(trial, limits.in_channels, limits.num_classes, widths=False)
    ratios = [
        draw(trial, f"ratio_{place}", fill.ratio) for place in range(2, len(shape.stages) + 1)
    ]
    share = draw(trial, "fill", fill.fill)
    arch = filled(fill.space, shape, ratios, share, fill.fill.low, limits)
    return Draw(arch, overrides)


def draw_from(proposal: Free | Fill, trial: Suggester, limits: Limits) -> Draw:
    """Draw as a proposal says; what `Free` draws may exceed the limits."""
    match proposal:
        case Free(space=space):
            return space.draw(trial, limits.in_channels, limits.num_classes)
        case Fill():
            return draw_filled(proposal, trial, limits)


def networks_of(proposal: Free | Fill, suggester: Suggester, limits: Limits) -> Iterator[Arch]:
    """Draw one network after the other."""
    while True:
        yield draw_from(proposal, suggester, limits).arch

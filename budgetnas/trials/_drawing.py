"""Drawing networks as a proposal says: many are counted at once, and widths are solved for."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from budgetnas.arch import COSTS, Arch, Budget, load
from budgetnas.space import Draw, Fill, Free, Space, Suggester, draw, least, values

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]

AT_ONCE = 16_384
"""Architectures whose intermediate results stay in a core's cache."""


def loads(archs: Arch, stem: Counts | int | None, limits: Sequence[Budget], size: int) -> Shares:
    """Return the largest cost over its limit of each, float64 [n]; feasible means at most 1.

    Args:
        archs: With arrays, int64 [n], for the widths of its stages at least; its stem is not read.
        stem: The stems' widths, which may be the first stage's in some of them; None: in all.
        limits: What must not be exceeded.
        size: Side of an image in pixels.
    """
    first: Any = archs.stages[0].width
    if stem is None:
        return _chunks(archs, None, limits, size)
    stems = np.broadcast_to(np.asarray(stem, dtype=np.int64), first.shape)
    result, same = np.empty(len(first)), stems == first
    for chosen, own in ((same, None), (~same, stems[~same])):
        if chosen.any():
            result[chosen] = _chunks(some(archs, chosen), own, limits, size)
    return result


def with_widths(arch: Arch, widths: Sequence[Counts]) -> Arch:
    """Return a network with many widths, int64 [n] a stage, in place of its own."""
    stages = [
        stage.model_copy(update={"width": each})
        for stage, each in zip(arch.stages, widths, strict=True)
    ]
    return arch.model_copy(update={"stages": stages})


def some(archs: Arch, chosen: Any, stem: Counts | None = None) -> Arch:
    """Choose some of many architectures, by a slice or a mask; without a stem of their own."""
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
        result[part] = _load(some(archs, part, own), limits, size)
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
"""Widths that are tried while the shape is widened as a whole."""
NEAR = 0.005
"""A share of the budget that is as near as this to the wanted one is near enough."""
OFFSETS = {4: 2, 6: 1}
"""Up to how many stages so many steps up and down are tried around the best of those; of a network
with more stages, only the last are moved."""


def filled(
    space: Space,
    shape: Arch,
    ratios: Sequence[float],
    fill: float,
    least_fill: float,
    limits: Sequence[Budget],
    image_size: int,
) -> Arch:
    """Give a shape the widths of the space with which it fills a share of its limits.

    A shape that is over a limit even where it is narrowest is first made smaller, see `fitting`.
    Where the widths of the space do not reach that share, the nearest that fit are taken.

    Args:
        space: What widths there are.
        shape: With the narrowest widths of the space.
        ratios: How many times as wide each stage is as the one before, from the second on.
        fill: The share of that limit which is filled most, in (0, 1].
        least_fill: What it should not fall short of.
        limits: What must not be exceeded; the smallest network of the space fits them.
        image_size: Side of an image in pixels.
    """
    shape = fitting(space, shape, limits, image_size)
    solver = _Solver(space, shape, limits, image_size)
    wanted: Shares = np.cumprod([1.0, *ratios[: len(shape.stages) - 1]], dtype=np.float64)
    return solver.with_widths(solver.solve(wanted, fill, least_fill))


def fitting(space: Space, shape: Arch, limits: Sequence[Budget], image_size: int) -> Arch:
    """Make a shape smaller until it fits where it is narrowest; leave one alone that does.

    It loses blocks, from the deepest stage (of equals, the last), then its last stages, then
    whatever else distinguishes it from the smallest network of the space.
    """
    if load(limits, shape, image_size) <= 1:
        return shape
    for smaller in _smaller(space, shape):
        if load(limits, smaller, image_size) <= 1:
            return smaller
    return space.smallest(
        shape.in_channels, shape.num_classes, lambda arch: load(limits, arch, image_size)
    )


def _smaller(space: Space, shape: Arch) -> Iterator[Arch]:
    """Take away block by block, then stage by stage."""
    while (shallower := _shallower(space, shape)) is not None:
        yield (shape := shallower)
    numbers = sorted(n for n in values(space.arch.stages) if n < len(shape.stages))
    for number in reversed(numbers):
        yield (shape := shape.changed(stages=shape.stages[:number]))


def _shallower(space: Space, shape: Arch) -> Arch | None:
    """Take a block, or as many as the space says, from the deepest stage that has one to give."""
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

    def __init__(
        self, space: Space, shape: Arch, limits: Sequence[Budget], image_size: int
    ) -> None:
        self.shape, self.limits, self.image_size = shape, limits, image_size
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
        """List places of widths, int64 [n, stages]: the shape as a whole, wider and wider."""
        pairs = list(zip(self.widths, wanted, strict=True))
        low = min(each[0] / share for each, share in pairs)
        high = max(each[-1] / share for each, share in pairs)
        scales = np.geomspace(low, high, SCALES)
        columns = [_nearest(each, scales * share) for each, share in pairs]
        return np.unique(np.stack(columns, axis=1), axis=0)

    def _around(self, places: Counts) -> Counts:
        """List neighbours of widths, int64 [n, stages]."""
        stages = len(places)
        reach = next((steps for most, steps in OFFSETS.items() if stages <= most), 1)
        still = max(0, stages - max(OFFSETS))
        moves = [(0,)] * still + [tuple(range(-reach, reach + 1))] * (stages - still)
        moved = places + np.array(list(product(*moves)), dtype=np.int64)
        last = np.array([len(each) - 1 for each in self.widths])
        return np.unique(np.clip(moved, 0, last), axis=0)

    def _distortions(self, places: Counts, wanted: Shares) -> Shares:
        """Measure how far widths are from the wanted relative ones: float64 [n]."""
        widths = np.stack([each[at] for each, at in zip(self.widths, places.T, strict=True)])
        spread: Shares = np.log(widths / wanted[:, None]).std(axis=0)
        return spread

    def _of(self, places: Counts) -> Counts:
        return np.array([each[at] for each, at in zip(self.widths, places, strict=True)])

    def _loads(self, places: Counts) -> Shares:
        """Return the largest cost over its limit, float64 [n], of widths at [n, stages]."""
        widths = [each[at] for each, at in zip(self.widths, places.T, strict=True)]
        stem = None if self.stem_follows else self.shape.stem_width
        return loads(with_widths(self.shape, widths), stem, self.limits, self.image_size)

    def with_widths(self, widths: Counts) -> Arch:
        """Return the shape with these widths."""
        stages = tuple(
            stage.changed(width=int(width))
            for stage, width in zip(self.shape.stages, widths, strict=True)
        )
        stem = int(widths[0]) if self.stem_follows else self.shape.stem_width
        return self.shape.changed(stages=stages, stem_width=stem)


def _nearest(listed: Counts, targets: Shares) -> Counts:
    """Find the places of the values that are nearest to targets, by ratio."""
    middles = np.sqrt(listed[1:].astype(np.float64) * listed[:-1])
    return np.searchsorted(middles, targets)


def draw_filled(
    fill: Fill,
    trial: Suggester,
    limits: Sequence[Budget],
    image_size: int,
    in_channels: int,
    num_classes: int,
) -> Draw:
    """Draw a shape and a fill of the limits, and solve for the widths."""
    shape, overrides = fill.space.draw(trial, in_channels, num_classes, widths=False)
    ratios = [
        draw(trial, f"ratio_{place}", fill.ratio) for place in range(2, len(shape.stages) + 1)
    ]
    share = draw(trial, "fill", fill.fill)
    arch = filled(fill.space, shape, ratios, share, fill.fill.low, limits, image_size)
    return Draw(arch, overrides)


def networks_of(
    proposal: Free | Fill,
    suggester: Suggester,
    budget: Budget,
    limits: Sequence[Budget],
    image_size: int,
    in_channels: int,
    num_classes: int,
) -> Iterator[Arch]:
    """Draw one network after the other; what `Free` draws may exceed the limits."""
    while True:
        match proposal:
            case Free(space=space):
                yield space.draw(suggester, in_channels, num_classes).arch
            case Fill():
                yield draw_filled(
                    proposal, suggester, (budget, *limits), image_size, in_channels, num_classes
                ).arch

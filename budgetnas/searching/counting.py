"""Counting many architectures at once against several limits."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from budgetnas.arch import COSTS, Arch, Budget

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

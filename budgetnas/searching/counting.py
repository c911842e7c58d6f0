"""Counting many architectures at once against several limits."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from budgetnas.arch import COSTS, Budget
from budgetnas.arch.many import Archs

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]

AT_ONCE = 16_384
"""Architectures whose intermediate results stay in a core's cache."""


def loads(archs: Archs, stem: Counts | int | None, limits: Sequence[Budget], size: int) -> Shares:
    """Return the largest cost over its limit of each, float64 [n]; feasible means at most 1.

    Args:
        archs: Widths of the first stage are an array, int64 [n].
        stem: The stems' widths, which may be the first stage's in some of them; None: in all.
        limits: What must not be exceeded.
        size: Side of an image in pixels.
    """
    first = archs.stages[0].width
    if stem is None:
        return _chunks(archs, limits, size)
    stems = np.broadcast_to(np.asarray(stem, dtype=np.int64), first.shape)
    result, same = np.empty(len(first)), stems == first
    for chosen, own in ((same, None), (~same, stems[~same])):
        if chosen.any():
            result[chosen] = _chunks(replace(archs[chosen], stem=own), limits, size)
    return result


def _chunks(archs: Archs, limits: Sequence[Budget], size: int) -> Shares:
    n = len(archs.stages[0].width)
    result = np.empty(n)
    for start in range(0, n, AT_ONCE):
        some = slice(start, start + AT_ONCE)
        result[some] = _load(archs[some], limits, size)
    return result


def _load(archs: Archs, limits: Sequence[Budget], size: int) -> Shares:
    shares: list[Shares] = [
        np.divide(COSTS[each.cost](archs, size), each.limit) for each in limits
    ]
    if len(shares) == 1:
        return shares[0]
    most: Shares = np.maximum.reduce(shares)
    return most

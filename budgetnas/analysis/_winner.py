"""Which of several configurations wins: the one rule of finalists, reports, `best` and `retrain`.

Not shown to be different is not the same. Every configuration is compared with the one of the best
mean, and the verdict on it is one of these:

- equivalent: it is shown to be less than a margin below the best one (a test of non-inferiority).
  The upper end of a one-sided 95 % interval of how far it is below is less than the margin. With m
  configurations the level is 1 - 0.05 / (m - 1) (Bonferroni), so that the probability that any
  whose accuracy is the margin or more below the best is called equivalent is 5 % at most.
- worse: it is below the best one by more than the noise of that difference.
- not distinguished: neither is shown. More seeds, or more validation images, may tell.

Both parts of the noise count, seeds and images (`budgetnas.analysis._noise`). Where nothing was
trained with two seeds, it is not known what a seed changes, and nothing is shown to be equivalent.

The smallest of the best one and its equivalents wins: the best one, where none is equivalent.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from budgetnas.analysis._noise import CONFIDENCE, Noise, Repeats

ALPHA = 0.05
"""How probable it may be that one that is the margin or more below the best is equivalent."""

MOST_SEEDS = 100
"""More seeds than this are never advised."""

Size: TypeAlias = tuple[int, ...]
"""What the smallest is the smallest by: parameters first."""


class Verdict(StrEnum):
    """What is shown of a configuration that was measured."""

    BEST = "best"
    EQUIVALENT = "equivalent"
    NOT_DISTINGUISHED = "not distinguished"
    WORSE = "worse"


@dataclass(frozen=True)
class Judged:
    """How a configuration compares with the best one."""

    verdict: Verdict
    """What is shown of it."""
    difference: float
    """How far its mean is below the best one's, in [0, 1]."""
    noise: float
    """How far it could be by chance: half the 95 % interval of one comparison."""
    bound: float
    """The upper end of the one-sided interval of how far it is below; NaN if not known."""


def quantile_of(comparisons: int) -> float:
    """Return the quantile of a one-sided interval, corrected for N comparisons."""
    return 1 - ALPHA / max(1, comparisons)


def judge(
    noise: Noise, measured: Mapping[int, Repeats], sizes: Mapping[int, Size], margin: float
) -> dict[int, Judged]:
    """Compare configurations with the one of the best mean; of equal means, with the smallest.

    Args:
        noise: What chance changes.
        measured: What each configuration measured, with one seed or more.
        sizes: Of each.
        margin: What a smaller one may be below the best, in [0, 1].
    """
    if not measured:
        return {}
    best = min(measured, key=lambda each: (-measured[each].mean, sizes[each]))
    comparisons = len(measured) - 1
    judged = {
        each: compare(noise, measured[best], repeats, comparisons, margin)
        for each, repeats in measured.items()
    }
    return judged | {best: Judged(Verdict.BEST, 0.0, judged[best].noise, 0.0)}


def compare(
    noise: Noise, best: Repeats, other: Repeats, comparisons: int, margin: float
) -> Judged:
    """Compare one configuration with the best one.

    Args:
        noise: What chance changes.
        best: What the one of the best mean measured.
        other: What this one measured.
        comparisons: How many are compared with the best one.
        margin: What this one may be below the best, in [0, 1].
    """
    difference = best.mean - other.mean
    chance = noise.between(best, other)
    bound = math.nan
    if noise.df:
        bound = difference + noise.between(best, other, quantile_of(comparisons))
    return Judged(_verdict(difference, chance, bound, margin), difference, chance, bound)


def _verdict(difference: float, chance: float, bound: float, margin: float) -> Verdict:
    if bound < margin:
        return Verdict.EQUIVALENT
    return Verdict.WORSE if difference > chance else Verdict.NOT_DISTINGUISHED


def winner(
    judged: Mapping[int, Judged], measured: Mapping[int, Repeats], sizes: Mapping[int, Size]
) -> int:
    """Return which wins: the smallest of the best one and its equivalents.

    One of which a seed failed does not win where another of them has more seeds.
    """
    alike = alike_of(judged)
    most = max(measured[each].n for each in alike)
    return min((each for each in alike if measured[each].n == most), key=lambda each: sizes[each])


def alike_of(judged: Mapping[int, Judged]) -> list[int]:
    """List the best one and its equivalents."""
    alike = Verdict.BEST, Verdict.EQUIVALENT
    return [each for each, found in judged.items() if found.verdict in alike]


def seeds_to_tell(
    noise: Noise, best: Repeats, other: Repeats, comparisons: int, margin: float
) -> int | None:
    """Estimate how many seeds each would show whether one is worse or equivalent.

    That is as if means, deviations, and which images were right stayed as they are. None where
    that is not known, or where so many seeds as are ever advised would not show it: then it is
    the validation images that are too few.

    Args:
        noise: What chance changes.
        best: What the one of the best mean measured.
        other: What one that is not distinguished from it measured.
        comparisons: How many are compared with the best one.
        margin: What this one may be below the best, in [0, 1].
    """
    if not noise.df:
        return None
    difference = best.mean - other.mean
    for n in range(max(best.n, other.n) + 1, MOST_SEEDS + 1):
        more = replace(noise, df=(comparisons + 1) * (n - 1))

        def chance(quantile: float, n: int = n, more: Noise = more) -> float:
            return math.hypot(more.of_seeds(n, n, quantile), more.of_images(best, other, quantile))

        bound = difference + chance(quantile_of(comparisons))
        if _verdict(difference, chance(CONFIDENCE), bound, margin) != Verdict.NOT_DISTINGUISHED:
            return n
    return None

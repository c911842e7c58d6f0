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

Eliminations from a race are a function of what complete rounds measured, and of nothing else;
`budgetnas.space.Race` states their test.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import TypeAlias

from optuna.trial import FrozenTrial, TrialState

from budgetnas.analysis._noise import CONFIDENCE, Measurement, Noise, Repeats, pooled
from budgetnas.metric import DEFAULT_METRIC, Metric, spread_of
from budgetnas.space import Grid, Proposal, Race
from budgetnas.study.trial_record import TrialRecord, turn_of

ALPHA = 0.05
"""How probable it may be that one that is the margin or more below the best is equivalent."""

MOST_SEEDS = 100
"""More seeds than this are never advised."""

Size: TypeAlias = tuple[int, ...]
"""The size that the smallest is chosen by: parameters first."""


class Verdict(StrEnum):
    """The verdict on a configuration that was measured."""

    BEST = "best"
    EQUIVALENT = "equivalent"
    NOT_DISTINGUISHED = "not distinguished"
    WORSE = "worse"


@dataclass(frozen=True)
class Judged:
    """How a configuration compares with the best one."""

    verdict: Verdict
    """The verdict."""
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
    that is not known, or where even the most seeds that are ever advised would not show it: then
    it is the validation images that are too few.

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


@dataclass(frozen=True)
class Elimination:
    """Why a configuration was eliminated from a race."""

    after: int
    """Complete rounds before it."""
    behind: float
    """How far its mean accuracy was below the best one's, in [0, 1]."""
    noise: float
    """How far it could have been by chance."""


def newly_eliminated(
    race: Race,
    measured: Mapping[int, Repeats],
    images: int,
    complete: int,
    counts: tuple[int, ...] = (),
) -> dict[int, Elimination]:
    """Return which of the configurations that are still in are eliminated by the last round.

    Those are shown to be worse, and not to be less than the margin below the best. One that has
    not been measured, or of which nothing shows how much a seed changes, stays in.

    Args:
        race: The rule.
        measured: The validation accuracies of each configuration, one a seed.
        images: Validation images.
        complete: Complete rounds.
        counts: Validation images of each class, where classes count alike.
    """
    noise = pooled((repeats.accuracies for repeats in measured.values()), images, counts)
    means = {cell: repeats.mean for cell, repeats in measured.items() if repeats.n}
    if len(means) < 2 or not noise.df:
        return {}
    best = max(means, key=lambda cell: means[cell])
    quantile = 1 - race.alpha / (2 * (len(means) - 1))
    found = {}
    for cell, mean in means.items():
        chance = noise.between(measured[cell], measured[best], quantile)
        if (behind := means[best] - mean) > chance and behind + chance >= race.margin:
            found[cell] = Elimination(complete, behind, chance)
    return found


def eliminated(
    race: Race,
    rounds: Sequence[Sequence[Measurement | None]],
    images: int,
    counts: tuple[int, ...] = (),
) -> dict[int, Elimination]:
    """Return which configurations some complete rounds eliminate.

    Args:
        race: The rule.
        rounds: Of each round, in order, what every configuration's training measured; None where
            it has not: it failed, or the configuration was eliminated.
        images: Validation images.
        counts: How many of them each class has, where classes count alike.

    Returns:
        Their indices, and why.
    """
    found: dict[int, Elimination] = {}
    for complete in range(2, len(rounds) + 1):
        columns = enumerate(zip(*rounds[:complete], strict=True))
        left = {cell: column for cell, column in columns if cell not in found}
        measured = {
            cell: Repeats.of(once for once in column if once is not None)
            for cell, column in left.items()
        }
        found |= newly_eliminated(race, measured, images, complete, counts)
    return found


def why_eliminated(
    proposal: Proposal,
    trials: Sequence[FrozenTrial],
    number: int,
    images: int,
    counts: tuple[int, ...] = (),
    metric: Metric = DEFAULT_METRIC,
) -> Elimination | None:
    """Return why a trial is not to be trained, if its configuration was eliminated from a race.

    Args:
        proposal: The study's.
        trials: Its trials, by number; all of earlier rounds have ended.
        number: The trial's.
        images: Validation images.
        counts: How many of them each class has, where classes count alike.
        metric: The study's.
    """
    if not isinstance(proposal, Grid) or proposal.race is None:
        return None
    size = len(proposal.cells)
    complete, index = divmod(turn_of(trials, number).index, size)
    proposed = (record for record in map(TrialRecord, trials) if record.is_proposed)
    ended = [_measured(record, images, metric) for record in islice(proposed, complete * size)]
    rounds = [ended[first : first + size] for first in range(0, len(ended), size)]
    return eliminated(proposal.race, rounds, images, counts).get(index)


def _measured(record: TrialRecord, images: int, metric: Metric) -> Measurement | None:
    if record.trial.state is not TrialState.COMPLETE or record.value is None:
        return None
    spread = spread_of(metric, record.confusion)
    return Measurement(record.value, record.correct(images), spread)


def round_size(proposal: Proposal) -> int | None:
    """Return how many trials a round of a race has; None where there is no race."""
    if not isinstance(proposal, Grid) or proposal.race is None:
        return None
    return len(proposal.cells)

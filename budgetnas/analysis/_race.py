"""Eliminations from a race: a function of what complete rounds measured, and of nothing else.

`budgetnas.space.Race` states the test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from optuna.trial import FrozenTrial, TrialState

from budgetnas.analysis._noise import Measurement, Repeats, pooled
from budgetnas.metric import DEFAULT_METRIC, Metric, spread_of
from budgetnas.space import Grid, Proposal, Race
from budgetnas.study.trial_record import TrialRecord, turn_of


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

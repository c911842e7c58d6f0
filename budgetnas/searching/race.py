"""Who is out of a race: a function of what complete rounds have measured, and of nothing else.

`budgetnas.space.grid.Race` states the test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from optuna.trial import FrozenTrial, TrialState

from budgetnas.space import Grid, Proposal, Race
from budgetnas.study.noise import pooled

OUT_OF_RACE = "out_of_race"
"""The attribute of a trial whose configuration was out before its turn came."""


@dataclass(frozen=True)
class Out:
    """Why a configuration is out of a race."""

    after: int
    """So many complete rounds."""
    behind: float
    """How far its mean accuracy is below the best one's, in [0, 1]."""
    noise: float
    """How far it could have been by chance."""


def hopeless(
    race: Race, values: Mapping[int, Sequence[float]], images: int, complete: int
) -> dict[int, Out]:
    """Say which of the configurations that are still in are out from now on.

    One that has not been measured, or of which nothing shows how much a seed changes, stays in.

    Args:
        race: The rule.
        values: The validation accuracies of each configuration, in [0, 1], one a seed.
        images: Validation images.
        complete: Complete rounds.
    """
    noise = pooled(values.values(), images)
    means = {cell: fmean(measured) for cell, measured in values.items() if measured}
    if len(means) < 2 or not noise.df:
        return {}
    best = max(means, key=lambda cell: means[cell])
    quantile = 1 - race.alpha / (2 * (len(means) - 1))
    out = {}
    for cell, mean in means.items():
        seeds = len(values[cell]), len(values[best])
        chance = noise.of_difference(mean, seeds[0], means[best], seeds[1], quantile)
        if (behind := means[best] - mean) > chance:
            out[cell] = Out(complete, behind, chance)
    return out


def out_of_race(
    race: Race, rounds: Sequence[Sequence[float | None]], images: int
) -> dict[int, Out]:
    """Say which configurations are out after some complete rounds.

    Args:
        race: The rule.
        rounds: Of each round, in order, every configuration's validation accuracy in [0, 1]; None
            where it has none: its training failed, or it was out.
        images: Validation images.

    Returns:
        The places of those that are out, and why.
    """
    out: dict[int, Out] = {}
    for complete in range(2, len(rounds) + 1):
        columns = enumerate(zip(*rounds[:complete], strict=True))
        left = {cell: column for cell, column in columns if cell not in out}
        values = {
            cell: [value for value in column if value is not None] for cell, column in left.items()
        }
        out |= hopeless(race, values, images, complete)
    return out


def why_out(
    proposal: Proposal, trials: Sequence[FrozenTrial], number: int, images: int
) -> Out | None:
    """Say why a trial is not to be trained, if its configuration is out of a race.

    Args:
        proposal: The study's.
        trials: Its trials, by number; all of earlier rounds have ended.
        number: The trial's.
        images: Validation images.
    """
    if not isinstance(proposal, Grid) or proposal.race is None:
        return None
    size = len(proposal.cells)
    complete, place = divmod(number, size)
    values = [_value(trial) for trial in trials[: complete * size]]
    rounds = [values[first : first + size] for first in range(0, len(values), size)]
    return out_of_race(proposal.race, rounds, images).get(place)


def _value(trial: FrozenTrial) -> float | None:
    return trial.value if trial.state is TrialState.COMPLETE else None


def round_size(proposal: Proposal) -> int | None:
    """Return how many trials a round of a race has; None where there is no race."""
    if not isinstance(proposal, Grid) or proposal.race is None:
        return None
    return len(proposal.cells)

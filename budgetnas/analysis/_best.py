"""Which trials of a study are best: of all, for each budget, and better than guessing."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtri

from budgetnas.metric import Metric, guessed, majority_share
from budgetnas.space import SEED, Grid
from budgetnas.study import StudyConfig
from budgetnas.study.trial_record import TrialRecord, tally


def best_trial(trials: Iterable[FrozenTrial], metric: Metric | None = None) -> TrialRecord | None:
    """Find the completed trial of the highest metric; of equals, the smallest."""
    return next(iter(best_trials(trials, metric=metric)), None)


def best_trials(
    trials: Iterable[FrozenTrial], most: int | None = None, metric: Metric | None = None
) -> list[TrialRecord]:
    """List completed trials, the best first: by their metric; of equals, the smallest.

    Where configurations are trained with several seeds, it is the first trial of the one that is
    best in the mean, not the luckiest of all: of those with the most seeds, where some have
    fewer. No trial over the budget was ever completed, so the best is feasible.

    Args:
        trials: A study's.
        most: How many at most; None: all.
        metric: By which number; the study's own by default.
    """
    repeats: dict[object, list[TrialRecord]] = {}
    for record in map(TrialRecord, trials):
        if record.is_completed:
            repeats.setdefault(_configuration(record.trial), []).append(record)
    seeds = max(map(len, repeats.values()), default=0)

    def order(several: list[TrialRecord]) -> tuple[float, int, int]:
        mean = sum(record.measured(metric) or 0 for record in several) / len(several)
        return -mean, several[0].params, several[0].number

    complete = (several for several in repeats.values() if len(several) == seeds)
    return [several[0] for several in sorted(complete, key=order)[:most]]


def _configuration(trial: FrozenTrial) -> object:
    """Identify what a trial repeats with another seed; what was drawn freely repeats nothing."""
    if SEED not in trial.params:
        return trial.number
    return tuple(item for item in trial.params.items() if item[0] != SEED)


def best_within(
    trials: Iterable[FrozenTrial], params: int, metric: Metric | None = None
) -> TrialRecord | None:
    """Find the best completed trial of at most N parameters; of equals, the smallest."""
    within = (trial for trial in trials if (TrialRecord(trial).cost("params") or 0) <= params)
    return best_trial(within, metric)


@dataclass(frozen=True)
class Best:
    """The best trial of a study."""

    number: int
    """The trial's."""
    value: float
    """Its metric on the validation images, in [0, 1]."""
    params: int
    """Trainable parameters."""
    arch: dict[str, Any]
    """The architecture, as its JSON."""


def describe_best(trials: Sequence[FrozenTrial]) -> Best | None:
    """Describe the best trial of a study, if any was completed."""
    best = best_trial(trials)
    if best is None or best.value is None:
        return None
    return Best(best.number, best.value, best.params, best.arch.model_dump(mode="json"))


@dataclass(frozen=True)
class FrontStep:
    """A network of the front."""

    number: int
    """The trial's."""
    params: int
    """Trainable parameters."""
    value: float
    """Its metric on the validation images, in [0, 1]."""
    gain: float | None
    """Accuracy gained over the network before it, in [0, 1]; None of the first. It is never given
    per 100,000 parameters: over a few thousand, chance would become points."""
    added: int | None
    """Parameters more than the network before it; None of the first."""


def front(trials: Iterable[FrozenTrial], metric: Metric | None = None) -> Sequence[FrontStep]:
    """List the completed trials that are better than every one of as few parameters or fewer."""
    records = best_trials(trials, metric=metric)
    known = [(record.params, record.measured(metric) or 0.0, record.number) for record in records]
    steps: list[FrontStep] = []
    for params, value, number in sorted(known, key=lambda each: (each[0], -each[1])):
        if not steps:
            steps.append(FrontStep(number, params, value, None, None))
        elif value > (before := steps[-1]).value:
            gain, added = value - before.value, params - before.params
            steps.append(FrontStep(number, params, value, gain, added))
    return steps


def lucky_guessing(counts: Sequence[int], metric: Metric, trials: int = 1) -> float:
    """Return what the best of N guesses reaches of a metric, and exceeds in 1 of 40 cases only.

    A class is guessed at random for each image, or the same one for all of them: the largest,
    whose share that is of the accuracy. By `balanced` any class will do, and is correct of one.

    Args:
        counts: Images of each class.
        metric: What is measured of the guesses.
        trials: The N.
    """
    p, occurring = 1 / len(counts), [count for count in counts if count]
    match metric:
        case "accuracy":
            always, each = majority_share(counts), 1 / sum(counts)
        case "balanced":
            always, each = 1 / len(occurring), sum(1 / n for n in occurring) / len(occurring) ** 2
        case _:
            always, mean, spread = guessed(metric, counts)
            return max(always, mean + float(ndtri(0.975 ** (1 / trials))) * spread)
    return max(always, p + float(ndtri(0.975 ** (1 / trials))) * math.sqrt(p * (1 - p) * each))


def epochs_in_full(config: StudyConfig, trials: Sequence[FrozenTrial]) -> int:
    """Count the epochs that trained trials would have had, had none been stopped early."""
    found = tally(trials)
    if isinstance(config.proposal, Grid):  # nothing is stopped there
        return found.epochs
    return found.trained * config.recipe.epochs


def guessing_of(config: StudyConfig, trials: Sequence[FrozenTrial]) -> float:
    """Return what a study's best trial must exceed to be better than guessing, in [0, 1]."""
    completed = sum(trial.state is TrialState.COMPLETE for trial in trials)
    return lucky_guessing(config.facts.val_counts, config.metric, max(1, completed))


def cost_table(summary: pd.DataFrame, cost: str = "params") -> pd.DataFrame:
    """Find the Pareto front: no network as small as these, or smaller, is as accurate.

    Args:
        summary: From `summary_table`.
        cost: `params` or `macs`.

    Returns:
        A row a configuration that was measured, the cheapest first: `configuration`, the cost,
        `mean` accuracy in [0, 1], `front`.
    """
    measured = summary.loc[summary["n"] > 0, ["configuration", cost, "mean"]]
    table = measured.sort_values([cost, "mean"], ascending=[True, False], ignore_index=True)
    before = table["mean"].cummax().shift(fill_value=-1.0)
    return table.assign(front=table["mean"] > before)

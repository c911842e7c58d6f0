"""How well one ranking of architectures foretells another: Kendall's tau, regret, bootstrap.

A sample of n architectures is written as counts [n]: how often each of them is in it. All of them
once is a row of ones; `resample` draws the others, with replacement. So one formula gives the
statistic of thousands of samples at once.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from optuna.trial import FrozenTrial

from budgetnas.analysis._noise import Floats
from budgetnas.metric import Metric, title_of
from budgetnas.study import LEAST_ARCHS, SEARCHES_BY, Estimate, Fidelity, Row
from budgetnas.study.trial_record import TrialRecord

Statistic: TypeAlias = Callable[[Floats, Floats], Floats]
"""From one training's scores [n] and counts [samples, n] to values [samples], NaN: not known."""

RESAMPLES = 2_000
TAILS = (2.5, 97.5)
"""Between these percentiles of the resamples is a 95 % interval."""


def resample(n: int, seed: int, samples: int = RESAMPLES) -> Floats:
    """Draw samples of n out of n architectures, with replacement: counts [samples, n]."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(n, np.full(n, 1 / n), size=samples).astype(np.float64)


def kendall_taus(a: Floats, b: Floats, counts: Floats) -> Floats:
    """Compute Kendall's tau-b, which allows for ties, of samples.

    Args:
        a: One score of each architecture, [n].
        b: The other, [n].
        counts: The samples, [samples, n].

    Returns:
        Values in [-1, 1], [samples]; NaN where all of a sample have the same score.
    """
    signs_a, signs_b = _signs(a), _signs(b)

    def over_pairs(weights: Floats) -> Floats:
        return np.asarray(((counts @ weights) * counts).sum(axis=1))

    decided = over_pairs(signs_a**2) * over_pairs(signs_b**2)
    taus = np.full(len(counts), np.nan)
    alike = over_pairs(signs_a * signs_b)
    np.divide(alike, np.sqrt(decided), out=taus, where=decided > 0)
    return taus


def _signs(scores: Floats) -> Floats:
    """Return which of each pair is higher: 1, 0 or -1, [n, n]."""
    pairs = scores[:, None], scores[None, :]
    return np.asarray(np.greater(*pairs).astype(np.float64) - np.less(*pairs))


def top_regrets(scores: Floats, full: Floats, counts: Floats, top: int) -> Floats:
    """Compute what is lost where only the k best by a score are trained in full, of samples.

    Args:
        scores: What is ranked by, [n]; of equal ones, the first in order is ranked first.
        full: The accuracy of each in full, [n].
        counts: The samples, [samples, n]; a copy takes one of the k places.
        top: The k.

    Returns:
        The best of all less the best of the k, [samples]: 0 where it is among them.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, there = full[order], counts[:, order] > 0
    before = counts[:, order].cumsum(axis=1) - counts[:, order]
    best, chosen = (
        np.where(those, ranked, -np.inf).max(axis=1) for those in (there, there & (before < top))
    )
    return np.asarray(best - chosen)


def estimate(statistic: Statistic, runs: Floats, counts: Floats) -> Estimate:
    """Estimate what one short training tells, from architectures that each had one a seed.

    The value is the mean over seeds of each one's own, for a search trains with one. Resamples in
    which it is not known (all scores equal) are left out of the interval.

    Args:
        statistic: What to estimate.
        runs: The scores of each seed, [seeds, n].
        counts: Resamples, [samples, n].
    """
    once = np.ones((1, runs.shape[1]))
    value = float(np.mean([statistic(scores, once)[0] for scores in runs]))
    if np.isnan(value):
        return Estimate(value=None, low=None, high=None)
    samples: npt.NDArray[Any] = np.mean([statistic(scores, counts) for scores in runs], axis=0)
    known = samples[~np.isnan(samples)]
    if not len(known):
        return Estimate(value=value, low=None, high=None)
    low, high = np.percentile(known, TAILS)
    return Estimate(value=value, low=float(low), high=float(high))


def tau_of(runs: Floats, full: Floats, counts: Floats) -> Estimate:
    """Estimate Kendall's tau between a short training's scores [seeds, n] and full accuracy."""
    return estimate(lambda scores, drawn: kendall_taus(scores, full, drawn), runs, counts)


def regret_of(runs: Floats, full: Floats, counts: Floats, top: int) -> Estimate:
    """Estimate the top-k regret of a short training's scores [seeds, n]; of k = n, nothing."""
    if top >= len(full):
        return Estimate(value=None, low=None, high=None)
    return estimate(lambda scores, drawn: top_regrets(scores, full, drawn, top), runs, counts)


@dataclass(frozen=True)
class Outcome:
    """Measurements of one training."""

    value: float
    """The study's metric on the validation images, in [0, 1]."""
    val_loss: float
    """After its last epoch."""
    train_losses: tuple[float, ...]
    """Of each epoch, on augmented images."""

    @classmethod
    def of(cls, trial: FrozenTrial) -> Self | None:
        """Read it from a trial; None if it measured nothing, or nothing that can be ranked."""
        record = TrialRecord(trial)
        value, loss, curves = record.value, record.val_loss, record.curves
        if value is None or loss is None or curves is None:
            return None
        found = cls(value, loss, tuple(curves["train_loss"]))
        return found if all(map(math.isfinite, (value, loss, *found.train_losses))) else None


@dataclass(frozen=True)
class Short:
    """The short trainings of one architecture with one seed and N epochs."""

    plain: Outcome
    """As trials of the study are trained."""
    averaged: Outcome
    """The same training, of which averaged weights were evaluated."""


# add yours here: the higher, the better the architecture is said to be
CRITERIA: dict[str, Callable[[Short], float]] = {
    SEARCHES_BY: lambda short: short.plain.value,
    "validation loss": lambda short: -short.plain.val_loss,
    "averaged weights' loss": lambda short: -short.averaged.val_loss,
    # how fast it learns (Ru et al., 2021, "Speedy performance estimation for NAS")
    "sum of training losses": lambda short: -sum(short.plain.train_losses),
}

FULL = "full"
"""The name of the full training."""

Outcomes: TypeAlias = Mapping[tuple[str, str, int], Outcome]
"""By network, training and seed."""


def short_trainings(epochs: int) -> tuple[str, str]:
    """Name the trainings of N epochs: as the study's are, and with averaged weights."""
    plain = f"{epochs} epoch{'s' * (epochs > 1)}"
    return plain, f"{plain}, averaged"


def fully_measured(
    networks: Iterable[str], trainings: Sequence[str], seeds: int, outcomes: Outcomes
) -> tuple[str, ...]:
    """Leave out the architectures of which a training is missing: failed, or not ended yet."""
    return tuple(
        name
        for name in networks
        if all((name, way, k) in outcomes for way in trainings for k in range(seeds))
    )


@dataclass(frozen=True)
class ShortRankings:
    """Rankings by short trainings of architectures, each beside the one by full trainings."""

    outcomes: Outcomes
    """Of every training of these architectures."""
    networks: tuple[str, ...]
    """The architectures, the smallest first."""
    short: tuple[int, ...]
    """The candidates for a trial's epochs."""
    epochs: int
    """Epochs of a full training."""
    seeds: int
    """Trainings of each."""
    top: int
    """The k of the regret."""
    resampling_seed: int
    metric: Metric
    """The study's metric."""

    def rows(self) -> tuple[Row, ...]:
        """Rate each candidate by each criterion, all on the same resamples."""
        if len(self.networks) < LEAST_ARCHS:
            return ()
        counts = resample(len(self.networks), self.resampling_seed)
        full = self._scores(lambda name, seed: self.outcomes[name, FULL, seed].value)
        return tuple(
            self._row(epochs, criterion, full.mean(axis=0), counts)
            for epochs in self.short
            for criterion in CRITERIA
        )

    def _row(self, epochs: int, criterion: str, full: Floats, counts: Floats) -> Row:
        rate = CRITERIA[criterion]
        runs = self._scores(lambda name, seed: rate(self._short(name, epochs, seed)))
        return Row(
            epochs=epochs,
            cost=epochs / self.epochs,
            criterion=title_of(self.metric) if criterion == SEARCHES_BY else criterion,
            tau=tau_of(runs, full, counts),
            regret=regret_of(runs, full, counts, self.top),
        )

    def _short(self, name: str, epochs: int, seed: int) -> Short:
        return Short(*(self.outcomes[name, way, seed] for way in short_trainings(epochs)))

    def _scores(self, score: Callable[[str, int], float]) -> Floats:
        """Score each training: [seeds, n]."""
        return np.array(
            [[score(name, seed) for name in self.networks] for seed in range(self.seeds)]
        )


def fidelity_table(fidelity: Fidelity) -> pd.DataFrame:
    """List how well each criterion ranks after each number of epochs.

    Returns:
        A row a candidate and criterion: `criterion`, `epochs`, `tau`, `low` and `high`, the ends
        of its 95 % interval. What is not known is missing.
    """
    rows = [
        (row.criterion, row.epochs, row.tau.value, row.tau.low, row.tau.high)
        for row in fidelity.rows
    ]
    table = pd.DataFrame(rows, columns=["criterion", "epochs", "tau", "low", "high"])
    return table.astype({"tau": float, "low": float, "high": float})

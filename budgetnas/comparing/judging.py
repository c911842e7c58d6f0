"""Judging short trainings by full ones: from what was measured to the rows of a calibration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from budgetnas.comparing.asked_calibration import AskedCalibration
from budgetnas.comparing.criteria import CRITERIA, Measured, Short
from budgetnas.comparing.ranking import Floats, regret_of, resample, tau_of
from budgetnas.study.calibration import LEAST_ARCHS, SEARCHES_BY, Row
from budgetnas.study.metric import Metric, title_of

FULL = "full"

Trainings: TypeAlias = dict[tuple[str, str, int], Measured]
"""What was measured, by network, training and seed."""


def short_trainings(epochs: int) -> tuple[str, str]:
    """Name the trainings of so many epochs: as the study's are, and with averaged weights."""
    plain = f"{epochs} epoch{'s' * (epochs > 1)}"
    return plain, f"{plain}, averaged"


@dataclass(frozen=True)
class Comparison:
    """Architectures of which every training was measured."""

    asked: AskedCalibration
    measured: Trainings
    networks: tuple[str, ...]
    """The architectures, the smallest first."""
    seed: int
    """Of the resamples."""
    metric: Metric
    """What the study's trials are compared by."""

    def rows(self) -> tuple[Row, ...]:
        """Judge each candidate by each criterion, all on the same resamples."""
        if len(self.networks) < LEAST_ARCHS:
            return ()
        counts = resample(len(self.networks), self.seed)
        full = self._scores(lambda name, seed: self.measured[name, FULL, seed].value)
        return tuple(
            self._row(epochs, criterion, full.mean(axis=0), counts)
            for epochs in self.asked.short
            for criterion in CRITERIA
        )

    def _row(self, epochs: int, criterion: str, full: Floats, counts: Floats) -> Row:
        judge = CRITERIA[criterion]
        runs = self._scores(lambda name, seed: judge(self._short(name, epochs, seed)))
        return Row(
            epochs=epochs,
            cost=epochs / self.asked.epochs,
            criterion=title_of(self.metric) if criterion == SEARCHES_BY else criterion,
            tau=tau_of(runs, full, counts),
            regret=regret_of(runs, full, counts, self.asked.top),
        )

    def _short(self, name: str, epochs: int, seed: int) -> Short:
        return Short(*(self.measured[name, way, seed] for way in short_trainings(epochs)))

    def _scores(self, score: Callable[[str, int], float]) -> Floats:
        """Score each training: [seeds, n]."""
        seeds = range(self.asked.seeds)
        return np.array([[score(name, seed) for name in self.networks] for seed in seeds])


def compare(
    asked: AskedCalibration,
    networks: Sequence[str],
    trainings: Sequence[str],
    measured: Trainings,
    seed: int,
    metric: Metric,
) -> Comparison:
    """Leave out the architectures of which a training is missing: failed, or not ended yet."""
    whole = (
        name
        for name in networks
        if all((name, way, k) in measured for way in trainings for k in range(asked.seeds))
    )
    return Comparison(asked, measured, tuple(whole), seed, metric)

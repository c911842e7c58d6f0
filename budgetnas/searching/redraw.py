"""Drawing again for a trial that was interrupted while it was being drawn."""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from budgetnas.study.trials import ENQUEUED


class Redraw:
    """A trial as a suggester whose draws are what they would have been without the interruption.

    Optuna stores every value as it is drawn, and gives a stored one back without asking the
    sampler. The sampler, reseeded, would then give the first missing parameter what belonged to
    the first of all. So for each stored value one is drawn and thrown away.
    """

    def __init__(self, trial: optuna.Trial, study: optuna.Study) -> None:
        self._trial, self._study = trial, study
        self._stored = set(trial.params)
        frozen = study.get_trials(deepcopy=False)[trial.number]
        # what somebody enqueued was never asked of the sampler
        self._stored -= set(frozen.system_attrs.get(ENQUEUED, ()))
        if self._stored or set(frozen.system_attrs) - {ENQUEUED}:
            self._draw_together()

    def _draw_together(self) -> None:
        """Let the sampler draw what it draws together, as if this trial had proposed nothing.

        It may look at what running trials propose, and would see this one's first proposal.
        """
        storage, trial_id = self._study._storage, self._trial._trial_id
        storage.set_trial_state_values(trial_id, TrialState.WAITING)
        _ = self._trial.relative_params  # drawn now, and kept
        storage.set_trial_state_values(trial_id, TrialState.RUNNING)

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Draw a whole number."""
        self._spend(name, IntDistribution(low, high, log=log, step=step))
        return self._trial.suggest_int(name, low, high, step=step, log=log)

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Draw a number."""
        self._spend(name, FloatDistribution(low, high, log=log))
        return self._trial.suggest_float(name, low, high, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of the choices."""
        self._spend(name, CategoricalDistribution(choices))
        return self._trial.suggest_categorical(name, choices)

    def _spend(self, name: str, distribution: BaseDistribution) -> None:
        if name not in self._stored or distribution.single():
            return
        if name not in self._trial.relative_params:  # else all were drawn together
            frozen = self._study.get_trials(deepcopy=False)[self._trial.number]
            self._study.sampler.sample_independent(self._study, frozen, name, distribution)

"""The pruners that a study may use, by name."""

from collections.abc import Callable

import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner


class Halving(BasePruner):
    """Successive halving (Jamieson and Talwalkar, 2016; asynchronous: Li et al., 2020).

    At the first rung, and at each that is a factor further, a trial goes on if it is among the
    best share of those that came so far. It looks at reported values only: unlike Optuna's own,
    which writes down that a trial passed a rung, it says the same if it is asked twice.
    """

    def __init__(self, first: int, factor: int) -> None:
        self._first, self._factor = first, factor

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        """Say whether the trial ends at the step it has reached."""
        step = trial.last_step
        if step is None or not self._is_rung(step):
            return False
        values = [
            other.intermediate_values[step]
            for other in study.get_trials(deepcopy=False)
            if step in other.intermediate_values
        ]
        share = max(1, len(values) // self._factor)
        return trial.intermediate_values[step] < sorted(values, reverse=True)[share - 1]

    def _is_rung(self, step: int) -> bool:
        rung = self._first
        while rung < step:
            rung *= self._factor
        return rung == step


# add yours here: a pruner from the number of epochs of a trial
PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    # rungs at a ninth and a third of the epochs, a third of the trials passes each
    "halving": lambda epochs: Halving(first=max(1, epochs // 9), factor=3),
    # For about 100 trials: once ten have finished, in the second half of a trial.
    "median": lambda epochs: MedianPruner(n_startup_trials=10, n_warmup_steps=epochs // 2),
    "none": lambda epochs: NopPruner(),
}

DEFAULT_PRUNER = "halving"

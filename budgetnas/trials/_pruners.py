"""The pruners that a study may use, by name."""

import math
from collections.abc import Callable

import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner

from budgetnas.analysis import lucky_guessing
from budgetnas.study import StudyConfig
from budgetnas.trials._samplers import PerBudgetPruner


class Halving(BasePruner):
    """Successive halving (Jamieson and Talwalkar, 2016; asynchronous: Li et al., 2020).

    At the first rung, and at each that is a factor further, a trial goes on if it is among the
    best share of those that came so far, rounded up. It looks at reported values only: unlike
    Optuna's own, which writes down that a trial passed a rung, it says the same if it is asked
    twice.

    A rung at which not even that share is better than guessing tells nothing, and stops nobody.
    """

    def __init__(self, first: int, factor: int, guessing: float = 0.0) -> None:
        """Set the rungs.

        Args:
            first: The epoch of the first one.
            factor: How many times as far the next one is, and which share passes: one in so many.
            guessing: What guessing measures with some luck, in [0, 1].
        """
        self._first, self._factor, self.guessing = first, factor, guessing

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        """Return whether the trial ends at the step it has reached."""
        step = trial.last_step
        if step is None or not self._is_rung(step):
            return False
        values = [
            other.intermediate_values[step]
            for other in study.get_trials(deepcopy=False)
            if step in other.intermediate_values
        ]
        share = math.ceil(len(values) / self._factor)
        needed = sorted(values, reverse=True)[share - 1]
        return needed > self.guessing and trial.intermediate_values[step] < needed

    def _is_rung(self, step: int) -> bool:
        rung = self._first
        while rung < step:
            rung *= self._factor
        return rung == step


RANKING_STEPS = 30
"""So few steps tell something. On digits ranks are chance after 11 (Kendall's tau with the last
epoch's is 0.01); after 21 it is 0.35, after 33 0.43, after 42 0.58: see studies/few-images."""


def first_rung(epochs: int, epoch_steps: int) -> int:
    """Return the first epoch that has had a ninth of a trial's epochs and `RANKING_STEPS` steps.

    In trials of fewer steps it is behind their last epoch: then nothing is stopped.
    """
    return max(1, epochs // 9, math.ceil(RANKING_STEPS / epoch_steps))


# add yours here: a pruner from a trial's number of epochs, and the steps of an epoch
PRUNERS: dict[str, Callable[[int, int], BasePruner]] = {
    # the next rung is three times as far, and a third of the trials passes each
    "halving": lambda epochs, steps: Halving(first=first_rung(epochs, steps), factor=3),
    # For about 100 trials: once ten have finished, in the second half of a trial.
    "median": lambda epochs, _: MedianPruner(n_startup_trials=10, n_warmup_steps=epochs // 2),
    "none": lambda epochs, _: NopPruner(),
}


def pruner_of(config: StudyConfig) -> BasePruner:
    """Return the pruner of a study, which compares trials of one budget."""
    facts, recipe = config.facts, config.recipe
    pruner = PRUNERS[config.pruner](recipe.epochs, recipe.epoch_steps(facts.train))
    if isinstance(pruner, Halving):
        pruner.guessing = lucky_guessing(facts.val_counts, config.metric)
    return PerBudgetPruner(pruner, config)

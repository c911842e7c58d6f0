"""The pruners that a study may use, by name."""

import math
from collections.abc import Callable
from typing import cast

import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.trial import FrozenTrial

from budgetnas.analysis import lucky_guessing
from budgetnas.study import StudyConfig
from budgetnas.study.options import instance_of
from budgetnas.study.trial_record import TrialRecord
from budgetnas.trials._samplers import of_budget


class Halving(BasePruner):
    """Asynchronous successive halving, ASHA (Li et al., 2020; Jamieson and Talwalkar, 2016).

    At the first rung, and at each that is a factor further, a trial continues if it is among the
    best of those that reached it, one in `factor`, rounded up. It reads reported values only:
    unlike Optuna's own, which stores that a trial passed a rung, it answers the same when called
    twice. No trial stops at a rung where not even that share is better than guessing.
    """

    def __init__(self, first: int, factor: int, guessing: float = 0.0) -> None:
        """Set the rungs.

        Args:
            first: Epoch of the first rung.
            factor: Ratio of the epochs of two rungs, and of the trials that reach and pass one.
            guessing: Value of a lucky trial that guesses, in [0, 1].
        """
        self._first, self._factor, self.guessing = first, factor, guessing

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
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
"""Least number of steps after which ranks tell something. On digits they are chance after 11
(Kendall's tau with the last epoch's is 0.01); after 21 it is 0.35, after 33 0.43, after 42 0.58:
see studies/few-images."""


def first_rung(epochs: int, epoch_steps: int) -> int:
    """Return the first epoch after a ninth of a trial's epochs and `RANKING_STEPS` steps.

    In trials of fewer steps it is after their last epoch: none is stopped.
    """
    return max(1, epochs // 9, math.ceil(RANKING_STEPS / epoch_steps))


# add yours here, and its name in budgetnas.study.options: from a trial's number of epochs,
# and the steps of an epoch
PRUNERS: dict[str, Callable[[int, int], BasePruner]] = {
    # the next rung is three times as far, and a third of the trials passes each
    "halving": lambda epochs, steps: Halving(first=first_rung(epochs, steps), factor=3),
    # For about 100 trials: once ten have finished, in the second half of a trial.
    "median": lambda epochs, _: MedianPruner(n_startup_trials=10, n_warmup_steps=epochs // 2),
    "none": lambda epochs, _: NopPruner(),
}


class PerBudgetPruner(BasePruner):
    """Compares a trial with those of its budget."""

    def __init__(self, pruner: BasePruner, config: StudyConfig) -> None:
        self._pruner, self._config = pruner, config

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether the trial ends at the step it has reached."""
        config = self._config
        cost = TrialRecord(trial).cost(config.budget.cost)
        assert cost is not None, "it was counted before it was trained"
        limit = config.budget_for(cost).limit if config.smaller else None
        return self._pruner.prune(of_budget(study, config, limit), trial)


def make_pruner(name: str, epochs: int, epoch_steps: int) -> BasePruner:
    """Make a study's pruner for trials of N epochs, or return it as it was given."""
    if name not in PRUNERS:
        return cast(BasePruner, instance_of("pruner", name))
    return PRUNERS[name](epochs, epoch_steps)


def pruner_of(config: StudyConfig) -> BasePruner:
    """Return the pruner of a study, which compares trials of one budget."""
    facts, recipe = config.facts, config.recipe
    pruner = make_pruner(config.pruner, recipe.epochs, recipe.epoch_steps(facts.train))
    if isinstance(pruner, Halving):
        pruner.guessing = lucky_guessing(facts.val_counts, config.metric)
    return PerBudgetPruner(pruner, config)

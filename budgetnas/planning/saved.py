"""What stopping early saves, before anything is trained: a search is played through."""

import random

import optuna
from optuna.pruners import BasePruner
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from budgetnas.study.storage import quiet_optuna

SIMULATIONS = 20
"""Searches that are played through."""


def saved_epochs(pruner: BasePruner, epochs: int, trials: int, seed: int = 0) -> float:
    """Return the share of all epochs that a pruner saves, where early ranks are the final ones.

    Trials of random values are judged one after the other. Where ranks change from epoch to
    epoch, a trial that had been stopped makes room for no other, so that it saves as much.

    Args:
        pruner: What judges after each epoch.
        epochs: Of a trial.
        trials: Of a search; of more than 100, the first 100 tell.
        seed: Of the values.
    """
    values = random.Random(seed)
    many = min(trials, 100)
    with quiet_optuna():
        trained = sum(_epochs_of(pruner, epochs, many, values) for _ in range(SIMULATIONS))
    return 1 - trained / (SIMULATIONS * many * epochs)


def _epochs_of(pruner: BasePruner, epochs: int, trials: int, values: random.Random) -> int:
    """Play one search; count the epochs it trains."""
    study = optuna.create_study(direction="maximize", storage=InMemoryStorage())
    return sum(_play(study, pruner, epochs, values.random()) for _ in range(trials))


def _play(study: optuna.Study, pruner: BasePruner, epochs: int, value: float) -> int:
    """Train nothing, and report the same value after each epoch; return the epochs it had."""
    study.pruner = pruner
    trial = study.ask()
    for epoch in range(1, epochs + 1):
        trial.report(value, epoch)
        if epoch < epochs and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return epoch
    ended: FrozenTrial = study.tell(trial, value)
    return ended.last_step or epochs

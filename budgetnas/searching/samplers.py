"""The samplers and pruners that a study may use: Optuna's, by name."""

from collections.abc import Callable

import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler

from budgetnas.errors import InputError

# add yours here: a sampler from a seed
SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
}

# add yours here: a pruner from the number of epochs of a trial
PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    # For about 100 trials: once ten have finished, in the second half of a trial.
    "median": lambda epochs: MedianPruner(n_startup_trials=10, n_warmup_steps=epochs // 2),
    "halving": lambda epochs: SuccessiveHalvingPruner(
        min_resource=max(1, epochs // 9), reduction_factor=3
    ),
    "none": lambda epochs: NopPruner(),
}


def known(kind: str, name: str, table: dict[str, object]) -> str:
    """Check a name against a table.

    Raises:
        InputError: With the names that are known.
    """
    if name not in table:
        raise InputError(f"--{kind}: unknown {kind} {name!r}, known: {', '.join(table)}")
    return name

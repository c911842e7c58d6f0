"""The samplers and pruners that a study may use: Optuna's, by name."""

from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler

from budgetnas.errors import InputError
from budgetnas.space import Grid
from budgetnas.space.grid import SEED


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


class Listed(BaseSampler):
    """Gives each trial the values of its place in a grid: a function of its number alone."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def infer_relative_search_space(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing is drawn together."""
        return {}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Nothing is drawn together."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the value of the trial's place."""
        cell, seed = self._grid.at(trial.number)
        return seed if param_name == SEED else cell.values[param_name]


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
    "halving": lambda epochs: Halving(first=max(1, epochs // 9), factor=3),
    "none": lambda epochs: NopPruner(),
}


def known(kind: str, name: str, table: dict[str, object], where: str = "--") -> str:
    """Check a name against a table; `where` says before its kind where it was given.

    Raises:
        InputError: With the names that are known.
    """
    if name not in table:
        raise InputError(f"{where}{kind}: unknown {kind} {name!r}, known: {', '.join(table)}")
    return name

"""The samplers that a study may use: Optuna's, by name, and those that know what comes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler

from budgetnas.space import SEED, Grid


class _OneByOne(BaseSampler):
    """Draws nothing together."""

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


class Listed(_OneByOne):
    """Gives a trial the values of one place in a grid."""

    def __init__(self, grid: Grid, index: int) -> None:
        self._cell, self._seed = grid.at(index)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the value of the trial's place."""
        return self._seed if param_name == SEED else self._cell.values[param_name]


class Wanted(_OneByOne):
    """Gives a trial values that are known before, or what may be drawn that is nearest to them."""

    def __init__(self, wanted: Mapping[str, Any]) -> None:
        self._wanted = wanted

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the preset's value or the nearest one; without a value, the least or first."""
        name, _, step = param_name.partition("/")  # of `width_1/8` the multiple is drawn
        wanted = self._wanted.get(name)
        match param_distribution:
            case CategoricalDistribution(choices=choices):
                return _nearest_choice(wanted, choices)
            case IntDistribution(low=low, high=high, step=each):
                value = low if wanted is None else wanted / int(step or 1)
                return min(max(low, low + each * round((value - low) / each)), high)
            case FloatDistribution(low=low, high=high):
                return low if wanted is None else min(max(low, float(wanted)), high)
        raise TypeError(f"no such distribution is drawn from: {param_distribution}")


def _nearest_choice(wanted: Any, choices: Sequence[Any]) -> Any:
    if wanted in choices:
        return wanted
    if isinstance(wanted, int | float) and all(isinstance(c, int | float) for c in choices):
        return min(choices, key=lambda choice: abs(choice - wanted))
    return choices[0]


class NSGAII(optuna.samplers.NSGAIISampler):
    """Optuna's NSGA-II, whose parents have one order.

    Optuna hands a generation's parents to its first trial from the best on, and to every other
    trial, which looks them up, by number: a first trial that is drawn again after an interruption
    would get other parents.
    """

    def get_parent_population(
        self, study: optuna.Study, generation: int
    ) -> list[optuna.trial.FrozenTrial]:
        """List the parents of a generation by number."""
        parents = super().get_parent_population(study, generation)
        return sorted(parents, key=lambda trial: trial.number)


# add yours here: a sampler from a seed
SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "nsga2": lambda seed: NSGAII(seed=seed),
}

"""The samplers and pruners that a study may use, by name, and its trials of one budget.

Where a study searches for several budgets, larger networks are more accurate than smaller ones,
whatever their shapes: compared with those, a good small network would look like a bad one.
"""

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from budgetnas.analysis import lucky_guessing
from budgetnas.seeds import derive_seed
from budgetnas.space import SEED, Grid
from budgetnas.study import StudyConfig
from budgetnas.study.options import instance_of
from budgetnas.study.trial_record import TrialRecord


class _Filtered(optuna.Study):
    """A view of a study with some of its trials."""

    def __init__(self, study: optuna.Study, includes: Callable[[FrozenTrial], bool]) -> None:
        self.__dict__.update(study.__dict__)
        self._includes = includes

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self._filter(super().get_trials(deepcopy, states))

    def _get_trials(self, *arguments: Any, **options: Any) -> list[FrozenTrial]:
        # Optuna's own samplers and pruners call this one
        return self._filter(super()._get_trials(*arguments, **options))

    def _filter(self, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        return [trial for trial in trials if self._includes(trial)]


def of_budget(study: optuna.Study, config: StudyConfig, limit: int | None) -> optuna.Study:
    """Return a view of a study's own trials of one budget.

    Trials that are not counted yet belong to every budget.

    Args:
        study: With all trials.
        config: Its configuration.
        limit: The budget's; None: all budgets.
    """

    def includes(trial: FrozenTrial) -> bool:
        record = TrialRecord(trial)
        if record.is_foreign:
            return False
        cost = record.cost(config.budget.cost)
        return limit is None or cost is None or config.budget_for(cost).limit == limit

    return _Filtered(study, includes)


class PerBudgetSampler(BaseSampler):
    """Lets a sampler learn from the trials of one budget only."""

    def __init__(self, sampler: BaseSampler, config: StudyConfig, limit: int | None) -> None:
        self._sampler, self._config, self._limit = sampler, config, limit

    def _view(self, study: optuna.Study) -> optuna.Study:
        return of_budget(study, self._config, self._limit)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters that are sampled together."""
        return self._sampler.infer_relative_search_space(self._view(study), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample them."""
        return self._sampler.sample_relative(self._view(study), trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample one parameter."""
        return self._sampler.sample_independent(
            self._view(study), trial, param_name, param_distribution
        )

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Forward to the sampler."""
        self._sampler.before_trial(self._view(study), trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Forward to the sampler."""
        self._sampler.after_trial(self._view(study), trial, state, values)


class Given(BaseSampler):
    """Gives a trial the value that a function has for a parameter's name and distribution."""

    def __init__(self, value: Callable[[str, BaseDistribution], Any]) -> None:
        self._value = value

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing is drawn together."""
        return {}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Nothing is drawn together."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the value."""
        return self._value(param_name, param_distribution)


def listed(grid: Grid, index: int) -> Given:
    """Return a sampler of the values of one index of a grid."""
    cell, seed = grid.at(index)
    return Given(lambda name, _: seed if name == SEED else cell.values[name])


def nearest(wanted: Mapping[str, Any]) -> Given:
    """Return a sampler of the values that can be drawn nearest to known ones, by name."""
    return Given(lambda name, distribution: _nearest(wanted, name, distribution))


def _nearest(known: Mapping[str, Any], parameter: str, distribution: BaseDistribution) -> Any:
    """Return the nearest value; without a known one, the least or first."""
    name, _, step = parameter.partition("/")  # of `width_1/8` the multiple is drawn
    wanted = known.get(name)
    match distribution:
        case CategoricalDistribution(choices=choices):
            return _nearest_choice(wanted, choices)
        case IntDistribution(low=low, high=high, step=each):
            value = low if wanted is None else wanted / int(step or 1)
            return min(max(low, low + each * round((value - low) / each)), high)
        case FloatDistribution(low=low, high=high):
            return low if wanted is None else min(max(low, float(wanted)), high)
    raise TypeError(f"unknown distribution: {distribution}")


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

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """List the parents of a generation by number."""
        parents = super().get_parent_population(study, generation)
        return sorted(parents, key=lambda trial: trial.number)


def _reseed(sampler: BaseSampler, seed: int) -> BaseSampler:
    """Seed all random generators of a sampler, and of those within it."""
    for name, value in vars(sampler).items():
        match getattr(value, "rng", value):  # which Optuna makes when it is first needed
            case np.random.RandomState() as state:
                state.seed(seed)
            case np.random.Generator():
                setattr(sampler, name, np.random.default_rng(seed))
            case BaseSampler() as inner:
                _reseed(inner, seed)
    return sampler


def sampler_of(name: str, seed: int) -> Callable[[int], BaseSampler]:
    """Return what makes a study's sampler from a trial's seed: by its name, or as it was given.

    Args:
        name: As the study records it.
        seed: The study's.
    """
    if name in SAMPLERS:
        return SAMPLERS[name]
    sampler = instance_of("sampler", name)
    if hasattr(sampler, "_seed"):  # of a sequence, which all trials have in common
        sampler._seed = derive_seed(seed, "sampler")
    return lambda each: _reseed(sampler, each)


# add yours here, and its name in budgetnas.study.options: a sampler from a seed
SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "nsga2": lambda seed: NSGAII(seed=seed),
}


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

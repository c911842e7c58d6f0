"""Trials of one budget among themselves: a sampler and a pruner that see no others.

Trials that other programs have added to the study they never see.
Where a study searches for several budgets, larger networks are more accurate than smaller ones,
whatever their shapes: compared with those, a good small network would look like a bad one.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from budgetnas.study.config import StudyConfig
from budgetnas.study.trials import is_foreign


class _Kin(optuna.Study):
    """A study as far as some of its trials go."""

    def __init__(self, study: optuna.Study, belongs: Callable[[FrozenTrial], bool]) -> None:
        self.__dict__.update(study.__dict__)
        self._belongs = belongs

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Those that belong."""
        return self._those(super().get_trials(deepcopy, states))

    def _get_trials(self, *arguments: Any, **options: Any) -> list[FrozenTrial]:
        """Those that belong: what Optuna's own samplers and pruners ask for."""
        return self._those(super()._get_trials(*arguments, **options))

    def _those(self, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        return [trial for trial in trials if self._belongs(trial)]


def kin(study: optuna.Study, config: StudyConfig, limit: int | None) -> optuna.Study:
    """Return the study as far as its own trials of one budget go.

    Those that are not counted yet are of every budget.

    Args:
        study: All of it.
        config: What defines it.
        limit: The budget's; None: of all budgets.
    """
    if limit is None and not any(map(is_foreign, study.get_trials(deepcopy=False))):
        return study

    def belongs(trial: FrozenTrial) -> bool:
        if is_foreign(trial):
            return False
        cost = trial.user_attrs.get(config.budget.cost)
        return limit is None or cost is None or config.budget_for(cost).limit == limit

    return _Kin(study, belongs)


class AmongKin(BasePruner):
    """Judges a trial among those of its budget."""

    def __init__(self, pruner: BasePruner, config: StudyConfig) -> None:
        self._pruner, self._config = pruner, config

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Say whether the trial ends at the step it has reached."""
        config = self._config
        cost = trial.user_attrs[config.budget.cost]
        limit = config.budget_for(cost).limit if config.smaller else None
        return self._pruner.prune(kin(study, config, limit), trial)


class SamplerAmongKin(BaseSampler):
    """Lets a sampler learn from the trials of one budget."""

    def __init__(self, sampler: BaseSampler, config: StudyConfig, limit: int | None) -> None:
        self._sampler, self._config, self._limit = sampler, config, limit

    def _kin(self, study: optuna.Study) -> optuna.Study:
        return kin(study, self._config, self._limit)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Say what is drawn together."""
        return self._sampler.infer_relative_search_space(self._kin(study), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw it."""
        return self._sampler.sample_relative(self._kin(study), trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw one value."""
        return self._sampler.sample_independent(
            self._kin(study), trial, param_name, param_distribution
        )

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Let it get ready."""
        self._sampler.before_trial(self._kin(study), trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Let it take notice."""
        self._sampler.after_trial(self._kin(study), trial, state, values)

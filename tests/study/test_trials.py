"""What each trial's state means."""

from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from budgetnas.errors import InputError
from budgetnas.study.trials import Kind, Tally, best_trial, kind_of, tally


def trial(state: TrialState, value: float | None = None, **attributes: Any) -> FrozenTrial:
    return create_trial(state=state, value=value, user_attrs=attributes)


TRIALS = [
    (trial(TrialState.COMPLETE, 0.5, epochs=3, params=10), Kind.TRAINED),
    (trial(TrialState.PRUNED, epochs=1), Kind.TRAINED),
    (trial(TrialState.PRUNED, excess=7), Kind.OVER_BUDGET),
    (trial(TrialState.PRUNED, excess=-7, duplicate_of=0), Kind.DUPLICATE),
    (trial(TrialState.PRUNED, excess=-7, out_of_race={"after": 2}), Kind.OUT),
    (trial(TrialState.FAIL, failure="out of memory"), Kind.FAILED),
    (trial(TrialState.RUNNING), Kind.OPEN),
    (trial(TrialState.WAITING), Kind.OPEN),
]


@pytest.mark.parametrize(("each", "kind"), TRIALS)
def test_kinds(each: FrozenTrial, kind: Kind) -> None:
    assert kind_of(each) is kind


def test_tally() -> None:
    counted = tally(each for each, _ in TRIALS)
    assert counted == Tally(trained=2, pruned=1, over_budget=1, duplicates=1, failed=1, epochs=4)


def test_a_foreign_trial_is_refused_not_guessed() -> None:
    with pytest.raises(InputError, match="must have epochs, excess, duplicate_of or out_of_race"):
        kind_of(trial(TrialState.PRUNED))


def test_of_equals_the_smallest_is_best() -> None:
    study = optuna.create_study(direction="maximize")
    assert best_trial(study.trials) is None
    for value, params in ((0.9, 30), (0.9, 20), (0.8, 10)):
        study.add_trial(trial(TrialState.COMPLETE, value, params=params))
    study.add_trial(trial(TrialState.PRUNED, epochs=1, params=1))
    best = best_trial(study.trials)
    assert best is not None
    assert best.number == 1

"""What each trial's state means."""

from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from budgetnas.analysis import best_trial
from budgetnas.errors import InputError
from budgetnas.study.trial_record import Kind, Tally, TrialRecord, tally, turn_of


def trial(state: TrialState, value: float | None = None, **attributes: Any) -> FrozenTrial:
    return create_trial(state=state, value=value, user_attrs=attributes)


TRIALS = [
    (trial(TrialState.COMPLETE, 0.5, epochs=3, params=10), Kind.TRAINED),
    (trial(TrialState.PRUNED, epochs=1), Kind.TRAINED),
    (trial(TrialState.PRUNED, excess=7), Kind.OVER_BUDGET),
    (trial(TrialState.PRUNED, excess=-7, duplicate_of=0), Kind.DUPLICATE),
    (trial(TrialState.PRUNED, excess=-7, out_of_race={"after": 2}), Kind.OUT),
    (trial(TrialState.FAIL, failure="out of memory"), Kind.FAILED),
    (trial(TrialState.COMPLETE, 0.99), Kind.FOREIGN),
    (trial(TrialState.PRUNED), Kind.FOREIGN),
    (trial(TrialState.FAIL, note="by hand"), Kind.FOREIGN),
    (trial(TrialState.RUNNING), Kind.OPEN),
    (trial(TrialState.WAITING), Kind.OPEN),
]


@pytest.mark.parametrize(("each", "kind"), TRIALS)
def test_kinds(each: FrozenTrial, kind: Kind) -> None:
    assert TrialRecord(each).kind is kind


def test_tally() -> None:
    counted = tally(each for each, _ in TRIALS)
    assert counted == Tally(trained=2, pruned=1, over_budget=1, duplicates=1, failed=1, epochs=4)


def test_a_pruned_trial_that_does_not_say_why_is_refused_not_guessed() -> None:
    with pytest.raises(InputError, match="must have epochs, excess, duplicate_of or out_of_race"):
        _ = TrialRecord(trial(TrialState.PRUNED, arch="{}")).kind


def test_foreign_and_enqueued_trials_take_no_turn() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trial(trial(TrialState.COMPLETE, 0.5, params=1))
    study.add_trial(trial(TrialState.COMPLETE, 0.9))
    study.enqueue_trial({"x": 1})
    study.add_trial(trial(TrialState.PRUNED, params=1, epochs=1))
    turns = [turn_of(study.trials, number) for number in range(5)]
    assert [turn.index for turn in turns] == [0, 1, 1, 1, 2]
    assert [turn.enqueued for turn in turns] == [None, None, {"x": 1}, None, None]


def test_of_equals_the_smallest_is_best() -> None:
    study = optuna.create_study(direction="maximize")
    assert best_trial(study.trials) is None
    for value, params in ((0.9, 30), (0.9, 20), (0.8, 10)):
        study.add_trial(trial(TrialState.COMPLETE, value, params=params))
    study.add_trial(trial(TrialState.PRUNED, epochs=1, params=1))
    best = best_trial(study.trials)
    assert best is not None
    assert best.number == 1

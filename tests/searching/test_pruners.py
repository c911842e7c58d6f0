"""Stopping early: who passes a rung, and where a rung tells nothing."""

import optuna
import pytest
from optuna.trial import TrialState
from scipy.stats import binom

from budgetnas.searching.pruners import Halving, lucky_guessing


def judged(pruner: Halving, values: list[float], step: int = 1) -> list[bool]:
    """Let trials of these values come to a rung, one after the other; say which are stopped."""
    study = optuna.create_study(direction="maximize", pruner=pruner)
    verdicts = []
    for value in values:
        trial = study.ask()
        trial.report(value, step)
        verdicts.append(trial.should_prune())
        study.tell(trial, state=TrialState.PRUNED)
    return verdicts


def test_a_third_of_those_that_came_so_far_goes_on() -> None:
    values = [0.5, 0.4, 0.6, 0.55, 0.61, 0.59, 0.5]
    assert judged(Halving(1, 3), values) == [False, True, False, False, False, True, True]
    assert not any(judged(Halving(1, 3), values, step=2)), "only at a rung"


def test_a_rung_where_the_best_third_only_guesses_stops_nobody() -> None:
    pruner = Halving(1, 3, guessing=0.15)
    assert not any(judged(pruner, [0.14, 0.1, 0.09, 0.13, 0.1]))
    assert judged(pruner, [0.14, 0.3, 0.09]) == [False, False, True]


@pytest.mark.parametrize(("classes", "images"), [(10, 145), (10, 5_000), (2, 100), (100, 5_000)])
def test_how_good_guessing_may_look(classes: int, images: int) -> None:
    exceeded = binom.sf(lucky_guessing(classes, images) * images, images, 1 / classes)
    assert exceeded == pytest.approx(0.025, abs=0.015)

"""Stopping early: who passes a rung, and where a rung tells nothing."""

import numpy as np
import optuna
import pytest
from optuna.pruners import BasePruner
from optuna.trial import TrialState
from scipy.stats import binom

from budgetnas.analysis import lucky_guessing
from budgetnas.metric import Metric
from budgetnas.trials import PRUNERS
from budgetnas.trials._samplers import Halving, first_rung


def judged(pruner: BasePruner, values: list[float], step: int = 1) -> list[bool]:
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


@pytest.mark.parametrize("metric", ["accuracy", "balanced"])
@pytest.mark.parametrize(("classes", "images"), [(10, 150), (10, 5_000), (2, 100), (100, 5_000)])
def test_how_good_guessing_may_look(classes: int, images: int, metric: Metric) -> None:
    bound = lucky_guessing([images // classes] * classes, metric)
    exceeded = binom.sf(bound * images, images, 1 / classes)
    assert exceeded == pytest.approx(0.025, abs=0.015)


def test_of_unequal_classes_always_the_largest_is_a_guess() -> None:
    assert lucky_guessing([900, 60, 40], "accuracy") == 0.9


@pytest.mark.parametrize("counts", [[900, 60, 40], [300, 300, 400], [15, 1, 1], [40, 0, 40]])
def test_what_guessing_reaches_balanced_is_what_a_simulation_says(counts: list[int]) -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    guesses = generator.integers(len(counts), size=(5_000, len(labels)))
    recalls = [(guesses[:, labels == c] == c).mean(axis=1) for c in np.unique(labels)]
    exceeded = (np.mean(recalls, axis=0) > lucky_guessing(counts, "balanced")).mean()
    assert exceeded < 0.08, "few images move in large steps"
    assert lucky_guessing(counts, "balanced") >= 1 / len(recalls), "always the same class"
    if min(counts) >= 40:
        assert exceeded == pytest.approx(0.025, abs=0.01)


@pytest.mark.parametrize(
    ("epochs", "epoch_steps", "first"),
    [
        (9, 352, 1), (9, 30, 1), (9, 29, 2), (9, 21, 2), (9, 12, 3), (9, 6, 5), (9, 1, 30),
        (30, 352, 3), (30, 6, 5), (1, 352, 1), (2, 352, 1), (100, 2, 15),
    ],
)  # fmt: skip
def test_the_first_rung_has_a_share_of_the_epochs_and_enough_steps(
    epochs: int, epoch_steps: int, first: int
) -> None:
    assert first_rung(epochs, epoch_steps) == first
    halving = PRUNERS["halving"](epochs, epoch_steps)
    for epoch in range(1, epochs):
        stopped = judged(halving, [0.9, 0.9, 0.1, 0.1], step=epoch)[-1]
        assert stopped == (epoch in (first, 3 * first, 9 * first))


def test_the_best_of_many_guesses_looks_better() -> None:
    """With the exact binomial: that the best of 20 is above the bound has the same 2.5 %."""
    images, trials, counts = 500, 20, [50] * 10
    one = binom.sf(lucky_guessing(counts, "accuracy", trials) * images, images, 0.1)
    assert 1 - (1 - one) ** trials == pytest.approx(0.025, abs=0.02)
    assert lucky_guessing(counts, "accuracy", trials) > lucky_guessing(counts, "accuracy")

"""Kendall's tau, regret and their intervals, against what can be computed slowly."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from budgetnas.analysis import (
    CRITERIA,
    FULL,
    Floats,
    Outcome,
    Outcomes,
    Short,
    ShortRankings,
    fully_measured,
    kendall_taus,
    regret_of,
    resample,
    short_trainings,
    tau_of,
    top_regrets,
)

SCORES = st.integers(-3, 3).map(float)
"""Few values, so that many are equal."""


@st.composite
def samples(draw: st.DrawFn) -> tuple[Floats, Floats, Floats]:
    """Two scores of each architecture, and how often each is in a sample."""
    n = draw(st.integers(2, 9))
    a, b, counts = (
        np.array(draw(st.lists(kind, min_size=n, max_size=n)))
        for kind in (SCORES, SCORES, st.integers(0, 3).map(float))
    )
    counts[draw(st.integers(0, n - 1))] += 1
    return a, b, counts


def repeated(values: Floats, counts: Floats) -> list[float]:
    """Write a sample out."""
    return [value for value, times in zip(values, counts, strict=True) for _ in range(int(times))]


def naive_tau(a: Sequence[float], b: Sequence[float]) -> float:
    """Kendall's tau-b by its definition: concordant less discordant pairs, of those not tied."""
    pairs = [(i, j) for i in range(len(a)) for j in range(i)]
    alike = sum(math.copysign(1, x) for i, j in pairs if (x := (a[i] - a[j]) * (b[i] - b[j])))
    decided = [sum(scores[i] != scores[j] for i, j in pairs) for scores in (a, b)]
    return alike / math.sqrt(decided[0] * decided[1]) if all(decided) else math.nan


def tau(a: Floats, b: Floats, counts: Floats | None = None) -> float:
    return float(kendall_taus(a, b, np.ones((1, len(a))) if counts is None else counts[None])[0])


@given(samples())
def test_tau_is_the_naive_one_of_every_sample(made: tuple[Floats, Floats, Floats]) -> None:
    a, b, counts = made
    written = repeated(a, counts), repeated(b, counts)
    assert tau(a, b, counts) == pytest.approx(naive_tau(*written), abs=1e-12, nan_ok=True)


@given(samples())
def test_tau_is_scipys(made: tuple[Floats, Floats, Floats]) -> None:
    a, b, _ = made
    assert tau(a, b) == pytest.approx(kendalltau(a, b).statistic, abs=1e-12, nan_ok=True)


@given(samples(), st.randoms(use_true_random=False))
def test_only_the_order_of_scores_matters_to_tau(
    made: tuple[Floats, Floats, Floats], random: "np.random.Generator"
) -> None:
    a, b, counts = made
    found = tau(a, b, counts)
    order = list(range(len(a)))
    random.shuffle(order)
    alike = [
        tau(np.exp(a), b**3 + 5, counts), tau(b, a, counts), -tau(-a, b, counts),
        tau(a[order], b[order], counts[order]), tau(a, b, 2 * counts),
    ]  # fmt: skip
    assert alike == pytest.approx([found] * len(alike), abs=1e-12, nan_ok=True)


def test_tau_reaches_its_ends_exactly_and_is_not_known_where_all_are_equal() -> None:
    a, equal = np.array([0.1, 0.2, 0.2, 0.7, 0.9]), np.zeros(5)
    assert (tau(a, a), tau(a, -a)) == (1, -1)
    assert math.isnan(tau(a, equal))
    counts = resample(5, seed=0)
    for runs, full in ((equal[None], a), (a[None], equal)):
        assert tau_of(runs, full, counts).model_dump() == {
            "value": None,
            "low": None,
            "high": None,
        }
    alone = np.array([[0, 0, 0, 5.0, 0]])
    found = tau_of(a[None], a, alone)
    assert (found.value, found.low) == (1, None), "no resample in which it is known"


def naive_regret(scores: Floats, full: Floats, counts: Floats, top: int) -> float:
    """Rank all copies, the first in order first among equals; train the first k of them."""
    ranked = sorted(
        (-score, place, accuracy)
        for place, (score, accuracy, times) in enumerate(zip(scores, full, counts, strict=True))
        for _ in range(int(times))
    )
    accuracies = [accuracy for _, _, accuracy in ranked]
    return float(max(accuracies) - max(accuracies[:top]))


@given(samples(), st.integers(1, 12))
def test_regret_is_the_naive_one_of_every_sample(
    made: tuple[Floats, Floats, Floats], top: int
) -> None:
    scores, full, counts = made
    (found,) = top_regrets(scores, full, counts[None], top)
    assert found == naive_regret(scores, full, counts, top)
    (more,) = top_regrets(scores, full, counts[None], top + 1)
    assert 0 <= more <= found
    assert top_regrets(full, full, counts[None], top) == 0
    assert top_regrets(np.exp(scores), full, counts[None], top) == found


def test_of_equal_scores_the_first_in_order_is_ranked_first() -> None:
    full, once = np.array([0.5, 0.9, 0.8]), np.ones((1, 3))
    assert top_regrets(np.zeros(3), full, once, 1) == pytest.approx(0.4)
    assert top_regrets(np.zeros(3), full, once, 2) == 0


def test_there_is_no_regret_to_speak_of_where_all_are_trained() -> None:
    full = np.array([0.5, 0.9, 0.8, 0.7, 0.6])
    counts = resample(5, seed=0)
    assert regret_of(full[None], full, counts, 5).value is None
    assert regret_of(-full[None], full, counts, 2).value == pytest.approx(0.3)


def test_resamples_are_of_the_same_size_and_replayed_by_their_seed() -> None:
    counts = resample(7, seed=3)
    assert counts.shape == (2_000, 7)
    assert (counts.sum(axis=1) == 7).all()
    assert (counts == resample(7, seed=3)).all()
    assert (counts != resample(7, seed=4)).any()
    assert counts.mean() == pytest.approx(1)


def test_an_interval_is_around_its_value_and_wider_of_fewer() -> None:
    generator = np.random.default_rng(0)
    widths = []
    for n in (10, 200):
        full = generator.normal(size=n)
        scores = full + generator.normal(size=n)
        found = tau_of(scores[None], full, resample(n, seed=0))
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        assert -1 <= found.low < found.value < found.high <= 1
        widths.append(found.high - found.low)
    assert widths[0] > 2 * widths[1]


def test_of_several_seeds_it_is_the_mean_of_each_ones_own() -> None:
    full = np.arange(6.0)
    runs = np.array([full, -full, full])
    counts = resample(6, seed=0)
    assert tau_of(runs, full, counts).value == pytest.approx(1 / 3)
    assert regret_of(runs, full, counts, 2).value == pytest.approx(4 / 3)


GOOD = Outcome(value=0.9, val_loss=0.2, train_losses=(1.0, 0.5))
BAD = Outcome(value=0.5, val_loss=1.2, train_losses=(2.0, 1.5))


@pytest.mark.parametrize("name", CRITERIA)
def test_a_criterion_is_higher_for_what_is_better(name: str) -> None:
    rate = CRITERIA[name]
    assert rate(Short(GOOD, GOOD)) > rate(Short(BAD, BAD))
    mixed = rate(Short(GOOD, BAD)), rate(Short(BAD, GOOD))
    assert (mixed[0] < mixed[1]) is (name == "averaged weights' loss")


def made_trainings(n: int, seeds: int) -> dict[tuple[str, str, int], Outcome]:
    """Accuracies that rise with the architecture, short and in full."""
    ways = [FULL, *short_trainings(1), *short_trainings(3)]
    return {
        (f"{place}", way, seed): replace(GOOD, value=place / 10)
        for place in range(n)
        for way in ways
        for seed in range(seeds)
    }


def rankings_of(measured: Outcomes) -> ShortRankings:
    ways = [FULL, *short_trainings(1), *short_trainings(3)]
    whole = fully_measured([f"{place}" for place in range(6)], ways, 2, measured)
    return ShortRankings(
        measured, whole, (1, 3), epochs=30, seeds=2, top=3, resampling_seed=0, metric="balanced"
    )


def test_an_architecture_of_which_a_training_is_missing_is_left_out() -> None:
    measured = made_trainings(6, 2)
    del measured["5", "3 epochs", 1]
    rankings = rankings_of(measured)
    assert rankings.networks == ("0", "1", "2", "3", "4")
    for row in rankings.rows():
        if row.criterion == "balanced validation accuracy":
            assert row.tau.model_dump() == {"value": 1, "low": 1, "high": 1}
            assert row.regret.model_dump() == {"value": 0, "low": 0, "high": 0}
        else:
            assert row.tau.value is None, "all losses are equal"
    del measured["4", FULL, 0]
    assert rankings_of(measured).rows() == ()

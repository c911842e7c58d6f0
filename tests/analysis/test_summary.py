"""What is compared, and which differences are noise."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from budgetnas.analysis import (
    Measurement,
    Noise,
    Repeats,
    measure_noise,
    summary_table,
    trial_table,
)
from budgetnas.metric import pack
from budgetnas.space import Grid
from tests.analysis.made import LARGE, SMALL, VAL, config_of, grid_of, of_grid, trained

VALUES = {"a": [0.90, 0.92, 0.91], "b": [0.80, 0.83, 0.85], "c": [0.905, 0.900, 0.920]}


def grid_and_table(values: dict[str, list[float]]) -> tuple[Grid, pd.DataFrame]:
    """A grid of one axis, each of whose values was measured with as many seeds."""
    seeds = len(next(iter(values.values())))
    grid = grid_of({"x": tuple(values)}, [SMALL], seeds)
    trials = [
        of_grid(grid, seed * len(values) + place, accuracies[seed])
        for seed in range(seeds)
        for place, accuracies in enumerate(values.values())
    ]
    return grid, trial_table(config_of(grid), trials)


def test_the_pooled_deviation_is_that_of_an_analysis_of_variance() -> None:
    grid, table = grid_and_table(VALUES)
    noise = measure_noise(config_of(grid), table)
    groups = [np.array(accuracies) for accuracies in VALUES.values()]
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / 6
    assert (noise.df, noise.images) == (6, VAL)
    assert noise.sd == pytest.approx(math.sqrt(within))
    between = 3 * np.var([group.mean() for group in groups], ddof=1)
    assert between / noise.sd**2 == pytest.approx(stats.f_oneway(*groups).statistic)


def test_two_configurations_differ_as_in_students_test() -> None:
    """Without the noise of the images, the rule is a two-sample t test at 5 %."""
    a, b = [0.90, 0.92, 0.91, 0.93], [0.88, 0.91, 0.87, 0.90]
    pooled = math.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)
    noise = Noise(sd=pooled, df=6, images=10**12)
    margin = noise.between(Repeats(tuple(a)), Repeats(tuple(b)))
    interval = stats.ttest_ind(a, b).confidence_interval(0.95)
    assert margin == pytest.approx((interval.high - interval.low) / 2, rel=1e-4)


def test_the_margin_of_a_mean_is_students() -> None:
    noise = Noise(sd=0.02, df=9, images=1)
    low, high = stats.t.interval(0.95, 9, scale=0.02 / math.sqrt(3))
    assert noise.of_mean(3) == pytest.approx((high - low) / 2)


def test_with_one_seed_only_the_images_are_noise() -> None:
    grid, table = grid_and_table({"a": [0.8], "b": [0.6]})
    noise = measure_noise(config_of(grid), table)
    assert math.isnan(noise.sd)
    assert math.isnan(noise.of_mean(1))
    normal = stats.norm.ppf(0.975)
    assert noise.between(Repeats((0.8,)), Repeats((0.6,))) == pytest.approx(
        normal * math.sqrt(2 * 0.21 / VAL)
    )


def test_the_images_noise_covers_what_samples_of_images_do() -> None:
    """Two networks that are equally good, on the same images, are told apart in 5 % or fewer."""
    rng, images, p = np.random.default_rng(0), 500, 0.8
    right = rng.random((2_000, images, 2)) < p
    means = right.mean(axis=1)
    noise = Noise(sd=math.nan, df=0, images=images)
    apart = [abs(a - b) > noise.between(Repeats((a,)), Repeats((b,))) for a, b in means]
    assert 0.03 < np.mean(apart) < 0.07


def test_the_noise_of_seeds_is_exceeded_by_chance_in_five_of_a_hundred() -> None:
    rng = np.random.default_rng(0)
    apart, half = [], Repeats((0.5,) * 3)
    for _ in range(1_000):
        a, b = 0.5 + 0.01 * rng.standard_normal((2, 3))
        sd = math.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)
        noise = Noise(sd=sd, df=4, images=10**12)
        apart.append(abs(a.mean() - b.mean()) > noise.between(half, half))
    assert 0.03 < np.mean(apart) < 0.07


@given(
    st.floats(0, 1), st.floats(0, 1), st.integers(1, 9), st.integers(1, 9), st.floats(0, 0.3)
)  # fmt: skip
def test_noise_is_symmetric_and_grows(a: float, b: float, n: int, m: int, sd: float) -> None:
    noise, more = Noise(sd, 4, 100), Noise(sd + 0.1, 4, 100)
    one, other = Repeats((a,) * n), Repeats((b,) * m)
    both = noise.between(one, other)
    assert both == pytest.approx(noise.between(other, one))
    assert both <= more.between(one, other)
    assert both >= Noise(math.nan, 0, 100).between(one, other)


def test_which_images_were_right_tells_networks_apart_that_their_number_does_not() -> None:
    """Networks that find the same images hard, one of them better by 2 points, on 2,500 images."""
    rng, images, seeds = np.random.default_rng(0), 2_500, 3
    ease = rng.beta(0.6, 0.6, images)
    noise = Noise(sd=math.nan, df=0, images=images)

    def measured(better: float) -> Repeats:
        right = rng.random((seeds, images)) < np.clip(ease + better, 0, 1)
        return Repeats.of(Measurement(float(each.mean()), each) for each in right)

    def without(repeats: Repeats) -> Repeats:
        return Repeats(repeats.accuracies)

    found, blind, wrong = 0, 0, 0
    for _ in range(200):
        one, better, equal = measured(0), measured(0.02), measured(0)
        gain = better.mean - one.mean
        found += gain > noise.between(one, better)
        blind += gain > noise.between(without(one), without(better))
        wrong += abs(equal.mean - one.mean) > noise.between(one, equal)
    assert found > 150 > 40 > blind
    assert wrong / 200 < 0.1, "it is chance in about five of a hundred"


def test_correct_images_are_known_of_all_trainings_or_of_none() -> None:
    known = np.array([True, False, True])
    assert Repeats.of([Measurement(0.5), Measurement(2 / 3, known)]).correct is None
    share = Repeats.of([Measurement(2 / 3, known), Measurement(1 / 3, ~known)]).correct
    assert share is not None
    assert share.tolist() == [0.5] * 3
    assert Repeats.of([]).correct is None
    assert math.isnan(Noise(0.1, 3, 3).between(Repeats.of([]), Repeats((0.5,))))


def test_a_studys_noise_is_of_the_images_that_were_right() -> None:
    grid = grid_of({"x": ("a", "b")}, [SMALL], 1)
    rng = np.random.default_rng(0)
    one = rng.random(VAL) < 0.8
    other = one & (rng.random(VAL) < 0.9)  # wrong wherever the first is, and a little more
    trials = [
        of_grid(grid, place, float(right.mean()), right=pack(right))
        for place, right in enumerate((one, other))
    ]
    summary = summary_table(config_of(grid), trial_table(config_of(grid), trials))
    p = one.mean() - other.mean()
    assert summary["noise"][1] == pytest.approx(1.959964 * math.sqrt(p * (1 - p) / VAL))


def test_a_row_a_configuration_in_the_grids_order() -> None:
    grid, table = grid_and_table(VALUES)
    summary = summary_table(config_of(grid), table)
    assert summary["configuration"].tolist() == ["x a", "x b", "x c"]
    assert summary["axis: x"].tolist() == ["a", "b", "c"]
    assert summary["n"].tolist() == [3, 3, 3]
    assert summary["mean"].tolist() == pytest.approx([0.91, 0.82667, 0.90833], abs=1e-5)
    assert summary["sd"].tolist() == pytest.approx(
        [np.std(accuracies, ddof=1) for accuracies in VALUES.values()]
    )
    noise = measure_noise(config_of(grid), table)
    assert summary["standard_error"].tolist() == pytest.approx([noise.sd / math.sqrt(3)] * 3)
    assert summary["margin"].tolist() == pytest.approx([noise.of_mean(3)] * 3)
    assert summary["difference"].tolist() == pytest.approx([0, 0.08333, 0.00167], abs=1e-5)
    assert summary["verdict"].tolist() == ["best", "worse", "not distinguished"]
    assert summary["seconds"].tolist() == [3, 3, 3]


def test_what_was_not_measured_says_why() -> None:
    grid = grid_of({"x": tuple("abcdefg")}, [SMALL], 1)
    trials = [
        of_grid(grid, 0, 0.5), of_grid(grid, 1, None, "failed"),
        of_grid(grid, 2, None, "over budget"), of_grid(grid, 3, None, "open"),
        of_grid(grid, 4, None, "duplicate", duplicate_of=0),
        of_grid(grid, 5, None, "duplicate", duplicate_of=1),
    ]  # fmt: skip
    summary = summary_table(config_of(grid), trial_table(config_of(grid), trials))
    assert summary["verdict"].tolist() == [
        "best", "failed", "over budget", "open", "not distinguished", "duplicate", "not run",
    ]  # fmt: skip
    assert summary["failures"].tolist() == [0, 1, 0, 0, 0, 0, 0]
    assert summary["n"].tolist() == [1, 0, 0, 0, 1, 0, 0]


def test_a_seed_that_failed_is_not_in_the_mean() -> None:
    grid = grid_of({"x": ("a",)}, [SMALL], 2)
    trials = [of_grid(grid, 0, 0.5), of_grid(grid, 1, None, "failed")]
    (row,) = summary_table(config_of(grid), trial_table(config_of(grid), trials)).itertuples()
    assert (row.n, row.mean, row.failures, row.verdict) == (1, 0.5, 1, "best")


def test_a_duplicate_is_no_second_measurement() -> None:
    grid = grid_of({"x": ("a", "b")}, [SMALL], 2)
    trials = [
        of_grid(grid, 0, 0.5), of_grid(grid, 1, None, "duplicate", duplicate_of=0),
        of_grid(grid, 2, 0.6), of_grid(grid, 3, None, "duplicate", duplicate_of=2),
    ]  # fmt: skip
    config = config_of(grid)
    table = trial_table(config, trials)
    assert measure_noise(config, table).df == 1
    assert summary_table(config, table)["mean"].tolist() == pytest.approx([0.55, 0.55])


def test_of_equals_the_smallest_is_the_best() -> None:
    trials = [trained(0, 0.5, LARGE), trained(1, 0.5, SMALL), trained(2, 0.6, stopped=True)]
    summary = summary_table(config_of(), trial_table(config_of(), trials))
    assert summary["cell"].tolist() == [1, 0, 2], "of a search, the best comes first"
    assert summary["verdict"].tolist() == ["best", "not distinguished", "stopped early"]
    assert math.isnan(summary["mean"].iloc[2]), "what was stopped early is no measurement"


def test_when_nothing_was_finished_nothing_is_the_best() -> None:
    table = trial_table(config_of(), [trained(0, 0.5, stopped=True)])
    summary = summary_table(config_of(), table)
    assert summary["verdict"].tolist() == ["stopped early"]
    assert summary["noise"].isna().all()

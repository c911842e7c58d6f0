"""Who is out of a race, by numbers alone."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial
from scipy import stats

from budgetnas.analysis import Elimination, Measurement, eliminated, round_size, why_eliminated
from budgetnas.metric import pack
from budgetnas.space import Race
from tests.analysis.made import SMALL, config_of, grid_of, of_grid

IMAGES = 5_000
RACE = Race()
accuracies = st.integers(0, IMAGES).map(lambda right: right / IMAGES)


def raced(
    race: Race, rounds: Sequence[Sequence[float | None]], images: int
) -> dict[int, Elimination]:
    """Race with accuracies alone."""
    measured = [[None if value is None else Measurement(value) for value in row] for row in rounds]
    return eliminated(race, measured, images)


@st.composite
def races(draw: st.DrawFn) -> list[list[float]]:
    """Rounds of a race: a row a seed, a column a configuration."""
    cells, rounds = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    row = st.lists(accuracies, min_size=cells, max_size=cells)
    return draw(st.lists(row, min_size=rounds, max_size=rounds))


def naive(rounds: Sequence[Sequence[float]], images: int) -> set[int]:
    """The first test of two rounds or more, as a book would write it."""
    table = np.array(rounds)
    n, m = table.shape
    means = table.mean(axis=0)
    s = math.sqrt(table.var(axis=0, ddof=1).mean())
    q = 1 - 0.05 / (2 * (m - 1))
    seeds = stats.t.ppf(q, m * (n - 1)) * s * math.sqrt(2 / n)
    best = means.max()
    p = (means + best) / 2
    pictures = stats.norm.ppf(q) * np.sqrt(2 * p * (1 - p) / images)
    return {int(cell) for cell in np.flatnonzero(best - means > np.hypot(seeds, pictures))}


@given(st.lists(st.tuples(accuracies, accuracies), min_size=2, max_size=8))
def test_after_the_second_round_it_is_the_formula(pairs: list[tuple[float, float]]) -> None:
    rounds = list(zip(*pairs, strict=True))
    means = np.array(pairs).mean(axis=1)
    table = raced(RACE, rounds, IMAGES)
    edges = {cell for cell, why in table.items() if why.behind - why.noise < 1e-9}
    assert set(table) - edges == naive(rounds, IMAGES) - edges
    for cell, why in table.items():
        assert why.after == 2
        assert why.behind == pytest.approx(means.max() - means[cell])


@given(races())
def test_the_best_is_never_out_and_worse_never_stays_longer(rounds: list[list[float]]) -> None:
    out = raced(RACE, rounds, IMAGES)
    last = len(rounds[0])
    stay = {cell: out[cell].after if cell in out else math.inf for cell in range(last)}
    for complete in range(2, len(rounds) + 1):
        means = np.mean(rounds[:complete], axis=0)
        left = [cell for cell in range(last) if stay[cell] >= complete]
        assert left
        best = max(left, key=lambda cell: means[cell])
        assert stay[best] > complete, "the best of a round goes on"
        for one in left:
            if stay[one] > complete:
                assert all(stay[b] > complete for b in left if means[b] > means[one] + 1e-9)


@given(races())
def test_what_was_decided_stays_so_whatever_comes_later(rounds: list[list[float]]) -> None:
    whole = raced(RACE, rounds, IMAGES)
    for complete in range(len(rounds) + 1):
        so_far = raced(RACE, rounds[:complete], IMAGES)
        assert so_far == {c: why for c, why in whole.items() if why.after <= complete}
    trained = [
        [value if cell not in whole or place < whole[cell].after else None
         for cell, value in enumerate(row)]
        for place, row in enumerate(rounds)
    ]  # fmt: skip
    assert raced(RACE, trained, IMAGES) == whole, "what is out need not be trained"


def test_one_that_is_as_good_is_out_in_five_of_a_hundred_or_fewer() -> None:
    rng, lost = np.random.default_rng(0), 0
    for _ in range(400):
        rounds = (0.5 + 0.02 * rng.standard_normal((2, 4))).tolist()
        lost += 0 in raced(RACE, rounds, 10**12)
    assert lost / 400 <= 0.05


def test_a_smaller_alpha_drops_less() -> None:
    rounds = [[0.90, 0.86, 0.50], [0.91, 0.87, 0.51]]
    assert set(raced(RACE, rounds, IMAGES)) == {1, 2}
    assert set(raced(Race(alpha=1e-4), rounds, IMAGES)) == {2}


def test_one_that_may_still_win_by_its_size_stays_in() -> None:
    """Shown to be 0.4 points worse, and as well to be less than the margin below."""
    rounds = [[0.9040, 0.9000, 0.8800], [0.9041, 0.9001, 0.8801]]
    assert set(raced(RACE, rounds, 10**12)) == {2}
    assert set(raced(Race(margin=0), rounds, 10**12)) == {1, 2}


def test_what_was_not_measured_is_not_judged() -> None:
    rounds = [[0.90, None, 0.50, None], [0.91, None, None, 0.40], [0.92, None, 0.52, None]]
    out = raced(RACE, rounds, IMAGES)
    assert set(out) == {2, 3}
    assert not raced(RACE, [[0.9, None], [None, 0.1]], IMAGES), "no seed was repeated"
    assert not raced(RACE, [[0.9], [0.1]], IMAGES), "there is no other"
    assert not raced(RACE, [[None, None]] * 3, IMAGES)


def test_few_images_keep_more_in() -> None:
    rounds = [[0.90, 0.80], [0.901, 0.801]]
    assert set(raced(RACE, rounds, 10_000)) == {1}
    assert not raced(RACE, rounds, 50)


def test_a_trial_is_judged_by_the_rounds_before_its_own() -> None:
    grid = grid_of({"network": ("a", "b")}, [SMALL], 4).changed(race=RACE)
    trials = [
        of_grid(grid, number, value)
        for number, value in enumerate([0.90, 0.50, 0.91, 0.51, 0.92, 0.99])
    ]
    why = [why_eliminated(grid, trials, number, IMAGES) for number in range(8)]
    assert why[:5] == [None] * 5
    assert isinstance(why[5], Elimination)
    assert (why[5].after, why[6], why[7]) == (2, None, why[5])
    assert why_eliminated(grid.changed(race=None), trials, 5, IMAGES) is None
    assert why_eliminated(config_of().proposal, trials, 5, IMAGES) is None
    assert (round_size(grid), round_size(grid.changed(race=None))) == (2, None)


def test_which_images_were_right_ends_a_race_sooner() -> None:
    """Where one is right wherever the other is, fewer images show that it is better."""
    rng, images = np.random.default_rng(0), 500
    one = rng.random(images) < 0.8
    good = np.array([one, np.roll(one, 1)])  # seeds differ in images, not in how many
    bad = good & (np.arange(images) % 32 > 0)
    grid = grid_of({"network": ("good", "bad")}, [SMALL], 3).changed(race=RACE)

    def trials(known: bool) -> list[FrozenTrial]:
        rounds = [right for pair in zip(good, bad, strict=True) for right in pair]
        return [
            of_grid(grid, number, float(right.mean()), **({"right": pack(right)} if known else {}))
            for number, right in enumerate(rounds)
        ]

    assert why_eliminated(grid, trials(known=False), 5, images) is None
    why = why_eliminated(grid, trials(known=True), 5, images)
    assert why is not None
    assert why.noise < why.behind

"""Which of several wins: what is shown, what is not, and how often it is wrong."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from budgetnas.analysis import (
    Judged,
    Measurement,
    Repeats,
    Verdict,
    alike_of,
    compare,
    judge,
    pooled,
    seeds_to_tell,
    winner,
)

BEST, EQUIVALENT = Verdict.BEST, Verdict.EQUIVALENT
UNDECIDED, WORSE = Verdict.NOT_DISTINGUISHED, Verdict.WORSE
MANY = 10**12
"""So many images that their noise is nothing."""

values = st.lists(st.floats(0.4, 0.6), min_size=2, max_size=4)


def decided(
    groups: Sequence[tuple[float, ...]], images: int = MANY, margin: float = 0.01
) -> tuple[int, dict[int, Judged]]:
    """Judge accuracies of networks of which each is larger than the one before."""
    measured = {place: Repeats(group) for place, group in enumerate(groups)}
    sizes = {place: (place,) for place in measured}
    judged = judge(pooled(groups, images), measured, sizes, margin)
    return winner(judged, measured, sizes), judged


def verdicts(judged: Mapping[int, Judged]) -> list[Verdict]:
    return [judged[place].verdict for place in sorted(judged)]


def test_what_is_within_the_noise_does_not_win_by_its_size() -> None:
    """The study of the report: the smaller one is 12.7 points below, with 2 seeds."""
    found, judged = decided([(0.5602, 0.4982), (0.6493, 0.6638)], images=1_000)
    assert verdicts(judged) == [UNDECIDED, BEST]
    assert judged[0].difference == pytest.approx(0.12735)
    assert judged[0].noise > judged[0].difference
    assert judged[0].bound > 0.12735
    assert found == 1


def test_the_smaller_wins_where_it_is_shown_to_be_as_good() -> None:
    found, judged = decided([(0.900, 0.901, 0.902), (0.903, 0.902, 0.904)])
    assert verdicts(judged) == [EQUIVALENT, BEST]
    assert found == 0
    assert decided([(0.900, 0.901, 0.902), (0.903, 0.902, 0.904)], margin=0.001)[0] == 1
    assert decided([(0.900, 0.901, 0.902), (0.903, 0.902, 0.904)], margin=0)[0] == 1


def test_the_images_count_too() -> None:
    groups = [(0.900, 0.901, 0.902), (0.903, 0.902, 0.904)]
    assert decided(groups, images=2_500)[0] == 1, "so few could be 1 point apart by chance"
    assert decided(groups, images=100_000)[0] == 0


def test_the_bound_is_that_of_students_one_sided_interval() -> None:
    a, b = [0.90, 0.92, 0.91, 0.93], [0.88, 0.91, 0.87, 0.90]
    noise = pooled([a, b], MANY)
    judged = compare(noise, Repeats(tuple(a)), Repeats(tuple(b)), 1, 0.01)
    interval = stats.ttest_ind(a, b, alternative="less").confidence_interval(0.95)
    assert judged.bound == pytest.approx(interval.high, rel=1e-4)
    corrected = compare(noise, Repeats(tuple(a)), Repeats(tuple(b)), 4, 0.01)
    interval = stats.ttest_ind(a, b, alternative="less").confidence_interval(1 - 0.05 / 4)
    assert corrected.bound == pytest.approx(interval.high, rel=1e-4)


def test_one_seed_shows_nothing_to_be_as_good() -> None:
    found, judged = decided([(0.90,), (0.90,), (0.50,)])
    assert verdicts(judged) == [BEST, UNDECIDED, WORSE]
    assert math.isnan(judged[1].bound)
    assert found == 0
    assert decided([(0.899,), (0.90,)], images=100)[0] == 1


def test_worse_by_less_than_the_margin_is_equivalent() -> None:
    found, judged = decided([(0.9000, 0.9001, 0.9002), (0.9040, 0.9041, 0.9042)])
    assert judged[0].difference > judged[0].noise
    assert verdicts(judged) == [EQUIVALENT, BEST]
    assert found == 0


def test_one_that_failed_does_not_win_over_an_equivalent_that_did_not() -> None:
    groups: list[tuple[float, ...]] = [
        (0.901, 0.901),
        (0.901, 0.900, 0.901),
        (0.902, 0.901, 0.902),
    ]
    found, judged = decided(groups)
    assert alike_of(judged) == [0, 1, 2]
    assert found == 1
    assert decided([(0.90, 0.901), (0.5, 0.51, 0.50)])[0] == 0, "it is worse, with all its seeds"


@given(st.lists(values, min_size=1, max_size=5), st.floats(0, 0.1), st.integers(50, 10_000))
def test_the_winner_is_the_best_or_shown_to_be_within_the_margin(
    groups: list[list[float]], margin: float, images: int
) -> None:
    found, judged = decided([tuple(group) for group in groups], images, margin)
    (best,) = (place for place, each in judged.items() if each.verdict is BEST)
    assert found == best or judged[found].bound < margin
    assert all(each.difference >= 0 for each in judged.values())
    if len({len(group) for group in groups}) == 1:
        assert found <= best, "never a larger one than the best"
    wider, _ = decided([tuple(group) for group in groups], images, 1.0)
    assert all(each.verdict is not EQUIVALENT or each.bound < margin for each in judged.values())
    if len({len(group) for group in groups}) == 1:
        assert wider <= found, "a wider margin never lets a larger one win"


def test_how_many_seeds_would_tell() -> None:
    a, b = (0.90, 0.92), (0.91, 0.91)
    noise = pooled([a, b], MANY)
    n = seeds_to_tell(noise, Repeats(a), Repeats(b), 1, 0.01)
    assert n is not None
    half = stats.t.ppf(0.95, 2 * (n - 1)) * noise.sd * math.sqrt(2 / n)
    less = stats.t.ppf(0.95, 2 * (n - 2)) * noise.sd * math.sqrt(2 / (n - 1))
    assert half < 0.01 <= less
    assert seeds_to_tell(pooled([a, b], 100), Repeats(a), Repeats(b), 1, 0.01) is None
    assert seeds_to_tell(pooled([a[:1], b[:1]], 100), Repeats(a), Repeats(b), 1, 0.01) is None
    far = (0.5602, 0.4982), (0.6493, 0.6638)
    few = seeds_to_tell(pooled(far, 1_000), Repeats(far[1]), Repeats(far[0]), 1, 0.01)
    assert few == 3, "which would show it to be worse"


@pytest.mark.parametrize("images", [500, MANY])
def test_what_is_the_margin_below_is_called_equivalent_in_five_of_a_hundred_or_fewer(
    images: int,
) -> None:
    """Four smaller networks, each the margin below the best: the worst case for the rule."""
    rng, wrong, right = np.random.default_rng(0), 0, 0
    for _ in range(400):
        seeds = 0.5 + 0.004 * rng.standard_normal((5, 3))
        groups = [tuple(row) for row in seeds - [[0.01], [0.01], [0.01], [0.01], [0]]]
        wrong += decided(groups, images)[0] != 4 and max(map(np.mean, groups)) == np.mean(
            groups[4]
        )
        equal, _ = decided([tuple(row) for row in 0.5 + 0.001 * (seeds - 0.5) / 0.004], images)
        right += equal == 0
    assert wrong / 400 <= 0.05
    assert (right / 400 > 0.9) is (images == MANY), "of few images nothing is shown"


def test_image_by_image_it_is_shown_with_fewer_images() -> None:
    """Networks that are right about nearly the same images."""
    rng, images = np.random.default_rng(0), 10_000
    one = rng.random(images) < 0.8
    other = one ^ (rng.random(images) < 0.005)
    third = one ^ (rng.random(images) < 0.005)

    def measured(*rights: np.ndarray) -> Repeats:
        return Repeats.of(Measurement(float(right.mean()), right) for right in rights)

    small, large = measured(one, other), measured(other, third)
    noise = pooled([small.accuracies, large.accuracies], images)
    best, less = (small, large) if small.mean >= large.mean else (large, small)
    assert compare(noise, best, less, 1, 0.01).verdict is EQUIVALENT
    blind, less_blind = Repeats(best.accuracies), Repeats(less.accuracies)
    assert compare(noise, blind, less_blind, 1, 0.01).verdict is UNDECIDED

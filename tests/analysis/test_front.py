"""The best for every budget."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial

from budgetnas.analysis import best_within, front


def trials(*pairs: tuple[int, float]) -> list[FrozenTrial]:
    listed = []
    for number, (params, value) in enumerate(pairs):
        attributes: dict[str, Any] = {"params": params}
        each = create_trial(state=TrialState.COMPLETE, value=value, user_attrs=attributes)
        each.number = number
        listed.append(each)
    return listed


def test_the_front_and_what_a_step_gains() -> None:
    listed = trials((200_000, 0.8), (100_000, 0.7), (150_000, 0.65), (300_000, 0.8))
    steps = front(listed)
    assert [step.number for step in steps] == [1, 0]
    assert [step.gain for step in steps] == [None, pytest.approx(0.1)]
    assert [step.added for step in steps] == [None, 100_000]


def test_a_gain_over_few_parameters_is_not_extrapolated() -> None:
    """7.8 points over 4,072 parameters are not 191 points a 100,000."""
    _, step = front(trials((10_000, 0.500), (14_072, 0.578)))
    assert step.gain == pytest.approx(0.078)
    assert step.added == 4_072


@given(st.lists(st.tuples(st.integers(1, 20), st.sampled_from([0.1, 0.2, 0.3, 0.4])), max_size=12))
def test_no_cheaper_one_is_as_good(pairs: list[tuple[int, float]]) -> None:
    listed = trials(*pairs)
    steps = front(listed)
    for params, value in pairs:
        on_front = [s for s in steps if s.params <= params and s.value >= value]
        assert on_front, "each is matched by one of the front that costs no more"
    for limit in range(21):
        best = best_within(listed, limit)
        within = [s for s in steps if s.params <= limit]
        assert (best.value if best else None) == (within[-1].value if within else None)


def test_of_what_was_stopped_nothing_is_best() -> None:
    attributes = {"params": 1, "epochs": 1}
    stopped = create_trial(
        state=TrialState.PRUNED, user_attrs=attributes, intermediate_values={1: 0.9}
    )
    assert best_within([stopped], 10) is None
    assert front([stopped]) == []

"""Several limits at once, and what of them can't be."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetnas.arch import (
    BITS,
    COSTS,
    PRESETS,
    Budget,
    count_macs,
    count_params,
    describe_costs,
    describe_limits,
    fits,
    load,
    other_limits,
    smaller_budgets,
)
from budgetnas.errors import InputError
from tests.archs import random_arch

SMALL = PRESETS["modified-resnet-small"]
M = Budget.from_text("1M")


def test_bytes_of_stored_weights() -> None:
    assert {bits: COSTS[f"bytes-{bits}"](SMALL, 32) for bits in BITS} == {
        8: 78_042, 16: 156_084, 32: 312_168,
    }  # fmt: skip


@given(st.integers(0, 1_000), st.integers(1, 10**6), st.integers(1, 10**8))
def test_what_fits_is_what_no_limit_refuses(seed: int, params: int, macs: int) -> None:
    arch = random_arch(random.Random(seed))
    limits = Budget(limit=params), Budget(limit=macs, cost="macs")
    within = count_params(arch) <= params and count_macs(arch, 8) <= macs
    assert fits(limits, arch, 8) == within == (load(limits, arch, 8) <= 1)


def test_they_say_what_they_are() -> None:
    limits = Budget.from_text("5M"), *other_limits(Budget.from_text("100M"), M, 8)
    assert describe_limits(limits) == (
        "5M parameters and 100M multiply-adds and 1M bytes of weights in 8 bits"
    )
    assert describe_costs(limits, SMALL, 32) == (
        "78,042 parameters, 12,501,632 multiply-adds, 78,042 bytes of weights in 8 bits"
    )
    assert other_limits(None, None, None) == ()
    assert other_limits(None, M, None) == (Budget(limit=10**6, cost="bytes-32"),)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((None, None, 8), "--bits says in what --max-bytes is counted, got --bits 8 alone"),
        ((None, M, 7), "--bits: must be one of 8, 16, 32, got 7"),
    ],
)
def test_limits_that_can_not_be(
    given: tuple[Budget | None, Budget | None, int | None], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        other_limits(*given)


def test_smaller_budgets_are_sorted() -> None:
    budget = Budget.from_text("5M")
    asked = list(map(Budget.from_text, ("500k", "2M", "1M")))
    assert smaller_budgets(asked, budget) == (asked[1], asked[2], asked[0])
    assert smaller_budgets(asked[:1], None) == (asked[0],)


@pytest.mark.parametrize(
    ("also", "says"),
    [
        ("5M", "must be smaller than --budget and differ, got 5M beside 5M"),
        ("6M,1M", "must be smaller than --budget and differ, got 6M beside 5M"),
        ("1M,1000k", "must be smaller than --budget and differ, got 1M beside 1M"),
    ],
)
def test_smaller_budgets_that_can_not_be(also: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        smaller_budgets(list(map(Budget.from_text, also.split(","))), Budget.from_text("5M"))

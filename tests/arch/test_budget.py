"""Budgets: how they read, and what fits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetnas.arch import COSTS, PRESETS, Budget
from budgetnas.errors import InputError


@pytest.mark.parametrize(
    ("text", "limit", "canonical"),
    [
        ("5e6", 5_000_000, "5M"),
        ("5M", 5_000_000, "5M"),
        ("5_000_000", 5_000_000, "5M"),
        ("500k", 500_000, "500k"),
        ("0.5m", 500_000, "500k"),
        ("78500", 78_500, "78500"),
        ("1.5M", 1_500_000, "1500k"),
        (" 1 ", 1, "1"),
        ("5E+6", 5_000_000, "5M"),
        ("1.000000000000000000000000000000000000M", 1_000_000, "1M"),
        ("1_0.5k", 10_500, "10500"),
    ],
)
def test_reads(text: str, limit: int, canonical: str) -> None:
    budget = Budget.from_text(text)
    assert (budget.limit, str(budget)) == (limit, canonical)
    assert Budget.from_text(canonical) == budget


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-5M",
        "4.5",
        "5MB",
        "five",
        "1e99",
        "nan",
        "inf",
        "1e-3",
        "5 M",
        "\u0665",
        "0x10",
        "1_",
        "_1",
        "1__0",
        "1_.5k",
        "1e6k",
        "1e6_",
        ".5M",
        "5.",
        "1e",
        "k",
        "1.00000000000000000000000000000000001M",
        "0.99999999999999999999999999999999999",
        "1000000000000000.00000000000000000000000001",
        "1e15.0",
        "1 000",
        "1,000",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(InputError, match="a budget is a whole number such as 5e6") as caught:
        Budget.from_text(text)
    assert repr(text) in str(caught.value)


def test_a_long_text_is_shortened() -> None:
    with pytest.raises(InputError) as caught:
        Budget.from_text("9" * 100_000)
    assert len(str(caught.value)) < 200


@given(st.text(max_size=20))
def test_any_text_is_a_budget_or_refused(text: str) -> None:
    try:
        budget = Budget.from_text(text)
    except InputError:
        return
    assert budget.limit >= 1


@pytest.mark.parametrize("cost", COSTS)
def test_feasible_is_at_most_the_limit(cost: str) -> None:
    arch = PRESETS["modified-resnet-small"]
    spent = COSTS[cost](arch, 32)
    assert Budget(limit=spent, cost=cost).excess(arch) == 0
    assert Budget(limit=spent - 1, cost=cost).excess(arch) == 1

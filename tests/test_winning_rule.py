"""The simulation of how often the rule by which a finalist wins is wrong, in miniature."""

import runpy
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "studies" / "winning_rule.py"
N = 40


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def rates(script: dict[str, Any], truth: str, *settings: tuple[float, int, int]) -> list[Any]:
    simulation = script["Simulation"](0)
    return [
        script["rates"](
            list(simulation.outcomes(script["Setting"](*setting), script["TRUTHS"][truth], N)),
            script["QUESTIONS"][truth],
        )
        for setting in settings
    ]


def test_a_smaller_one_that_is_the_margin_below_hardly_ever_wins(script: dict[str, Any]) -> None:
    found = rates(script, "the margin apart", (0.1, 5_000, 5), (1.0, 2_500, 3), (3.0, 500, 2))
    assert fmean(each.after for each in found) <= 0.05
    assert fmean(each.before for each in found) > 0.5, "as it was"
    (exact,) = rates(script, "two points apart", (0.1, 5_000, 5))
    assert exact.wider <= 0.05, "where the same margin lets an equal one win, below"


def test_the_best_loses_only_where_its_mean_was_not_the_best(script: dict[str, Any]) -> None:
    (clear, close) = rates(script, "further apart", (0.3, 5_000, 3), (3.0, 500, 2))
    assert clear.after == clear.chance == 0
    assert close.after == close.chance < close.before


def test_one_that_is_equal_wins_where_that_can_be_shown(script: dict[str, Any]) -> None:
    (found,) = rates(script, "equal", (0.1, 5_000, 5))
    assert found.wider > 0.5
    assert found.wider > found.after


def test_what_is_committed_is_what_the_script_writes(script: dict[str, Any]) -> None:
    text = (SCRIPT.parent / "winning-rule" / "results" / "README.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 48
    none = dict.fromkeys(script["TRUTHS"], script["Rates"](0, 0, 0, 0))
    found = {script["Setting"](0.1, 500, 2): none}
    assert [line for line in script["lines"](found, 1) if line.startswith("| sd")] == [
        line for line in text.splitlines() if line.startswith("| sd")
    ]
    worst = max(float(row.split("|")[5].strip(" %")) for row in rows)
    assert worst <= 5

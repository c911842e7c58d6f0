"""The section on what gave the accuracy: its table, its parts, and that it may be absent."""

from pathlib import Path

import pytest

from budgetnas.errors import InputError
from budgetnas.report import Report, render
from tests.analysis.made import config_of, trained
from tests.report.test_page import words
from tests.study.test_comparison import LUCK, PART, ROW, comparison

SECTION = "What gave the accuracy?"
FOLDER = Path("studies/made")


def made() -> Report:
    return Report(config_of(), FOLDER, [trained(0, 0.9)], None, 0)


def test_a_study_that_is_not_compared_says_nothing_of_it() -> None:
    assert SECTION not in words(render(made()))


def test_a_compared_study_shows_the_table_the_parts_and_the_formulas() -> None:
    other = ROW.changed(
        network="best random", verdict="not distinguished", mean=0.89, difference=0.01
    )
    over = ROW.changed(
        network="efficient-resnet", verdict="over budget", n=0, mean=None, margin=None,
        difference=None, noise=None, seconds=None,
    )  # fmt: skip
    comparison(rows=(ROW, other, over)).write(FOLDER)
    said = words(render(made())).replace("\N{EN DASH}", "-")
    assert SECTION in said
    assert "winner: basic [1] x (8) full 2 90.00% ± 1.00 - - best 900 5k 3" in said
    assert "best random: basic [1] x (8) full 2 89.00% ± 1.00 1.00 2.00 not distinguished" in said
    assert "efficient-resnet: basic [1] x (8) full 0 - - - over budget 900 5k -" in said
    assert PART.words in said
    assert LUCK.words in said
    assert "winner is trained as drawn by trial 7: lr 0.1" in said
    assert "The winner is trial 7, chosen from 20 completed trials, and the best random" in said
    assert "a = t · s · √(1/n + 1/n')" in said
    assert "∫ (1 - F(x)ᵏ - F(-x)ᵏ) dx" in said
    assert "Command: budgetnas compare --study made" in said


def test_one_that_has_only_begun_says_what_goes_on() -> None:
    comparison(finished=False, rows=(), parts=(), luck=None, random=0).write(FOLDER)
    said = words(render(made()))
    assert "Comparison is not finished. To continue: budgetnas compare --study made" in said
    assert "best random" not in said


def test_a_damaged_one_is_named() -> None:
    FOLDER.mkdir(parents=True)
    (FOLDER / "comparison.json").write_text("[]")
    with pytest.raises(InputError, match=r"comparison.json: must be a table of keys"):
        render(made())

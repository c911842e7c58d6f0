"""The section on short trainings: its table, its figure, and that it may be absent."""

from pathlib import Path

import pytest

from budgetnas.analysis import fidelity_table
from budgetnas.errors import InputError
from budgetnas.report import Report, answer_lines, render, report_figures
from budgetnas.report._plots import plot_fidelity
from tests.analysis.made import config_of, trained
from tests.report.test_page import words
from tests.study.test_fidelity import fidelity, tau

SECTION, FIGURE = "Short trainings against full ones", "How far short trainings can be trusted"
FOLDER = Path("studies/made")
FOUND = fidelity({1: tau(None), 3: tau(0.6, 0.4), 9: tau(0.7)})


def made() -> Report:
    return Report(config_of(), FOLDER, [trained(0, 0.9)], None, 0)


def test_a_study_that_is_not_measured_says_nothing_of_it() -> None:
    said = words(render(made()))
    assert SECTION not in said
    assert FIGURE not in said


def test_a_measured_study_shows_the_table_the_figure_and_what_is_recommended() -> None:
    found = fidelity({1: tau(0.2, 0.1), 3: tau(0.6, 0.4), 9: tau(0.7, 0.5)})
    found.write(FOLDER)
    assert answer_lines(made())[-1] == found.advice
    said = words(render(made()))
    assert SECTION in said
    assert FIGURE in said
    assert found.advice in said
    assert "3 15.0 % validation accuracy 0.60 (0.40 to 0.95) 2.00 (0.00 to 5.00)" in said
    assert "8 of 8 architectures of the study's space, from 100 to 900 parameters" in said
    assert "Recommended is the fewest epochs whose tau by what the search ranks by" in said
    assert "Command: budgetnas fidelity" in said


def test_what_is_not_known_is_a_gap_in_the_figure_and_said_in_the_table() -> None:
    table = fidelity_table(FOUND)
    by_accuracy = table[table["criterion"] == "validation accuracy"]
    assert by_accuracy["tau"].isna().tolist() == [True, False, False]
    assert by_accuracy["low"].isna().tolist() == [True, False, True]
    figure = plot_fidelity(table)
    assert [trace.name for trace in figure.data] == ["validation accuracy", "validation loss"]
    assert list(figure.data[0].customdata) == [1, 3, 9]
    assert list(figure.data[0].error_y.arrayminus) == pytest.approx([0, 0.2, 0])
    FOUND.write(FOLDER)
    assert "1 5.0 % validation accuracy not known" in words(render(made()))


def test_an_unfinished_one_has_no_figure() -> None:
    found = fidelity({}, short=(1, 3), finished=False, n=2)
    found.write(FOLDER)
    assert [drawn for drawn in report_figures(made()) if drawn.kind == "fidelity"] == []
    said = words(render(made()))
    assert "Fidelity is measured for 2 of 8 architectures so far." in said
    assert "2 of 8 architectures of the study's space" in said


def test_a_damaged_one_is_named() -> None:
    FOLDER.mkdir(parents=True)
    (FOLDER / "fidelity.json").write_text("[]")
    with pytest.raises(InputError, match=r"fidelity.json: must be a table of keys"):
        render(made())

"""Finalists made by hand: one rule decides, and report, JSON and winner say the same."""

from collections.abc import Sequence
from pathlib import Path

from budgetnas.analysis import FinalistStudy
from budgetnas.report import Report, answer_lines
from budgetnas.space import Race
from tests.analysis.made import LARGE, SMALL, config_of, grid_of, of_grid


def made(accuracies: Sequence[float], seeds: int, val: int) -> Report:
    """Trial 0 is small, trial 3 large; accuracies in the order of their training."""
    grid = grid_of({"network": ("trial 0", "trial 3")}, [SMALL, LARGE], seeds)
    grid = grid.changed(race=Race())
    trials = [of_grid(grid, number, value) for number, value in enumerate(accuracies)]
    return Report(config_of(grid, val=val), Path("studies/made"), trials, None, 0)


def test_the_loser_within_the_noise_does_not_win() -> None:
    report = made((0.5602, 0.6493, 0.4982, 0.6638), 2, 300)
    winner = FinalistStudy(report.config, report.trials).winner
    assert winner is not None
    assert winner.trial == report.as_json()["winner"]["trial"] == 3
    assert winner.advice == (
        "Not distinguished from the best mean: trial 0 (smaller, about 3 seeds each would tell). "
        "More seeds are needed: --seeds 3."
    )
    said = answer_lines(report)
    assert said[0].startswith("Finalists' winner: trial 3, 65.66%")
    assert said[1].startswith("Best mean: trial 3 at 65.66%")
    assert winner.advice in said


def test_the_smaller_wins_once_it_is_shown_to_be_as_good() -> None:
    report = made((0.900, 0.901, 0.901, 0.902, 0.900, 0.901), 3, 100_000)
    winner = FinalistStudy(report.config, report.trials).winner
    assert winner is not None
    assert (winner.trial, winner.advice) == (0, "")
    assert winner.rule == (
        "the smallest of 2 that are shown to be less than 1 point below the best mean, "
        "at 95 % confidence"
    )
    found = report.as_json()
    assert found["best"]["equivalent"] == ["trial 0"]
    assert found["winner"]["rule"] == winner.rule
    assert "Equivalent (shown to be less than 1 point below it): trial 0." in answer_lines(report)

"""Finalists for real: a race of a search's trials on digits, its winner, and who takes it."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from budgetnas.comparing.finalists import finalists
from budgetnas.errors import InputError
from budgetnas.events import EpochEnded, Estimated, Event, Notice
from budgetnas.recipe import Recipe
from budgetnas.report.answer import answer_lines
from budgetnas.report.page import write_report
from budgetnas.report.read import read_report
from budgetnas.retraining.retrain import retrain
from budgetnas.retraining.run import RunConfig
from budgetnas.study.config import StudyConfig
from budgetnas.study.trials import Kind, kind_of, tally
from tests.comparing import races
from tests.comparing.races import FOLDER, NAME, RACE, measured, race
from tests.conftest import Program
from tests.searching.small import run as run_search
from tests.searching.test_run_study import FILE, RATES
from tests.searching.test_run_study import run as run_grid

TRAINED, OUT = Kind.TRAINED, Kind.OUT


def told(action: Callable[..., Any], **options: Any) -> list[str]:
    """The notices of what is done."""
    notices: list[str] = []

    def watch(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)

    action(**options, watch=watch)
    return notices


def interrupted(number: int, epoch: int) -> None:
    def watch(event: Event) -> None:
        if isinstance(event, EpochEnded) and (event.trial, event.epoch) == (number, epoch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        race(watch=watch)


def test_the_hopeless_are_out_and_of_a_tie_the_smallest_wins(raced: str) -> None:
    trials = races.raced()
    assert [kind_of(trial) for trial in trials] == [TRAINED] * 10 + [OUT] * 2
    for trial in trials[10:]:
        why = trial.user_attrs["out_of_race"]
        assert why["after"] == 2
        assert why["behind"] > why["noise"] > 0
        assert not trial.intermediate_values
    assert tally(trials).trained == 10
    first, second, *others = race().rows
    assert (first.verdict, second.verdict) == ("best", "tie")
    assert [(row.verdict, row.out_after, row.n) for row in others] == [("out", 2, 2)] * 2
    assert first.mean == fmean(t.value or 0 for t in trials[0::4])
    assert second.difference is not None
    assert second.noise is not None
    assert second.difference <= second.noise
    winner = race().winner
    assert winner is not None
    assert (winner.trial, winner.rule) == (second.trial, "the smallest of 2 that tie")
    assert second.params is not None
    assert first.params is not None
    assert winner.params == second.params < first.params
    config = StudyConfig.read(FOLDER)
    rates = [cell.recipe.optimizer.lr for cell in race_grid(config)]
    assert sorted(rates) == [1e-6, 1e-6, 0.1, 0.1], "each trains with what its trial had drawn"
    assert config.facts == StudyConfig.read(Path("studies") / NAME).facts, "on the same images"
    assert not list(Path().rglob("test-openings.jsonl"))


def race_grid(config: StudyConfig) -> Any:
    assert config.proposal.name == "grid"
    return config.proposal.cells


def test_interrupted_anywhere_it_is_the_same_race(raced: str) -> None:
    whole = measured()
    shutil.rmtree(FOLDER)
    for number, epoch in ((0, 1), (3, 2), (4, 1), (7, 1), (8, 1), (9, 2)):
        interrupted(number, epoch)
    assert measured() != whole
    race()
    assert measured() == whole


@pytest.mark.slow
def test_several_workers_race_as_one_does(raced: str) -> None:
    whole = measured()
    shutil.rmtree(FOLDER)
    race(workers=2)
    assert measured() == whole


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_race(
    raced: str, started: Callable[..., "subprocess.Popen[str]"]
) -> None:
    whole = measured()
    shutil.rmtree(FOLDER)
    words = ("--top", 4, "--epochs", 2, "--recipe", "short")
    for least in (2, 9):
        process = started("finalists", *words)
        deadline = time.monotonic() + 200
        while ended() < least:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    race()
    assert measured() == whole


def ended() -> int:
    with suppress(InputError):  # not there yet
        return sum(kind_of(trial) is TRAINED for trial in races.raced())
    return 0


def test_the_same_again_does_nothing_and_more_seeds_go_on(raced: str) -> None:
    before = measured()
    events: list[Event] = []
    assert finalists(watch=events.append) == race()
    assert not any(isinstance(event, Estimated) for event in events)
    more = race(seeds=4)
    assert measured()[:12] == before
    assert [row.n for row in more.rows] == [4, 4, 2, 2]
    assert StudyConfig.read(FOLDER).about.command == (
        f"budgetnas finalists --study {NAME} --top 4 --epochs 2 --recipe short --seeds 4"
    )


def test_retrain_best_takes_the_winner_and_says_so(raced: str) -> None:
    winner = race().winner
    assert winner is not None
    notices: list[str] = []

    def best(**options: Any) -> None:
        result = retrain(epochs=1, **options)
        assert result.trial == winner.trial
        assert RunConfig.read(Path(result.run)).recipe.batch_size == 16

    notices = told(best)
    rule = f"best: trial {winner.trial}, the finalists' winner, the smallest of 2 that tie"
    assert rule in notices


def test_without_a_winner_retrain_best_is_the_searchs_best(searched: str) -> None:
    def best(**options: Any) -> None:
        assert retrain(epochs=1, **options).trial == 0

    start = "best: trial 0, best validation accuracy of the search"
    assert f"{start} (no finalists yet)" in told(best)
    interrupted(1, 1)
    unfinished = f"{start} (its finalists are unfinished: 11 trainings are left)"
    assert unfinished in told(best)


def test_its_report_names_the_winner_and_what_is_out(raced: str) -> None:
    winner = race().winner
    assert winner is not None
    page = write_report(RACE).read_text()
    assert "out of the race, after 2 seeds" in page
    assert "Which of the 4 best trials of digits-12k is best, trained longer?" in page
    assert "is out, and not trained any more" in page
    named = f"Finalists' winner: trial {winner.trial}, {winner.mean:.2%} ± "
    for name in (RACE, NAME):
        lines = answer_lines(read_report(name))
        assert any(line.startswith(named) for line in lines), lines
    assert any(
        line.startswith("Out of the race: trial ") for line in answer_lines(read_report(RACE))
    )


def test_at_the_timeout_there_is_no_winner_yet(searched: str) -> None:
    result = race(timeout=1e-9)
    assert (result.stopped, result.winner) == ("timeout", None)
    assert [row.verdict for row in result.rows] == ["not run"] * 4
    lines = answer_lines(read_report(NAME))
    assert not any("winner" in line for line in lines)


def test_only_trials_of_at_most_so_many_parameters(searched: str) -> None:
    result = race(top=None, budget="3k", seeds=2, epochs=1)
    assert len(result.rows) == 2
    assert all(row.params is not None and row.params <= 3_000 for row in result.rows)
    with pytest.raises(InputError, match="--budget must be at least 2,902, the parameters of the"):
        race(top=None, epochs=1, budget="2k")


def test_a_recipe_that_is_taken_at_its_word_makes_no_finalist_twice(searched: str) -> None:
    """Trials that differ in what they had drawn of the recipe are then the same training."""
    rule = "--top may be at most 2, the completed trials of study 'digits-12k' whose trainings d"
    with pytest.raises(InputError, match=rule):
        race(recipe=Recipe(epochs=1), epochs=None)
    result = race(top=None, recipe=Recipe(epochs=1), epochs=None, seeds=2)
    assert {row.arch for row in result.rows} == {"basic [1] x (16)", "basic [1] x (12)"}


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"top": 5}, "--top may be at most 4, the completed trials of study .*, got 5"),
        ({"top": 9, "budget": "3k"}, "at most 2, the completed trials of at most 3k param.*got 9"),
        ({"budget": "9"}, "'digits-12k' has no completed trial of at most 9 parameters to train"),
        ({"top": 0}, "--top must be from 1 to 10,000, got 0"),
        ({"seeds": 1}, "--seeds must be from 2 to 10,000, got 1"),
        ({"epochs": 0}, "--epochs must be from 1 to 10,000, got 0"),
        ({"recipe": "best"}, "unknown recipe 'best', known: short, full"),
        ({"timeout": 0}, "timeout > 0 must hold, got 0"),
        ({"study": "no"}, "no study 'no' in ./studies; known: digits-12k"),
    ],
)
def test_what_can_not_be_is_refused(searched: str, options: dict[str, Any], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        race(**options)
    assert not FOLDER.exists()


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"top": 2}, "can only be continued as it began: --top was 4, now 2 (or remove studies/"),
        ({"epochs": 3}, "--epochs was 2, now 3"),
        ({"recipe": "full"}, "--recipe augment was [{'name': 'crop'"),
        ({"study": RACE}, f"finalists are the best trials of a search, study '{RACE}' is a grid"),
    ],
)
def test_other_finalists_are_refused(raced: str, options: dict[str, Any], rule: str) -> None:
    before = measured()
    with pytest.raises(InputError) as refused:
        race(**options)
    assert rule in str(refused.value)
    assert measured() == before


def test_a_grid_has_no_finalists() -> None:
    grid = run_grid(FILE + RATES).study
    rule = "finalists are the best trials of a search, study 'which/quick-digits' is a grid, whose"
    with pytest.raises(InputError, match=rule):
        race(study=grid)


def test_a_better_trial_that_is_no_finalist_is_said(searched: str) -> None:
    result = race(top=1, seeds=2, epochs=1, budget="3k")
    assert result.winner is not None
    assert (result.winner.trial, result.winner.rule) == (2, "no other is within the noise of it")
    said = "trial 0, the best of the search, is no finalist; to choose anew, remove "
    assert any(line.startswith(said) for line in told(finalists))


def test_finalists_in_the_storage_of_the_search() -> None:
    url = "sqlite:///all.db"
    run_search(trials=2, epochs=1, space=races.SPACE, train_samples=100, storage=url)
    race(top=2, seeds=2, epochs=1)
    assert not (FOLDER / "study.db").exists()
    assert len(measured(RACE, url)) == 4
    Path("all.db").rename("moved.db")
    moved = "sqlite:///moved.db"
    assert any("winner" in line for line in answer_lines(read_report(NAME, moved)))
    again = race(top=2, seeds=2, epochs=1, storage=moved)
    assert again.winner is not None


def test_on_the_command_line(raced: str, budgetnas: Program) -> None:
    ended = budgetnas("finalists", "--study", NAME)
    assert ended.status == 0, ended.err
    heading, first, second, third, _, winner, *following = ended.out.splitlines()
    assert heading.split()[:4] == ["finalist", "params", "MACs", "n"]
    assert first.endswith("best")
    assert second.endswith("within the noise")
    assert third.endswith("out after round 2")
    assert winner.startswith("Winner: trial ")
    assert winner.endswith(": the smallest of 2 that tie")
    assert following[0] == f"Next: budgetnas retrain best --study {NAME}"
    answer = budgetnas("finalists", "--study", NAME, "--json").json()
    assert answer["study"] == RACE
    assert answer["winner"]["rule"] == "the smallest of 2 that tie"
    assert len(answer["rows"]) == 4
    refused = budgetnas("finalists", "--study", NAME, "--top", 5).complaint()
    assert "--top was 4, now 5" in refused

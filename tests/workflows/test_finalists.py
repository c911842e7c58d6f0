"""Finalists for real: a race of a search's trials on digits, its winner, and who takes it."""

import re
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

from budgetnas.errors import InputError
from budgetnas.events import EpochEnded, Estimated, Event, Notice
from budgetnas.recipe import Recipe
from budgetnas.report import answer_lines, read_report, write_report
from budgetnas.runs import RunConfig
from budgetnas.study import StudyConfig
from budgetnas.study.trial_record import Kind, TrialRecord, tally
from budgetnas.workflows.finalists import finalists
from budgetnas.workflows.retrain import retrain
from tests.conftest import Program
from tests.trials.small import FREE
from tests.trials.small import run as run_search
from tests.workflows import races
from tests.workflows.races import FOLDER, NAME, RACE, measured, race
from tests.workflows.test_run import FILE, RATES
from tests.workflows.test_run import run as run_grid

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


SURE = "at 95 % confidence"
RULE = f"the best mean, no smaller one is shown to be less than 1 point below it, {SURE}"


def test_the_worse_are_out_and_the_smaller_does_not_win_undecided(raced: str) -> None:
    trials = races.raced()
    assert [TrialRecord(trial).kind for trial in trials] == [TRAINED] * 10 + [OUT] * 2
    for trial in trials[10:]:
        why = trial.user_attrs["out_of_race"]
        assert why["after"] == 2
        assert why["behind"] > why["noise"] > 0
        assert not trial.intermediate_values
    assert tally(trials).trained == 10
    first, second, *others = race().rows
    assert (first.verdict, second.verdict) == ("best", "not distinguished")
    assert [(row.verdict, row.out_after, row.n) for row in others] == [("out", 2, 2)] * 2
    assert first.mean == fmean(t.value or 0 for t in trials[0::4])
    assert second.difference is not None
    assert second.noise is not None
    assert second.bound is not None
    assert 0.05 < second.difference <= second.noise
    assert second.bound > race().equivalence_margin == 0.01
    winner = race().winner
    assert winner is not None
    assert (winner.trial, winner.rule) == (first.trial, RULE)
    assert re.fullmatch(
        rf"Not distinguished from the best mean: trial {second.trial} \(smaller, about \d+ seeds "
        r"each would tell\). More seeds are needed: --seeds \d+.", winner.advice,
    )  # fmt: skip
    assert second.params is not None
    assert first.params is not None
    assert second.params < first.params == winner.params
    config = StudyConfig.read(FOLDER)
    rates = [cell.recipe.optimizer.lr for cell in race_grid(config)]
    assert sorted(rates) == [1e-6, 1e-6, 0.1, 0.1], "each trains with what its trial had drawn"
    assert config.facts == StudyConfig.read(Path("studies") / NAME).facts, "on the same images"
    assert not list(Path().rglob("test-openings.jsonl"))


def race_grid(config: StudyConfig) -> Any:
    assert config.proposal.name == "grid"
    return config.proposal.cells


@pytest.mark.slow
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
        return sum(TrialRecord(trial).kind is TRAINED for trial in races.raced())
    return 0


@pytest.mark.estimate
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
    assert f"best: trial {winner.trial}, the finalists' winner, {RULE}" in notices


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
        report = read_report(name)
        line, *lines = answer_lines(report)
        assert line.startswith(named)
        assert line.endswith(f"{RULE}.")
        assert winner.advice in lines
        assert report.as_json()["winner"]["trial"] == winner.trial
        assert "tie" not in " ".join(lines).split()
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
    asked: dict[str, Any] = {"recipe": Recipe(epochs=1), "epochs": None, "seeds": 2}
    said = (
        "--top 4: study 'digits-12k' has 2 completed trials whose trainings differ; these are the "
        "finalists"
    )
    assert said in told(race, **asked)
    assert said not in told(race, **asked), "the same command goes on"
    result = race(**asked | {"top": None})
    assert {row.arch for row in result.rows} == {"basic [1] x (16)", "basic [1] x (12)"}


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (
            {"budget": "9"},
            "finalists must be 2 completed trials of at most 9 parameters or more wh"
            "ose trainings differ, study 'digits-12k' has none",
        ),
        ({"top": 1}, "--top: must be greater than or equal to 2, got 1"),
        ({"margin": -0.5}, "--margin: must be greater than or equal to 0, got -0.5"),
        ({"margin": 100.5}, "--margin: must be less than or equal to 100, got 100.5"),
        ({"seeds": 1}, "--seeds: must be greater than or equal to 2, got 1"),
        ({"epochs": 0}, "--epochs: must be greater than or equal to 1, got 0"),
        ({"recipe": "best"}, "unknown recipe 'best', known: short, full"),
        ({"timeout": 0}, "--timeout: must be greater than 0, got 0"),
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
        ({"margin": 0.5}, "--margin was 1 point, now 0.5 points"),
        ({"margin": 0}, "--margin was 1 point, now 0 points"),
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


def test_fewer_trials_than_asked_for_are_taken_and_one_is_not_enough() -> None:
    run_search(trials=2, epochs=1, space=races.SPACE, train_samples=100, **FREE)
    said = "--top 5: study 'digits-12k' has 2 completed trials whose trainings differ; these are"
    asked: dict[str, Any] = {"top": 5, "seeds": 2, "epochs": 1, "margin": 100}
    assert any(text.startswith(said) for text in told(race, **asked))
    result = race(**asked)
    assert (len(result.rows), result.equivalence_margin) == (2, 1)
    winner = result.winner
    assert winner is not None
    assert winner.params == min(row.params or 0 for row in result.rows), "within 100 points"
    assert winner.rule in (
        f"the smallest of 2 that are shown to be less than 100 points below the best mean, {SURE}",
        "the best mean, and the smallest that is not shown to be worse",
    )
    command = StudyConfig.read(FOLDER).about.command or ""
    assert "--top 5 --margin 100 " in command
    shutil.rmtree(FOLDER)
    rule = "2 completed trials of at most 3k parameters or more whose trainings differ, .* has 1$"
    with pytest.raises(InputError, match=rule):
        race(top=5, budget="3k")


def test_a_grid_has_no_finalists() -> None:
    grid = run_grid(FILE + RATES).study
    rule = "finalists are the best trials of a search, study 'which/quick-digits' is a grid, whose"
    with pytest.raises(InputError, match=rule):
        race(study=grid)


def test_a_better_trial_that_is_no_finalist_is_said(searched: str) -> None:
    result = race(top=2, seeds=2, epochs=1, budget="3k")
    assert result.winner is not None
    assert result.winner.trial == 2
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
    assert second.endswith("not distinguished")
    assert third.endswith("out after round 2")
    assert winner.startswith("Winner: trial ")
    assert winner.endswith(f": {RULE}")
    assert following[0].startswith("Not distinguished from the best mean: trial ")
    assert following[1] == f"Next: budgetnas retrain best --study {NAME}"
    answer = budgetnas("finalists", "--study", NAME, "--json").json()
    assert answer["study"] == RACE
    assert answer["winner"]["rule"] == RULE
    best = budgetnas("best", "--study", NAME, "--json").json()["best"]
    assert (best["number"], best["rule"]) == (
        answer["winner"]["trial"], f"the finalists' winner, {RULE}",
    )  # fmt: skip
    small = budgetnas("best", "--study", NAME, "--budget", 3_000, "--json").json()["best"]
    assert small["params"] <= 3_000
    assert small["rule"] == (
        "the finalists' winner, the best mean, all others are shown to be worse or failed"
    )
    assert len(answer["rows"]) == 4
    refused = budgetnas("finalists", "--study", NAME, "--top", 5).complaint()
    assert "--top was 4, now 5" in refused

"""What a search or a retraining shows: by a clock of the test's own, and where it is written."""

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

import budgetnas
from budgetnas.events import (
    EpochEnded,
    Estimated,
    Event,
    RunEpochEnded,
    RunStarted,
    SearchStarted,
    TrialEnded,
)
from budgetnas.progress import RetrainProgress, SearchProgress, describe_duration
from budgetnas.study.trial_record import Kind, Tally
from budgetnas.workflows.run import run_study
from tests.trials.small import run


class Told:
    """A search's progress that was told events, each at its second."""

    def __init__(
        self, trials: int, workers: int = 1, estimate: float = 400, done: int = 0
    ) -> None:
        self.now = 0.0
        self.progress = SearchProgress(lambda: self.now)
        self.trained = done
        self.at(0, SearchStarted("s", self.tally(), trials))
        missing = trials - done
        self.at(0, Estimated(estimate, missing, "CPU", False, workers))

    def tally(self) -> Tally:
        return Tally(trained=self.trained)

    def at(self, second: float, event: Event) -> float | None:
        self.now = second
        self.progress(event)
        return self.progress.left()

    def epoch(self, second: float, trial: int, epoch: int, epochs: int = 4) -> float | None:
        return self.at(second, EpochEnded(trial, epoch, epochs, 0.5))

    def ended(self, second: float, trial: int, seconds: float) -> float | None:
        self.trained += 1
        kind, tally = Kind.TRAINED, self.tally()
        ended = TrialEnded(trial, kind, tally, None, 0.5, 100, "basic", seconds)
        return self.at(second, ended)


def test_the_time_left_moves_within_a_trial() -> None:
    told = Told(trials=4, estimate=400)
    assert told.progress.left() == 400, "before anything is trained, what was estimated"
    # 10 s an epoch: 30 s of this trial and 40 s of each of the others
    assert [told.epoch(10 * n, 0, n) for n in (1, 2, 3)] == [150, 140, 130]
    told.now = 35
    assert told.progress.left() == 125, "between two epochs, too"
    assert told.ended(40, 0, 40) == 120
    # slower: 20 s an epoch, while the mean of those that ended is still 40 s
    assert told.epoch(60, 1, 1) == 3 * 20 + 2 * 40
    assert told.ended(120, 1, 80) == 2 * 60
    told.ended(180, 2, 60)
    assert told.ended(240, 3, 60) == 0


def test_a_trial_that_goes_on_counts_its_own_epochs() -> None:
    told = Told(trials=1)
    assert told.epoch(5, 0, epoch=8, epochs=10) == pytest.approx(2 * 5)


def test_several_workers_share_what_is_left() -> None:
    told = Told(trials=6, workers=2, estimate=300)
    assert told.progress.left() == 300
    told.epoch(10, 0, 1)
    told.epoch(10, 1, 1)
    assert told.progress.left() == (2 * 30 + 4 * 40) / 2


def test_a_retraining(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    progress = RetrainProgress(lambda: now)
    progress(RunStarted(Path("r"), "basic", 1000, 50, "CPU", 10, 0))
    now = 11.0
    progress(RunEpochEnded(1, 10, 0.1, 2.5, 0.25, 11.0, 0.5))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == (
        "epoch 1 of 10: loss 2.500, 25.00% of augmented images right, val 50.00%, 1 min 39 s left"
    )


def test_durations() -> None:
    said = [describe_duration(seconds) for seconds in (0.4, 59, 61, 3_700, 200_000)]
    assert said == ["0 s", "59 s", "1 min 1 s", "1 h 1 min", "2 d 7 h"]


@pytest.mark.estimate
def test_functions_show_progress_unless_told_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no terminal, in lines on stderr; on stdout never anything."""
    given: dict[str, Any] = {"epochs": 1}
    result = run(1, study="a", **given)
    out, err = capsys.readouterr()
    assert out == ""
    assert "for 1 trials (CPU" in err
    assert "trial    " in err
    budgetnas.retrain("best", study=result.study, recipe="short", epochs=1)
    assert "opening the test set (opening 1 for this study)" in capsys.readouterr().err
    run(1, study="b", show_progress=False, **given)
    budgetnas.retrain("best", study="b", recipe="short", epochs=1, show_progress=False)
    assert capsys.readouterr() == ("", "")
    told: list[Event] = []
    run(1, study="c", watch=told.append, **given)
    assert capsys.readouterr() == ("", "")
    assert {type(event) for event in told} >= {SearchStarted, EpochEnded, TrialEnded}


def test_all_functions_can_be_silent() -> None:
    from budgetnas.workflows.compare import compare
    from budgetnas.workflows.fidelity import fidelity
    from budgetnas.workflows.finalists import finalists
    from budgetnas.workflows.retrain import retrain_seeds

    functions: list[Any] = [
        budgetnas.search, budgetnas.retrain, retrain_seeds, run_study, finalists, compare,
        fidelity,
    ]  # fmt: skip
    for function in functions:
        assert hasattr(function, "__wrapped__"), "it shows progress"
        known = inspect.signature(function).parameters
        assert known["show_progress"].default is True
        assert known["watch"].default is None


class Cell:
    """What a notebook shows of one display."""

    def __init__(self, shown: list[str]) -> None:
        self._shown = shown

    def update(self, content: dict[str, str], raw: bool) -> None:
        self._shown[-1] = content["text/plain"]


def test_a_notebook_has_one_line_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def display(content: dict[str, str], **options: bool) -> Cell:
        shown.append(content["text/plain"])
        return Cell(shown)

    import IPython.display

    monkeypatch.setattr(IPython.display, "display", display)
    now = 0.0
    progress = SearchProgress(lambda: now)
    progress.console.is_jupyter = True
    for epoch in (1, 2):
        now += 3
        progress(EpochEnded(0, epoch, 4, 0.5))
    assert shown == ["trial 0, epoch 2 of 4: 6 s left"]
    assert "IPython" in sys.modules

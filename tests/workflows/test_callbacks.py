"""Callbacks: they hear what is shown, and end a search or a retraining that can be continued."""

from pathlib import Path
from typing import Any

import pytest

import budgetnas
from budgetnas import EpochEnded, Event, InputError, RunEpochEnded, RunStopped, TrialEnded
from budgetnas.train import read_tensors
from tests.trials.small import replay, run


def test_a_search_that_is_stopped_goes_on_to_exactly_n(capfd: pytest.CaptureFixture[str]) -> None:
    whole = replay(run(trials=3, study="whole", epochs=3))
    events: list[Event] = []

    def stop(event: Event) -> str | None:
        events.append(event)
        return "stop" if isinstance(event, EpochEnded) and event.epoch == 2 else None

    asked: dict[str, Any] = {"trials": 3, "study": "pieces", "epochs": 3}
    capfd.readouterr()
    stopped = run(**asked, callbacks=[events.append, stop])
    assert (stopped.stopped, stopped.trained) == ("callback", 0)
    assert "recipe: no flips" in capfd.readouterr().err, "progress is shown as well"
    while stopped.stopped == "callback":
        stopped = run(**asked, callbacks=[stop])
    assert (stopped.stopped, stopped.trained) == ("trials", 3)
    assert replay(stopped) == whole
    assert sum(isinstance(event, TrialEnded) for event in events) == 3
    assert run(**asked, callbacks=[lambda event: "stop"]).stopped == "trials", "nothing is left"


def test_a_callback_says_stop_or_nothing() -> None:
    with pytest.raises(InputError, match="a callback returns None or 'stop', got True"):
        run(callbacks=[lambda event: True])
    for wrong in (print, [3], "stop", 3):
        with pytest.raises(InputError, match="callbacks must be a list of functions, got "):
            run(callbacks=wrong)


def test_a_retraining_that_is_stopped_is_resumed(begun: str) -> None:
    whole = budgetnas.retrain("best", epochs=3, out=Path("whole"))

    def stop(event: Event) -> str | None:
        return "stop" if isinstance(event, RunEpochEnded) and event.epoch == 2 else None

    with pytest.raises(RunStopped, match=r"after epoch 2 of 3; .* retrain best --resume --out "):
        budgetnas.retrain("best", epochs=3, out=Path("pieces"), callbacks=[stop])
    heard: list[Event] = []
    resumed = budgetnas.retrain("best", resume=True, out=Path("pieces"), callbacks=[heard.append])
    assert [e.epoch for e in heard if isinstance(e, RunEpochEnded)] == [3]
    assert resumed.test_loss == whole.test_loss
    weights = [read_tensors(Path(at, "weights.safetensors")) for at in ("whole", "pieces")]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])

"""A process that dies of a fault leaves a note; the trial it trained is named, at last failed."""

import faulthandler
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from budgetnas.events import EpochEnded, Estimated, Event, Notice, SearchStarted
from budgetnas.trials._loop import NOTE
from tests.trials.small import run, trials_of

FAULT = "Segmentation fault"


def _die(at: type[Event], fault: int) -> None:
    def watch(event: Event) -> None:
        if isinstance(event, at):
            os.kill(os.getpid(), fault)

    faulthandler.disable()  # pytest's
    run(trials=2, watch=watch)


def dies(at: type[Event], fault: int = signal.SIGSEGV) -> None:
    """Search in a process that dies of a signal at its first such event."""
    process = multiprocessing.get_context("fork").Process(target=_die, args=(at, fault))
    process.start()
    process.join()
    assert process.exitcode == -fault


def notices(search: Callable[..., object]) -> list[str]:
    """Run a search to its end; return what it noticed."""
    seen: list[str] = []
    search(trials=2, watch=lambda event: seen.extend(
        [event.text] if isinstance(event, Notice) else []
    ))  # fmt: skip
    return seen


def note() -> Path:
    return next(Path("studies").glob("*")) / NOTE


def test_the_trial_is_named_with_its_network_batches_and_arithmetic() -> None:
    dies(EpochEnded)
    assert FAULT in note().read_text()
    (said,) = [text for text in notices(run) if FAULT in text]
    assert said.startswith(f"the process of trial 0 died of {FAULT} (")
    assert "batches of " in said
    assert said.endswith("): the trial is taken up again")
    assert not note().exists()


def test_a_trial_that_crashes_again_and_again_fails() -> None:
    for _ in range(3):
        dies(EpochEnded)
    result = run(trials=2)
    assert (result.trained, result.failed) == (2, 1)
    failure = trials_of(result)[0].user_attrs["failure"]
    assert failure.startswith(f"its process died 3 times, the last time of {FAULT} (")


def test_killing_is_no_fault_of_the_trial() -> None:
    for _ in range(4):
        dies(EpochEnded, signal.SIGKILL)
    assert note().read_text() == ""
    assert not any("died" in text for text in notices(run))
    assert not note().exists()


@pytest.mark.estimate
def test_a_crash_without_a_trial_was_the_estimates() -> None:
    """It is not measured the next time, which would end as before."""
    dies(Estimated)
    (said,) = [text for text in notices(run) if FAULT in text]
    assert said.startswith("how long it will take is not known")


def test_the_callers_own_fault_handler_is_left_alone(tmp_path: Path) -> None:
    with (tmp_path / "own").open("w") as own:
        faulthandler.enable(own)
        seen: list[bool] = []
        run(trials=1, watch=lambda event: seen.append(note().exists())
            if isinstance(event, SearchStarted | EpochEnded) else None)  # fmt: skip
        assert faulthandler.is_enabled()
        faulthandler.enable(2)
    assert not any(seen)

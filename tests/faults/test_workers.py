"""A search with workers, ended from outside: no process is left, nothing is lost."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from budgetnas.events import Event, Notice
from budgetnas.workflows.search import search
from tests.trials.processes import is_gone, wait_until_gone, workers_of
from tests.trials.small import trials_in

Start = Callable[..., "subprocess.Popen[str]"]
WORDS = (
    "search", "--budget", "100k", "--dataset", "digits", "--epochs", 12, "--trials", 2,
    "--proposal", "free", "--no-presets", "--sampler", "tpe", "--pruner", "median",
)  # fmt: skip


def wait_for_workers(process: "subprocess.Popen[str]") -> list[int]:
    """Wait until there are two workers, and two trials with an epoch behind them."""
    folder = Path("studies/digits-100k")
    while len(workers_of(process.pid)) < 2 or len(list(folder.glob("trial-*.safetensors"))) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return workers_of(process.pid)


@pytest.mark.slow
def test_workers_never_outlive_their_search(started: Start) -> None:
    process = started(*WORDS, "--workers", 2)
    workers = wait_for_workers(process)
    process.kill()
    assert process.communicate()[0] == ""
    wait_until_gone(workers, seconds=5)

    process = started(*WORDS, "--workers", 2)
    workers = wait_for_workers(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert all(map(is_gone, workers))
    assert "Traceback" not in err
    assert "the running ones' finished epochs are saved. To continue: budgetnas search" in err

    assert not list(Path("studies/digits-100k").glob(".*.part"))
    notices: list[Event] = []
    result = search(study="digits-100k", trials=2, watch=notices.append)
    assert Notice("taking up again what was interrupted: trials 5, 10") in notices
    assert (result.trained, result.failed, result.stopped) == (2, 0, "trials")
    assert [t.number for t in trials_in("digits-100k") if t.state.name == "RUNNING"] == []
    assert not workers_of(os.getpid())

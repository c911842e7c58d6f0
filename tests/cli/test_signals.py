"""Interruptions at any moment: exit status 130 and one last line, never a traceback."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Program, command, environment

Start = Callable[..., "subprocess.Popen[str]"]
SEARCH = ["search", "--budget", "100k", "--dataset", "digits", "--trials", "1", "--epochs", "1"]
RETRAIN = ["retrain", "resnet56", "--dataset", "digits", "--epochs", "1"]
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def wait_until_in_charge(process: "subprocess.Popen[str]") -> None:
    """Wait until Python has begun with our code, which first of all minds SIGTERM."""
    status = Path(f"/proc/{process.pid}/status")
    deadline = time.monotonic() + 60
    while process.poll() is None:
        caught = re.search(r"^SigCgt:\s*(\w+)", status.read_text(), re.MULTILINE)
        if caught and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        assert time.monotonic() < deadline
        time.sleep(0.001)


def interrupted(process: "subprocess.Popen[str]", number: int, delay: float) -> tuple[int, str]:
    wait_until_in_charge(process)
    time.sleep(delay)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err, err
    assert "Exception" not in err, err
    assert process.returncode in (0, 130), (process.returncode, err)
    return process.returncode, err


@BOTH
@pytest.mark.parametrize("delay", [0.0, 0.4, 1.5, 4.0])
@pytest.mark.parametrize("words", [SEARCH, RETRAIN], ids=["search", "retrain"])
def test_long_commands_say_how_to_go_on(
    started: Start, words: list[str], delay: float, number: int
) -> None:
    status, err = interrupted(started(*words), number, delay)
    if status == 130:
        last = err.splitlines()[-1]
        assert re.match(rf"Interrupted\. .*To .*: budgetnas {words[0]} ", last), err


@BOTH
@pytest.mark.parametrize("delay", [0.0, 0.2])
@pytest.mark.parametrize("words", ["count resnet18", "presets", "--help"])
def test_short_commands_end_quietly(started: Start, words: str, delay: float, number: int) -> None:
    status, err = interrupted(started(*words.split()), number, delay)
    assert err == ("budgetnas: interrupted\n" if status == 130 else "")


@BOTH
@pytest.mark.parametrize("delay", [0.0, 1.5])
def test_waiting_for_input_can_be_interrupted(tmp_path: Path, delay: float, number: int) -> None:
    process = subprocess.Popen(
        command("count", "-"), cwd=tmp_path, env=environment(), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_until_in_charge(process)
    time.sleep(delay)
    process.send_signal(number)
    assert process.wait(timeout=60) == 130  # and its stdin is still open
    assert process.communicate()[1] == "budgetnas: interrupted\n"


def test_a_dashboard_ends_as_it_says(budgetnas: Program, started: Start) -> None:
    assert budgetnas(*SEARCH).status == 0
    process = started("dashboard", "--port", "0")
    assert process.stderr is not None
    assert "(Ctrl-C ends it)" in process.stderr.readline()
    assert interrupted(process, signal.SIGTERM, 0) == (130, "Dashboard ended.\n")


def test_what_is_to_last_ignores_ctrl_c(started: Start) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as shells start jobs with &
    try:
        process = started("count", "resnet18")
    finally:
        signal.signal(signal.SIGINT, before)
    wait_until_in_charge(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "Total params" in out


def test_no_password_is_said(started: Start) -> None:
    process = started(*SEARCH, "--storage", "postgresql://me:p@ss:w@host/db?sslpassword=word&x=1")
    _, err = interrupted(process, signal.SIGTERM, 0)
    assert "--storage 'postgresql://me:***@host/db?sslpassword=***&x=1'" in err


PRINTING = pytest.mark.parametrize("words", ["count resnet18", "count resnet18 --json", "--help"])


@PRINTING
def test_a_full_disk_is_one_line(tmp_path: Path, words: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(*words.split()), cwd=tmp_path, env=environment(), stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "budgetnas: stdout: No space left on device\n")


@PRINTING
def test_a_closed_pipe_is_no_news(tmp_path: Path, words: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command(*words.split()), cwd=tmp_path, env=environment(), stdout=writer,
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


INTERRUPTED = """
import logging, sys
import budgetnas.cli.main
from budgetnas.cli import signals

class Unclosed:
    def __del__(self):
        raise ResourceWarning

def run(words):
    try:
        with signals.raised():
            unclosed = Unclosed()
            try:
                exec("signals._raise(2, None)")
            except KeyboardInterrupt:
                logging.error("Exception during closing cursor")
                raise
    except KeyboardInterrupt:
        del unclosed
        return 130

budgetnas.cli.main.main = run
from budgetnas.__main__ import main
sys.exit(main())
"""


def test_what_an_interruption_breaks_is_not_heard(tmp_path: Path) -> None:
    """A library's log, an unclosed file; and a string that was executed changes no status."""
    (tmp_path / "interrupted.py").write_text(INTERRUPTED)
    ended = subprocess.run(
        [sys.executable, "-m", "interrupted"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=environment(),
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")

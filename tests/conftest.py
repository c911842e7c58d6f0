"""What all tests share: one thread, real digits, and the program as a subprocess."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from budgetnas.data import DataSource
from budgetnas.data.images import ImageSet
from budgetnas.data.load import load_train

settings.register_profile("ci", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("ci")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Two pytest workers on two cores beat one over-threaded run."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """What is started in a shell's background ignores SIGINT, and hands that on to the program."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _clean_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own, beside a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.with_name(f"{tmp_path.name}-cache")))


@pytest.fixture(scope="session")
def digits() -> ImageSet:
    """The embedded digits' training part."""
    return load_train(DataSource.choose("digits"))


@dataclass(frozen=True)
class Ended:
    """A program that has ended."""

    status: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """The one object on stdout, of a program that ended well."""
        assert self.status == 0, self.err
        answer: dict[str, Any] = json.loads(self.out)
        return answer

    def complaint(self) -> str:
        """The one line on stderr of a program that refused its input."""
        assert self.status == 2, (self.status, self.out, self.err)
        assert self.out == ""
        assert "Traceback" not in self.err
        (line,) = self.err.splitlines()
        return line


Program = Callable[..., Ended]


def environment() -> dict[str, str]:
    """The environment of the program under test: one thread, warnings are errors."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error", "COLUMNS": "100"}


def command(*words: object) -> list[str]:
    """The program's command line."""
    return [sys.executable, "-m", "budgetnas", *map(str, words)]


@pytest.fixture
def budgetnas(tmp_path: Path) -> Program:
    """Run the program in the test's folder."""

    def run(*words: object, stdin: str = "") -> Ended:
        done = subprocess.run(
            command(*words), cwd=tmp_path, env=environment(), input=stdin,
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start the program in the test's folder, to be interrupted or killed."""
    running: list[subprocess.Popen[str]] = []

    def start(*words: object) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            command(*words), cwd=tmp_path, env=environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()

"""What all tests share: one thread, real digits, and the program as a subprocess."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from budgetnas import metric, plugins
from budgetnas.__main__ import main
from budgetnas.arch import BLOCKS, _blocks
from budgetnas.data import DataSource
from budgetnas.data.images import ImageSet
from budgetnas.data.load import load_train
from budgetnas.files import cache_folder
from budgetnas.train import choose_numerics
from tests.trials.small import run

settings.register_profile("ci", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("ci")


SLOW = (
    "tests/faults/", "tests/fuzz/", "tests/notebooks/", "tests/test_studies.py",
    "tests/test_gpu_scripts.py", "tests/trials/test_crash.py",
    "tests/trials/test_interruption.py", "tests/workflows/test_on_pretended_gpu.py",
    "tests/trials/test_workers.py",
)  # fmt: skip
"""Where every test is slow; elsewhere single ones are marked."""
PROGRAMS = {"budgetnas", "started"}
"""Fixtures that start the program: seconds of imports each time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Choose the tier: `make test` leaves out what is slow or starts programs."""
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
        if PROGRAMS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.program)


def pytest_configure(config: pytest.Config) -> None:
    """But for `-m gpu`, nothing here sees a GPU, nor do programs; nor what else is installed."""
    os.environ[plugins.NO_ENTRY_POINTS] = "1"
    if not re.search(r"(?<!not )\bgpu\b", config.getoption("markexpr")):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before anybody asks torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Two pytest workers on two cores beat one over-threaded run."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """What is started in a shell's background ignores SIGINT, and hands that on to the program."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def _measured(_one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the program measures of a machine when it first needs it, measured once."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("measured")))
        choose_numerics(torch.device("cpu"))
        return cache_folder()


@pytest.fixture(autouse=True)
def _clean_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _measured: Path) -> None:
    """Every test works in a folder of its own, beside a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.with_name(f"{tmp_path.name}-cache")))
    shutil.copytree(_measured, cache_folder())


@pytest.fixture(autouse=True)
def _no_estimate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No search times a training to say how long it takes, but where that is asked for."""
    if request.node.get_closest_marker("estimate") is None:
        monkeypatch.setattr("budgetnas.workflows.work._announce_estimate", lambda *_: None)


@pytest.fixture
def isolated() -> Iterator[None]:
    """What is registered by a test is known to no other."""
    registries: list[plugins.Registry[Any]] = [_blocks._REGISTERED, metric._REGISTERED]
    tables: list[dict[str, Any]] = [plugins._loaded, BLOCKS, metric.METRICS]
    tables += [table for each in registries for table in (each._functions, each._modules)]
    before = [dict(table) for table in tables]
    yield
    for name in plugins._loaded.keys() - before[0].keys():
        sys.modules.pop(name, None)
    for table, entries in zip(tables, before, strict=True):
        table.clear()
        table.update(entries)


@pytest.fixture(scope="session")
def _begun(_measured: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        shutil.copytree(_measured, cache_folder())
        patched.chdir(folder)
        run(trials=1)
    return folder / "studies"


@pytest.fixture
def begun(_begun: Path, _clean_folder: None) -> str:
    """A study of one small trial, searched once for all tests."""
    shutil.copytree(_begun, "studies")
    return "digits-12k"


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
def forked(tmp_path: Path) -> Program:
    """Run the program in a process that has its imports behind it: for hundreds of short runs."""

    def run(*words: object, stdin: str = "") -> Ended:
        given = tmp_path.with_name(f"{tmp_path.name}-stdin")
        given.write_text(stdin)
        streams = [given, *(given.with_suffix(suffix) for suffix in (".out", ".err"))]
        child = os.fork()
        if child == 0:
            _become_the_program([str(word) for word in words], streams)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return Ended(status, *(path.read_text() for path in streams[1:]))

    return run


def _become_the_program(words: list[str], streams: Sequence[Path]) -> None:
    """Do in this process what the program does, and end with it."""
    status = 1
    try:
        for number, (path, mode) in enumerate(zip(streams, ("r", "w", "w"), strict=True)):
            file = path.open(mode)
            os.dup2(file.fileno(), number)
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, mode, closefd=False)  # noqa: SIM115
            for number, mode in enumerate(("r", "w", "w"))
        )
        sys.argv = ["budgetnas", *words]
        warnings.simplefilter("error")
        status = main()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


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

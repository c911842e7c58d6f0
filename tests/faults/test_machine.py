"""What the machine does to a job: a full disk, a read-only folder, a locked database, no memory.

Injected for real. Each ends in the stated way, and the same command goes on from what it left.
"""

import hashlib
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Ended, Program, command, environment
from tests.faults.test_killing import trained

SEARCH = ("search", "--budget", "100k", "--dataset", "digits", "--epochs", 2, "--study", "s")
RETRAIN = ("retrain", "modified-resnet-small", "--dataset", "digits", "--epochs", 3)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A disk of its own, to be mounted with other options: small, or read-only."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=False).returncode:
        pytest.skip("mounting a disk of one's own needs root")

    def remount(options: str) -> Path:
        subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)
        return place

    yield remount
    subprocess.run(["umount", "--lazy", place], check=True)


def at(place: Path, *words: object, limit: str = "") -> Ended:
    """Run the program in a folder, under a limit of the shell's `ulimit`."""
    line = ["bash", "-c", f'{limit or ":"} && exec "$@"', "bash", *command(*words)]
    done = subprocess.run(
        line, cwd=place, env=environment(), capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def broke(ended: Ended) -> str:
    """The last line on stderr of a job that something broke."""
    assert ended.status == 1, (ended.out, ended.err)
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert "Exception ignored" not in ended.err
    return ended.err.splitlines()[-1]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [230, 420])
def test_a_search_on_a_full_disk_goes_on_when_there_is_room(
    disk: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kilobytes: int
) -> None:
    small = disk(f"size={kilobytes}k")
    line = broke(at(small, *SEARCH, "--trials", 4))
    assert "No space left on device" in line or "database or disk is full" in line
    disk("size=64m")
    result = at(small, *SEARCH, "--trials", 4, "--json").json()
    assert (result["trained"], result["failed"]) == (4, 0)
    assert at(tmp_path, *SEARCH, "--trials", 4).status == 0
    whole = trained("s")
    monkeypatch.chdir(small)
    assert trained("s") == whole


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [600, 2600])
def test_a_retraining_on_a_full_disk_goes_on_when_there_is_room(
    disk: Callable[[str], Path], tmp_path: Path, kilobytes: int
) -> None:
    small = disk(f"size={kilobytes}k")
    assert "No space left on device" in broke(at(small, *RETRAIN, "--out", "run"))
    assert not list(small.rglob("*.part"))
    disk("size=64m")
    resumed = at(small, *RETRAIN, "--out", "run", "--resume", "--json").json()
    whole = at(tmp_path, *RETRAIN, "--out", "run", "--json").json()
    assert resumed["test_loss"] == whole["test_loss"]
    assert digest(small / "run/weights.safetensors") == digest(
        tmp_path / "run/weights.safetensors"
    )


def test_a_file_that_may_not_grow_is_like_a_full_disk(tmp_path: Path) -> None:
    """Where no disk can be mounted: the system refuses files over a size."""
    limit = "ulimit -f 200"  # of 1,024 bytes
    assert "File too large" in broke(at(tmp_path, *RETRAIN, "--out", "run", limit=limit))
    assert at(tmp_path, *RETRAIN, "--out", "run", "--resume").status == 0


@pytest.mark.parametrize("words", [SEARCH, RETRAIN], ids=["search", "retrain"])
def test_a_read_only_folder_is_refused_before_the_training(
    disk: Callable[[str], Path], words: tuple[object, ...]
) -> None:
    place = disk("ro")
    line = at(place, *words).complaint()
    assert "must be writable, got a read-only file system" in line


def test_a_study_that_became_read_only_is_left_as_it_was(disk: Callable[[str], Path]) -> None:
    place = disk("size=64m")
    assert at(place, *SEARCH, "--trials", 2).status == 0
    before = digest(place / "studies/s/study.db")
    disk("ro")
    for words in ([*SEARCH, "--trials", 3], ["retrain", "best", "--epochs", 1]):
        ended = at(place, *words)
        assert "must be writable, got a read-only file system" in ended.complaint()
    assert digest(place / "studies/s/study.db") == before


def test_a_database_that_stays_locked_loses_nothing(tmp_path: Path) -> None:
    words = (*SEARCH, "--storage", "sqlite:///x.db?timeout=1")
    assert at(tmp_path, *words, "--trials", 2).status == 0
    with closing(sqlite3.connect("x.db", isolation_level=None)) as holder:
        holder.execute("begin exclusive")
        assert "database is locked" in broke(at(tmp_path, *words, "--trials", 3))
        holder.execute("rollback")
    assert at(tmp_path, *words, "--trials", 3, "--json").json()["trained"] == 3


@pytest.mark.slow
def test_a_host_without_memory_says_so_and_the_run_goes_on_with_more(tmp_path: Path) -> None:
    words = (*RETRAIN, "--image-size", 160, "--epochs", 1, "--out", "run")
    megabytes = 1500
    line = broke(at(tmp_path, *words, limit=f"ulimit -d {megabytes * 1024}"))
    assert "out of memory: " in line
    small = (*RETRAIN, "--epochs", 1, "--out", "other")
    assert at(tmp_path, *small, limit=f"ulimit -d {megabytes * 1024}").status == 0


@pytest.mark.slow
def test_a_search_without_memory_fails_its_trials_and_says_why(tmp_path: Path) -> None:
    words = ("search", "--budget", "100k", "--dataset", "digits", "--image-size", 160)
    for _ in range(4):  # torch itself may crash where memory ends: the search goes on after that
        ended = at(tmp_path, *words, "--epochs", 1, limit=f"ulimit -d {1500 * 1024}")
        if ended.status != -signal.SIGSEGV:
            break
    line = broke(ended)
    assert "trials in a row failed, the last one: out of memory: " in line


def test_no_password_is_shown_or_stored(budgetnas: Program) -> None:
    url = "postgresql://me:swordfish@127.0.0.1:9/trials?sslpassword=swordfish"
    ended = budgetnas(*SEARCH, "--storage", url)
    assert ended.status == 2
    assert "postgresql://me:***@127.0.0.1:9/trials" in ended.err
    assert "swordfish" not in ended.err + ended.out
    for folder, _, names in os.walk("."):
        for name in names:
            assert b"swordfish" not in (Path(folder) / name).read_bytes()

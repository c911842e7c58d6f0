"""Where a study lives, what it is called, and who is working on it."""

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from budgetnas.arch import Budget
from budgetnas.data import DataSource
from budgetnas.errors import InputError
from budgetnas.spec import read_toml

STUDIES = Path("studies")
OTHERS = ("runs", "results")
"""What else is in a study's folder."""
_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_NAME = re.compile(f"{_WORD}(?:/{_WORD})?", re.ASCII)


def default_name(source: DataSource, budget: Budget) -> str:
    """Name a study after its data and budget: `cifar10-5M`, `folder-<basename>-100k`."""
    return f"{data_name(source)}-{budget}"


def data_name(source: DataSource) -> str:
    """Name data as a part of a study's name: `cifar10`, `folder-<basename>`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", source.title)[:80]


def study_folder(name: str) -> Path:
    """Return the folder of a study.

    A study that was run from a study file is in a folder beside that file, so its name is
    FILE/VARIANT.

    Raises:
        InputError: If the name could be anything but a folder's, or a folder's in another.
    """
    if not _NAME.fullmatch(name) or name.partition("/")[2] in OTHERS:
        raise InputError(
            "a study's name has letters, digits, '.', '_' and '-', at most 100, "
            "and begins with a letter or digit (FILE/VARIANT where a study file was run), "
            f"got {name!r}"
        )
    return STUDIES / name


def study_name(folder: Path) -> str:
    """Return the name of the study in a folder: what `study_folder` made it from."""
    return folder.relative_to(STUDIES).as_posix()


def config_path(folder: Path) -> Path:
    """Return the path of the file that defines a study."""
    return folder / "study.toml"


def budget_needed(name: str | None) -> InputError:
    """Say that a study can't begin without a budget, and what would continue one."""
    otherwise = f"there is no ./{study_folder(name)} yet" if name else "--study to continue one"
    return InputError(f"--budget is needed to begin a study, {otherwise}")


def known_studies(below: str = "") -> list[str]:
    """List the studies that have begun below this folder, the newest first.

    Args:
        below: Only those that were run from the study file in this folder of `studies`.
    """
    found = [path for path in STUDIES.glob("*/study.toml") if not below and not asks(path)]
    found += STUDIES.glob(f"{below or '*'}/*/study.toml")
    found = [path for path in found if path.is_file() and (below or not _compares(path))]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [study_name(path.parent) for path in found]


def _compares(path: Path) -> bool:
    """Say whether a begun study is a comparison of another's networks, in that one's folder.

    It is only meant where it is named.
    """
    outer = config_path(path.parent.parent)
    return outer.is_file() and not asks(outer)


def asks(path: Path) -> bool:
    """Say whether a study.toml is a study file, which asks a question, or of a begun study."""
    if not path.is_file():  # a pipe would have to be waited for
        return False
    try:
        return "question" in read_toml(path)
    except InputError:
        return False  # a begun one that is damaged: whoever reads it says so


def find_study(name: str | None) -> tuple[str, bool]:
    """Find the study that a command means.

    Returns:
        Its name, and whether it had to be guessed: the only one, else the newest.

    Raises:
        InputError: If there is no such study, with those that there are.
    """
    known = known_studies()
    if name is None and known:
        return known[0], True
    if name is not None and config_path(folder := study_folder(name)).is_file():
        if not asks(config_path(folder)):
            return name, False
        variants = known_studies(below=name)
        if not variants:
            raise InputError(
                f"study {name!r} has not begun, nothing has been trained yet: "
                f"budgetnas run {folder}"
            )
        return variants[0], len(variants) > 1
    wanted = f"no study {name!r} in ./{STUDIES}" if name else f"no study in ./{STUDIES}"
    listed = f"known: {', '.join(known)}" if known else "budgetnas search begins one"
    raise InputError(f"{wanted}; {listed}")


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a study's or run's folder; who holds a study's owns its running trials.

    The system lets go of it when the process ends, however it ends.

    Raises:
        InputError: If another process holds it, with its number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock_file(folder / ".lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise InputError(
                f"one process at a time may work on {folder}, it is held by {holder}"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield


def _lock_file(path: Path) -> TextIO:
    """Open a lock, never what somebody has put or linked in its place."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{path} must be a file")
    return os.fdopen(descriptor, "r+")

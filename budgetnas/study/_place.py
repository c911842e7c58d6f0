"""Where a study is, what it is called, and which process works on it."""

import contextlib
import fcntl
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from budgetnas.arch import Budget
from budgetnas.data import DataSource
from budgetnas.errors import InputError
from budgetnas.seeds import derive_seed
from budgetnas.spec import read_toml

STUDIES = Path("studies")
OTHERS = ("runs", "results")
"""Other folders in a study's."""
MOST_CHARACTERS = 100
MOST_BYTES = 200
"""Of a name, in UTF-8; file systems allow 255, and something may be added to it."""


def default_name(source: DataSource, budget: Budget) -> str:
    """Name a study after its data and budget: `cifar10-5M`, `folder-<basename>-100k`."""
    return f"{data_name(source)}-{budget}"


def data_name(source: DataSource) -> str:
    """Name data as a part of a study's name: `cifar10`, `folder-<basename>`."""
    title = unicodedata.normalize("NFC", source.title)
    kept = "".join(letter if _may_be_in_a_name(letter) else " " for letter in title)
    whole = re.sub(" +", "-", kept)
    name = _cut(whole, MOST_CHARACTERS - 20, MOST_BYTES - 40)
    lost = "".join(letter for letter in title if not _may_be_in_a_name(letter))
    if name == whole and lost.isascii():
        return name
    # what was left out may be all that tells two folders apart
    return f"{name}-{derive_seed(0, title) % 16**6:06x}"


def _may_be_in_a_name(letter: str) -> bool:
    return letter in "._-" or unicodedata.category(letter)[0] in "LM" or letter.isdecimal()


def _cut(text: str, characters: int, size: int) -> str:
    return text[:characters].encode()[:size].decode(errors="ignore")


def study_folder(name: str) -> Path:
    """Return the folder of a study.

    A study that was run from a study file is in a folder beside that file, so its name is
    FILE/VARIANT. Letters are those of any language; however they were typed, the folder has them
    composed (NFC).

    Raises:
        InputError: If the name could be anything but a folder's, or a folder's in another.
    """
    composed = unicodedata.normalize("NFC", name)
    words = composed.split("/")
    if len(words) > 2 or not all(map(_is_a_name, words)) or (words[1:] and words[1] in OTHERS):
        raise InputError(
            f"a study's name has letters, digits, '.', '_' and '-', at most {MOST_CHARACTERS} "
            f"({MOST_BYTES} bytes), and begins with a letter or digit (FILE/VARIANT where a study "
            f"file was run), got {name!r}"
        )
    return STUDIES / composed


def _is_a_name(word: str) -> bool:
    if not word or len(word) > MOST_CHARACTERS or not all(map(_may_be_in_a_name, word)):
        return False
    begins_well = word[0].isalpha() or word[0].isdecimal()
    return begins_well and len(word.encode(errors="replace")) <= MOST_BYTES


def study_name(folder: Path) -> str:
    """Return the name of the study in a folder: what `study_folder` made it from."""
    return folder.relative_to(STUDIES).as_posix()


def config_path(folder: Path) -> Path:
    return folder / "study.toml"


def budget_needed(name: str | None) -> InputError:
    """Return the error of a study without a budget, and how to continue one."""
    otherwise = f"there is no ./{study_folder(name)} yet" if name else "--study to continue one"
    return InputError(f"--budget is needed to begin a study, {otherwise}")


def known_studies(below: str = "") -> list[str]:
    """List the studies that have begun below this folder, the newest first.

    Args:
        below: Only those that were run from the study file in this folder of `studies`.
    """
    found = [path for path in STUDIES.glob("*/study.toml") if not below and not asks(path)]
    beside = STUDIES.glob(f"{below or '*'}/*/study.toml")
    found += (path for path in beside if path.parent.name not in OTHERS)
    found = [path for path in found if path.is_file() and (below or not _compares(path))]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [study_name(path.parent) for path in found]


def _compares(path: Path) -> bool:
    """Return whether a begun study is a comparison of another's networks, in that one's folder.

    It is only meant where it is named.
    """
    outer = config_path(path.parent.parent)
    return outer.is_file() and not asks(outer)


def asks(path: Path) -> bool:
    """Return whether a study.toml is a study file, which asks a question, or of a begun study."""
    if not path.is_file():  # a pipe would have to be waited for
        return False
    try:
        return "question" in read_toml(path)
    except InputError:
        return False  # a damaged one of a study that has begun: an error where it is read


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
            return study_name(folder), False
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
    """Hold a study's or run's folder; the process that holds a study's owns its running trials.

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

"""Files that can't be read: all of them are named at once, or they are left out and listed."""

from collections.abc import Sequence
from pathlib import Path

from budgetnas.errors import InputError
from budgetnas.files import write_atomic

MOST = 5
"""Files that a message names."""

LIST = "unreadable.txt"
"""The file of a study or a run that lists what was left out, a line each: path, and why."""


def refuse(problems: Sequence[str]) -> None:
    """Refuse files that can't be read, if there are any.

    Args:
        problems: Of each of them its path, and what is wrong.

    Raises:
        InputError: On one line: how many they are, and the first of them.
    """
    if len(problems) == 1:
        raise InputError(f"{problems[0]} (--skip-unreadable goes on without it)")
    if problems:
        raise InputError(
            f"{len(problems):,} images can't be read (--skip-unreadable goes on without them): "
            f"{'; '.join(_first(problems))}"
        )


def notice(problems: Sequence[str], images: int) -> str:
    """Say in one line how many files were left out, of how many images."""
    return (
        f"{len(problems):,} of {images:,} images can't be read: left out and listed in {LIST}, "
        f"first {problems[0]}"
    )


def write_list(folder: Path, problems: Sequence[str]) -> None:
    """Write the list into the folder of a study or a run, or remove an old one."""
    path = folder / LIST
    if problems:
        write_atomic(path, "".join(f"{problem}\n" for problem in problems))
    else:
        path.unlink(missing_ok=True)


def _first(problems: Sequence[str]) -> list[str]:
    more = len(problems) - MOST
    return [*problems[:MOST], *([f"and {more:,} more"] if more > 0 else [])]

"""The held-out test part. Nothing else opens it, and searching and train can't import this."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from budgetnas.data.images import ImageSet
from budgetnas.data.load import READERS, silent
from budgetnas.data.source import DataSource, Progress
from budgetnas.data.view import ImageFormat
from budgetnas.files import append_line

LOG = "test-openings.jsonl"
"""One line for every time that a test part was opened."""


def check_test(source: DataSource, classes: tuple[str, ...]) -> str | None:
    """Check that the test part will be there, so that hours of training aren't for nothing.

    No image is opened.

    Returns:
        What is in it, where its names tell that.

    Raises:
        InputError: If a class of the test part is empty, unknown in training, or absent; if a
            test part that is still to be downloaded can't be.
    """
    return READERS[source.dataset].check_test(source, classes)


def open_test(
    source: DataSource,
    like: ImageFormat,
    log: Path,
    run: str,
    fingerprint: str,
    progress: Progress = silent,
    *,
    every_epoch: bool = False,
) -> ImageSet:
    """Open the test part, and say so in the log first.

    Args:
        source: Which data.
        like: What the training part is like.
        log: The folder whose log gets a line.
        run: Which run opens it.
        fingerprint: The training part's.
        progress: Told of images read.
        every_epoch: Whether it is looked at after every epoch; then the log says so.
    """
    opening = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "run": run,
        **_identity(source),
        "fingerprint": fingerprint,
        **({"every_epoch": True} if every_epoch else {}),
    }
    append_line(log / LOG, json.dumps(opening))
    return READERS[source.dataset].read(source, "test", like, progress)


def count_openings(log: Path) -> int:
    """Count how often the test part has been opened, by the log in this folder."""
    return len(_read_log(log))


def count_uses(logs: Iterable[Path], source: DataSource, fingerprint: str) -> int:
    """Count how often the test part of the same data has been opened, by the logs of all studies.

    Data are the same if they have the same name and place, or the same content. A line that can't
    be read may have been of any data, so it counts.
    """
    openings = [opening for log in logs for opening in _read_log(log)]
    here = _identity(source)
    return sum(
        not opening
        or opening.get("fingerprint") == fingerprint
        or all(opening.get(key) == value for key, value in here.items())
        for opening in openings
    )


def _identity(source: DataSource) -> dict[str, str]:
    return {"dataset": source.title, "data_dir": str(source.root.resolve())}


def _read_log(log: Path) -> list[dict[str, Any]]:
    """Read the openings in a folder's log; an empty one for each line that is damaged."""
    path = log / LOG
    if not path.is_file():
        return []
    openings = []
    for line in path.read_text("utf-8-sig", errors="replace").splitlines():
        try:
            opening = json.loads(line)
        except (ValueError, RecursionError):
            opening = {}
        openings.append(opening if isinstance(opening, dict) else {})
    return openings

"""The held-out test part. Nothing else opens it, and searching and train can't import this."""

import json
import time
from pathlib import Path

from budgetnas.data.datasets import DataSource, Progress
from budgetnas.data.folder import class_names, has_test_part, list_files
from budgetnas.data.images import ImageSet
from budgetnas.data.load import silent
from budgetnas.errors import InputError
from budgetnas.files import append_line

LOG = "test-openings.jsonl"
"""One line for every time that a test part was opened."""


def check_test(source: DataSource, classes: tuple[str, ...]) -> None:
    """Look at the names in the test part, so that hours of training aren't for nothing.

    No image is opened.

    Raises:
        InputError: If a class of the test part is empty, unknown in training, or absent.
    """
    if source.dataset != "folder" or not has_test_part(source.root):
        return
    found = class_names(source.root, "test")
    list_files(source.root / "test", found)
    for name in sorted(set(found) ^ set(classes)):
        where = "test only" if name in found else "train only"
        raise InputError(
            f"{source.root}: train and test need the same classes, {name!r} is in {where}"
        )


def open_test(
    source: DataSource, channels: int, log: Path, run: str, progress: Progress = silent
) -> ImageSet:
    """Open the test part, and say so in the log first.

    Args:
        source: Which data.
        channels: What the training part has.
        log: The folder whose log gets a line.
        run: Which run opens it.
        progress: Told of images read.
    """
    opening = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "run": run,
        "dataset": source.title,
        "data_dir": str(source.root.resolve()),
    }
    append_line(log / LOG, json.dumps(opening))
    return source.info.read(source, "test", channels, progress)


def count_openings(log: Path) -> int:
    """Count how often the test part has been opened, by the log in this folder."""
    path = log / LOG
    return len(path.read_text().splitlines()) if path.is_file() else 0

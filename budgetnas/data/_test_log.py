"""The log of test-set accesses: one line for every time that a test part was opened.

Reports and counts read it without the library that opens images.
"""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from budgetnas.data._source import DataSource
from budgetnas.files import append_line

TEST_LOG = "test-openings.jsonl"


def record_opening(
    log: Path, run: str, source: DataSource, fingerprint: str, *, every_epoch: bool
) -> None:
    """Append a line to the log in a folder.

    With `every_epoch`, the test part is evaluated after every epoch of the run.
    """
    opening = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "run": run,
        **_identity(source),
        "fingerprint": fingerprint,
        **({"every_epoch": True} if every_epoch else {}),
    }
    append_line(log / TEST_LOG, json.dumps(opening))


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
    path = log / TEST_LOG
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

"""What a process that dies of a fault leaves for the next one: a note in the study's folder."""

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOTE = "crash.txt"


@contextmanager
def crash_noted(folder: Path) -> Iterator[str | None]:
    """Have Python write down of what fault this process dies, if it does.

    So a trial whose network crashes torch can be told from one that was interrupted by `kill -9`
    or a lack of memory, which leave nothing but an empty note.

    Args:
        folder: The study's, where no other process is at work.

    Yields:
        The fault of which the process before this one died, such as `Segmentation fault`;
        None if it did not.
    """
    path = folder / NOTE
    before = _read(path)
    if faulthandler.is_enabled():  # the caller's own, which could not be given back
        path.unlink(missing_ok=True)
        yield before
        return
    with path.open("w") as note:
        faulthandler.enable(note, all_threads=False)
        try:
            yield before
        finally:
            faulthandler.disable()
            path.unlink(missing_ok=True)


def _read(path: Path) -> str | None:
    """Return the fault that a note tells of in its first line."""
    if not path.exists():
        return None
    first = path.read_text(errors="replace").partition("\n")[0]
    return first.removeprefix("Fatal Python error: ").strip() or None

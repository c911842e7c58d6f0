"""Files that are written whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from budgetnas.errors import BudgetnasError, InputError

_UNFINISHED = ".part"


def write_atomic(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write beside the target under a temporary name, then rename.

    At any moment, and after any crash of the program, ``path`` has the old content or the new
    one, never a part of it. Missing parent folders are created.

    Args:
        path: The target.
        content: The new content.
        durable: Wait until it is on the disk, so that it survives a crash of the machine.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    descriptor, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}.", suffix=_UNFINISHED
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        if durable:
            _flush_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def cache_folder() -> Path:
    """Return the folder for caches: `$XDG_CACHE_HOME/budgetnas`, or in `~/.cache`."""
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if chosen.is_absolute():
        return chosen / "budgetnas"
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # Path's raises where there is none
    return (home if home.is_absolute() else Path(tempfile.gettempdir())) / ".cache" / "budgetnas"


def require_writable(path: Path) -> None:
    """Raise if a path cannot be written, before hours of work depend on it.

    Raises:
        InputError: If the system lets nobody write to it, or to the folder it would be made in.
    """
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK):
        reason = "a read-only file system" if _is_read_only(there) else "no permission"
        raise InputError(f"{path} must be writable, got {reason} at {there}")


def _is_read_only(place: Path) -> bool:
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)


def sweep(folder: Path) -> None:
    """Remove the files of killed writers; the caller must be the only writer."""
    for left in folder.glob(f".*{_UNFINISHED}"):
        left.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Append one line to a log in a single write, and flush it to disk.

    A last line that was not written whole stays a line of its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
        whole = file.read(1) in (b"", b"\n")
        file.write((b"" if whole else b"\n") + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def system_guard() -> Iterator[None]:
    """Turn an error of the system during the work into a message that tells how to resume."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise BudgetnasError(
            f"{where}{error.strerror or error}; what was finished is saved; fix this and resume"
        ) from error

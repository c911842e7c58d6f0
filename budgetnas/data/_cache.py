"""A cache of decoded images on this machine, so that a folder is decoded only once.

A row is found by a digest of a file's content, the view and the decoder. No row can be out of
date: a changed file has another key, and a renamed, moved or copied one the same. The cache only
ever saves time: a damaged row is decoded anew, and if the file fails (no room, no permission,
locked, no database), the job continues without it. It can be deleted at any time.
"""

import hashlib
import math
import shutil
import sqlite3
import struct
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from budgetnas.data._decode import Pixels, decoder, is_set_aside
from budgetnas.data._source import Depth, Kind, View
from budgetnas.files import cache_folder

LIMIT = 20 * 2**30
"""Bytes above which nothing is added. A full cache that serves no image is begun anew."""

RESERVE = 2**30
"""Bytes that are always left free on the disk."""

PATIENCE = 30.0
"""Seconds to wait for another process that is writing."""

_COLUMNS = "key, pixels, facts, checksum"
_TABLE = f"CREATE TABLE IF NOT EXISTS images (key BLOB PRIMARY KEY, {_COLUMNS[5:]})"
_FIND = f"SELECT {_COLUMNS} FROM images WHERE key IN "  # noqa: S608  # no word of anybody else's
_ADD = f"INSERT OR REPLACE INTO images ({_COLUMNS}) VALUES (?, ?, ?, ?)"  # noqa: S608
_FACTS = struct.Struct("<??Bd32s")
_KINDS: tuple[Kind | None, ...] = (None, "integer", "float")
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


@dataclass(frozen=True)
class Decoded:
    """An image as it comes from its file or from the cache."""

    pixels: Pixels | None
    """[size, size, 3]; None where it has more than 8 bits, and what is white is to be decided."""
    grey: bool
    """Whether every pixel of it is grey."""
    transparent: bool
    """Whether any pixel of the picture shows the background."""
    kind: Kind | None
    """What the picture holds; None for bytes."""
    peak: float
    """The picture's largest value."""
    digest: bytes
    """The SHA-256 of the picture's content."""

    @property
    def set_aside(self) -> bool:
        """Whether its content puts it into the test part, where the data has none."""
        return is_set_aside(self.digest)


def cache_path() -> Path:
    """Return the path of the cache: `$XDG_CACHE_HOME/budgetnas/images.db`, or in `~/.cache`."""
    return cache_folder() / "images.db"


class ImageCache:
    """Decoded images of one view. A context manager, for one thread."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._connection: sqlite3.Connection | None = None
        self._writable = False
        self._in_use = False
        self._begun_anew = False

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def key(self, digest: bytes, depth: Depth | None = None) -> bytes:
        """Make the key of a file from the SHA-256 of its content.

        A picture of more than 8 bits has two rows: what it holds, and, by what is white, its
        pixels.
        """
        made = f"{decoder()}; {self._view}; {depth}\n"
        return hashlib.sha256(made.encode() + digest).digest()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Decoded]:
        """Return those of the images that are there, undamaged."""
        if self._connection is None:
            return {}
        marks = ", ".join("?" * len(keys))
        try:
            rows = self._connection.execute(f"{_FIND} ({marks})", keys).fetchall()
        except sqlite3.Error as error:
            self._close()
            self._mend(error)
            return {}
        found = {row[0]: image for row in rows if (image := self._restore(*row))}
        self._in_use |= bool(found)
        return found

    def add(self, images: Mapping[bytes, Decoded]) -> None:
        """Store images under their keys: all of them, or none."""
        if not images or not self._has_room() or self._connection is None:
            return
        try:
            with self._connection:
                self._connection.executemany(_ADD, [_row(*item) for item in images.items()])
            self._in_use = True
        except sqlite3.Error as error:
            self._writable = False  # on a full disk, or if it is another's, it can still be read
            self._mend(error)

    def _restore(self, key: bytes, pixels: Any, facts: Any, checksum: Any) -> Decoded | None:
        """Make an image of a row, if all of it is as it was written."""
        if not isinstance(pixels, bytes) or not isinstance(facts, bytes):
            return None
        if checksum != _checksum(key, pixels, facts) or len(facts) != _FACTS.size:
            return None
        grey, transparent, kind, peak, digest = _FACTS.unpack(facts)
        shape = (self._view.size, self._view.size, 3)
        if kind >= len(_KINDS) or len(pixels) not in (0, math.prod(shape)):
            return None
        values = np.frombuffer(pixels, np.uint8).reshape(shape) if pixels else None
        return Decoded(values, grey, transparent, _KINDS[kind], peak, digest)

    def _has_room(self) -> bool:
        try:
            path = cache_path()
            full = path.stat().st_size >= LIMIT
            short = shutil.disk_usage(path.parent).free < RESERVE
        except (OSError, RuntimeError):
            return False
        if full and not self._in_use:
            self._begin_anew()
            return self._writable
        return self._writable and not full and not short

    def _open(self) -> None:
        try:
            path = cache_path()
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, PATIENCE, isolation_level="IMMEDIATE")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(_TABLE)
            self._writable = True
        except (OSError, RuntimeError):
            self._close()  # no place for it
        except sqlite3.Error as error:
            self._close()
            self._mend(error)

    def _close(self) -> None:
        self._writable = False
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _mend(self, error: sqlite3.Error) -> None:
        """Begin anew if the error says that this is no cache, or no longer."""
        # Python's own errors have no code: text that is none, where bytes were written
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & 0xFF in _DAMAGE and not self._begun_anew:
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Replace the database. A process that has the old one open can read it, not add to it."""
        self._close()
        self._begun_anew = True
        path = cache_path()
        with suppress(OSError):
            path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        self._open()


def _row(key: bytes, image: Decoded) -> tuple[bytes, bytes, bytes, int]:
    pixels = b"" if image.pixels is None else image.pixels.tobytes()
    kind = _KINDS.index(image.kind)
    facts = _FACTS.pack(image.grey, image.transparent, kind, image.peak, image.digest)
    return key, pixels, facts, _checksum(key, pixels, facts)


def _checksum(key: bytes, pixels: bytes, facts: bytes) -> int:
    return zlib.crc32(pixels, zlib.crc32(key + facts))

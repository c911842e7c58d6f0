"""From files to one array of images: each file is read and hashed, what is new is decoded.

In memory are the array of the images that are wanted, and a chunk of others.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from budgetnas.data.cache import Decoded, ImageCache
from budgetnas.data.datasets import Progress
from budgetnas.data.decode import Pixels, bombs_refused, decode, to_channels
from budgetnas.data.listing import access
from budgetnas.data.resize import empty_images, fit_one
from budgetnas.data.splits import content_digest, is_set_aside
from budgetnas.errors import InputError
from budgetnas.spec import printable

CHUNK = 250
"""So many images at once, fewer if they are large."""
CHUNK_BYTES = 2**26
BATCH = 25

_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Gathered:
    """The wanted images of a list of files."""

    images: Pixels
    """[k, size, size, channels]."""
    places: list[int]
    """Where in the list each of them is."""


def gather(
    paths: Sequence[Path],
    size: int,
    wanted: Callable[[Decoded], bool],
    channels: int | None,
    progress: Progress,
) -> Gathered:
    """Read images, decoding those that the cache does not have.

    Args:
        paths: The files.
        size: Side of an image in pixels.
        wanted: Which images to return.
        channels: 1 or 3, or None: grey only if every wanted image is.
        progress: Told of images read, and how many of them were in the cache.

    Raises:
        InputError: With the file that can't be read.
    """
    stack, places, decoded = _Stack(len(paths), size, channels), list[int](), 0
    with bombs_refused(), ImageCache(size) as cache, _threads() as threads:
        for start in range(0, len(paths), step := _chunk(size)):
            chunk = paths[start : start + step]
            images, new = _read_chunk(chunk, size, cache, threads)
            for place, image in enumerate(images, start):
                if wanted(image):
                    stack.push(image)
                    places.append(place)
            done, decoded = start + len(chunk), decoded + new
            what = f"reading images ({done - decoded:,} from the cache, {decoded:,} decoded)"
            progress(what, done, len(paths))
    return Gathered(stack.images, places)


class _Stack:
    """Images in one array, which is grey until a colour image comes if nobody says."""

    def __init__(self, room: int, size: int, channels: int | None) -> None:
        self._rows: Pixels = empty_images(room, size, channels or 1)
        self._fixed = channels is not None
        self._filled = 0

    def push(self, image: Decoded) -> None:
        if not self._fixed and not image.grey:
            self._widen()
        channels = self._rows.shape[-1]
        grey = image.grey and channels == 1
        pixels = image.pixels[..., :1] if grey else to_channels(image.pixels, channels)
        self._rows[self._filled] = pixels
        self._filled += 1

    @property
    def images(self) -> Pixels:
        return self._rows[: self._filled]

    def _widen(self) -> None:
        colour: Pixels = empty_images(len(self._rows), self._rows.shape[1], 3)
        colour[: self._filled] = self.images
        self._rows, self._fixed = colour, True


def _chunk(size: int) -> int:
    return max(os.cpu_count() or 1, min(CHUNK, CHUNK_BYTES // (size**2 * 3)))


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Start threads: files are read, hashed and decoded without the interpreter's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        try:
            yield threads
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def _read_chunk(
    paths: Sequence[Path], size: int, cache: ImageCache, threads: ThreadPoolExecutor
) -> tuple[list[Decoded], int]:
    """Read some files, in order; return how many of them had to be decoded, too."""
    # a thread hashes many: most files are read in less time than a thread takes to be given one
    batches = (paths[start : start + BATCH] for start in range(0, len(paths), BATCH))
    keys = [cache.key(digest) for some in threads.map(_digests, batches) for digest in some]
    found = cache.find(keys)
    missing = [path for path, key in zip(paths, keys, strict=True) if key not in found]
    fresh = list(threads.map(lambda path: _decode(path, size), missing))
    # A file may have changed since it was hashed: its key is that of the bytes that were decoded.
    cache.add({cache.key(digest): image for digest, image in fresh})
    images = iter(image for _, image in fresh)
    return [found[key] if key in found else next(images) for key in keys], len(missing)


def _digests(paths: Sequence[Path]) -> list[bytes]:
    return [hashlib.sha256(_content(path)).digest() for path in paths]


def _content(path: Path) -> bytes:
    with access(path):
        return path.read_bytes()


def _decode(path: Path, size: int) -> tuple[bytes, Decoded]:
    """Decode an image, and fit it to a size; return the digest of its file, too."""
    content = _content(path)
    try:
        pixels = decode(content)
        fitted = fit_one(pixels, size).copy()  # else a crop holds all that it was cropped from
    except MemoryError:
        raise MemoryError(f"{printable(path)}: not enough memory to decode it") from None
    except _BOMBS as error:
        raise InputError(f"{printable(path)}: too large a picture: {error}") from None
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        raise InputError(f"{printable(path)}: not a readable image: {_reason(error)}") from None
    grey = bool((pixels == pixels[..., :1]).all())
    aside = is_set_aside(content_digest(pixels))
    return hashlib.sha256(content).digest(), Decoded(fitted, grey, aside)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # its text has an address in memory
        return "it is in no format that is read"
    return " ".join(str(error).split()) or type(error).__name__

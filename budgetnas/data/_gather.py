"""From files to one array of images: each file is read and hashed, what is new is decoded.

In memory are the array of the images that are wanted, and a chunk of others. Pictures of more
than 8 bits are decoded twice: which value is white is known once all have been seen.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from budgetnas.data._cache import Decoded, ImageCache
from budgetnas.data._decode import Pixels, bombs_refused
from budgetnas.data._listing import access, require_file
from budgetnas.data._picture import empty_images, fit_one, is_grey, read_digested, to_channels
from budgetnas.data._source import (
    KINDS,
    Depth,
    ImageFormat,
    Progress,
    View,
    decide_depth,
    depth_problem,
)
from budgetnas.errors import InputError
from budgetnas.files import write_atomic
from budgetnas.spec import printable

CHUNK = 250
"""Images at once; fewer if they are large."""
CHUNK_BYTES = 2**26
BATCH = 25

MOST_NAMES = 5
"""Files that a message names."""

UNREADABLE = "unreadable.txt"
"""The file of a study or a run that lists what was left out, a line each: path, and why."""

_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Gathered:
    """The wanted images of a list of files."""

    images: Pixels
    """[k, size, size, channels]."""
    places: list[int]
    """Where in the list each of them is."""
    depth: Depth | None
    """How pictures of more than 8 bits became 8; None if there was none."""
    notices: tuple[str, ...]
    """What became of transparent pictures, and of those of more than 8 bits."""
    unreadable: dict[int, str]
    """Unreadable files: their indices in the list, and what is wrong with each."""


def gather(
    paths: Sequence[Path],
    view: View,
    wanted: Callable[[Decoded], bool],
    like: ImageFormat | None,
    progress: Progress,
    skip_unreadable: bool = False,
) -> Gathered:
    """Read images, decoding those that the cache does not have.

    Args:
        paths: The files.
        view: How pictures are brought to their images.
        wanted: Which images to return.
        like: Their format; None to detect it: grey only if every wanted image is.
        progress: Receives the number of images read, and how many of them were in the cache.
        skip_unreadable: Whether to continue without unreadable files.

    Raises:
        InputError: With all files that can't be read.
    """
    stack = _Stack(len(paths), view.size, like.channels if like else None)
    facts: list[Decoded] = []
    places: list[int] = []
    unreadable: dict[int, str] = {}
    with bombs_refused(), ImageCache(view) as cache, _threads() as threads:
        reader = _Reader(view, cache, threads, progress)
        for place, image in reader.read(range(len(paths)), paths, None):
            if isinstance(image, InputError):
                unreadable[place] = str(image)
            elif wanted(image):
                if like and image.kind and (problem := depth_problem(image.kind, like.depth)):
                    unreadable[place] = f"{printable(paths[place])}: {problem}"
                    continue
                stack.push(image)
                facts.append(replace(image, pixels=None))
                places.append(place)
        if not skip_unreadable:
            raise_unreadable(list(unreadable.values()))
        names = (printable(paths[place]) for place in places)
        held = ((n, i.kind, i.peak) for n, i in zip(names, facts, strict=True))
        depth = like.depth if like else decide_depth(held)
        deep = [row for row, image in enumerate(facts) if image.kind is not None]
        for row, image in reader.read(deep, [paths[places[row]] for row in deep], depth):
            if isinstance(image, InputError):
                raise image
            stack.put(row, image)
    notices = tuple(_notices(facts, depth, view))
    return Gathered(stack.images, places, depth, notices, unreadable)


def _notices(facts: list[Decoded], depth: Depth | None, view: View) -> Iterator[str]:
    """Return notices of images that are not plain colour of 8 bits."""
    deep = [image for image in facts if image.kind is not None]
    if deep and depth:
        peak = max(image.peak for image in deep)
        yield (
            f"{len(deep):,} of {len(facts):,} pictures hold {KINDS[depth.kind]} of more than 8 "
            f"bits, up to {peak:,.6g}: {depth.white:,.6g} is white"
        )
    if transparent := sum(image.transparent for image in facts):
        yield (
            f"{transparent:,} of {len(facts):,} pictures are transparent: composed on "
            f"{view.background} (--background takes another colour)"
        )


class _Stack:
    """Images in one array, which is grey until a colour image comes unless that is known."""

    def __init__(self, room: int, size: int, channels: int | None) -> None:
        self._rows: Pixels = empty_images(room, size, channels or 1)
        self._fixed = channels is not None
        self._filled = 0

    def push(self, image: Decoded) -> None:
        """Add an image, or make room for one whose pixels are not known yet."""
        if not self._fixed and not image.grey:
            self._widen()
        self._filled += 1
        self.put(self._filled - 1, image)

    def put(self, row: int, image: Decoded) -> None:
        if image.pixels is None:
            return
        channels = self._rows.shape[-1]
        grey = image.grey and channels == 1
        self._rows[row] = image.pixels[..., :1] if grey else to_channels(image.pixels, channels)

    @property
    def images(self) -> Pixels:
        return self._rows[: self._filled]

    def _widen(self) -> None:
        colour: Pixels = empty_images(len(self._rows), self._rows.shape[1], 3)
        colour[: self._filled] = self.images
        self._rows, self._fixed = colour, True


@dataclass
class _Reader:
    """Reads files in chunks, in parallel, through the cache."""

    view: View
    cache: ImageCache
    threads: ThreadPoolExecutor
    progress: Progress

    def read(
        self, numbers: Sequence[int], paths: Sequence[Path], depth: Depth | None
    ) -> Iterator[tuple[int, Decoded | InputError]]:
        """Yield images, each with its number, or what is wrong with it.

        Without `depth`, that of pictures of more than 8 bits is still to be decided.
        """
        decoded = 0
        step = max(os.cpu_count() or 1, min(CHUNK, CHUNK_BYTES // (self.view.size**2 * 3)))
        for start in range(0, len(paths), step):
            chunk = paths[start : start + step]
            images, new = self._read_chunk(chunk, depth)
            yield from zip(numbers[start : start + step], images, strict=True)
            done, decoded = start + len(chunk), decoded + new
            what = f"reading images ({done - decoded:,} from the cache, {decoded:,} decoded)"
            self.progress(what, done, len(paths))

    def _read_chunk(
        self, paths: Sequence[Path], depth: Depth | None
    ) -> tuple[list[Decoded | InputError], int]:
        """Read some files, in order; also return how many of them had to be decoded."""
        # a thread hashes many: most files are read in less time than a thread takes to be given
        # one
        batches = (paths[start : start + BATCH] for start in range(0, len(paths), BATCH))
        digests = [each for some in self.threads.map(_digests, batches) for each in some]
        read = [each if isinstance(each, InputError) else None for each in digests]
        keys = [self.cache.key(each, depth) for each in digests if isinstance(each, bytes)]
        found = self.cache.find(keys)
        waiting = iter(keys)
        images = [each or found.get(next(waiting)) for each in read]
        missing = [path for path, image in zip(paths, images, strict=True) if image is None]
        fresh = list(self.threads.map(lambda path: _decode(path, self.view, depth), missing))
        # A file may have changed since it was hashed: its key is that of the decoded bytes.
        new = [each for each in fresh if not isinstance(each, InputError)]
        self.cache.add({self.cache.key(digest, depth): image for digest, image in new})
        decoded = (each if isinstance(each, InputError) else each[1] for each in fresh)
        return [next(decoded) if image is None else image for image in images], len(missing)


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Start threads: files are read, hashed and decoded without the interpreter's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        try:
            yield threads
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def _digests(paths: Sequence[Path]) -> list[bytes | InputError]:
    """Return a digest of each file's content, or what is wrong with it."""
    contents = map(_content, paths)
    return [c if isinstance(c, InputError) else hashlib.sha256(c).digest() for c in contents]


def _content(path: Path) -> bytes | InputError:
    try:
        with access(path):
            require_file(path)  # reading a pipe would wait for ever
            return path.read_bytes()
    except InputError as error:
        return error


def _decode(path: Path, view: View, depth: Depth | None) -> tuple[bytes, Decoded] | InputError:
    """Decode an image and fit it to a size; also return the digest of its file.

    What is wrong with a file is returned, not raised: there may be more of them.
    """
    content = _content(path)
    if isinstance(content, InputError):
        return content
    try:
        picture, digest = read_digested(content, view.size)
        pixels = picture.colour(depth or picture.own_depth(), view.colour)
        fitted = fit_one(pixels, view).copy()  # else a crop holds all that it was cropped from
    except MemoryError:
        raise MemoryError(f"{printable(path)}: not enough memory to decode it") from None
    except _BOMBS as error:
        return InputError(f"{printable(path)}: too large a picture: {error}")
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        return InputError(f"{printable(path)}: not a readable image: {reason}")
    return hashlib.sha256(content).digest(), Decoded(
        pixels=fitted if picture.kind is None or depth else None,
        grey=is_grey(pixels) and is_grey(fitted),
        transparent=picture.alpha is not None,
        kind=picture.kind,
        peak=picture.peak if picture.kind else 255.0,
        digest=digest,
    )


def decoded_file(path: Path, view: View, depth: Depth | None) -> Pixels:
    """Make the image [size, size, 3] of a picture's file that training makes of it."""
    with access(path), bombs_refused():
        read = _decode(path, view, depth)
    if isinstance(read, InputError):
        raise read
    _, decoded = read
    if decoded.pixels is None:
        assert decoded.kind is not None, "of a picture of 8 bits there are pixels"
        raise InputError(f"{printable(path)}: {depth_problem(decoded.kind, depth)}")
    return decoded.pixels


def raise_unreadable(problems: Sequence[str]) -> None:
    """Raise one error for all unreadable files, given as path and what is wrong with each."""
    if len(problems) == 1:
        raise InputError(f"{problems[0]} (--skip-unreadable leaves it out)")
    if problems:
        more = len(problems) - MOST_NAMES
        raise InputError(
            f"{len(problems):,} images can't be read (--skip-unreadable leaves them out): "
            f"{'; '.join([*problems[:MOST_NAMES], *[f'and {more:,} more'] * (more > 0)])}"
        )


def unreadable_notice(problems: Sequence[str], images: int) -> str:
    """Return one line that counts the files that were left out."""
    return (
        f"{len(problems):,} of {images:,} images can't be read: left out and listed in "
        f"{UNREADABLE}, first {problems[0]}"
    )


def write_unreadable(folder: Path, problems: Sequence[str]) -> None:
    """Write the list into the folder of a study or a run, or remove an old one."""
    path = folder / UNREADABLE
    if problems:
        write_atomic(path, "".join(f"{problem}\n" for problem in problems))
    else:
        path.unlink(missing_ok=True)

"""Opening the files of pictures, for training and for use alike.

Files are data: no format is read that Pillow hands to another program, and nothing is decoded that
is larger than Pillow's limit (`PIL.Image.MAX_IMAGE_PIXELS`). JPEG and JPEG 2000 can be decoded at
a half, a quarter or an eighth of their size: JPEG 2000 is if that brings it within the limit, JPEG
is wherever its short side then still has 4 times the pixels that are wanted, and 512.
"""

import hashlib
import platform
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from io import BytesIO

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image, Jpeg2KImagePlugin, JpegImagePlugin, UnidentifiedImageError, features

from budgetnas.data._source import SET_ASIDE_SHARE

Pixels = npt.NDArray[np.uint8]

_RUN_PROGRAMS = {"EPS"}
"""Formats that Pillow reads by running a program (Ghostscript) on the file."""

_VERSION = 2
"""To be raised with every change of the pixels or the digest that a file gets: in this module, in
`picture`."""

_LOSSY = ("jpg", "jpg_2000", "libtiff", "webp", "avif")
"""Codecs whose next version may round differently."""

TIMES = 4
"""A JPEG decoded at reduced scale has at least N times the trained side."""

LEAST = 512
"""Pixels that its short side keeps in any case: the scale that digests are made at."""

REDUCED = 8
"""Times that a side can be made smaller in decoding."""

PROGRESSIVE = 2
"""Times the limit that a progressive JPEG may have: its coefficients are in memory in full."""


@cache
def formats() -> tuple[str, ...]:
    """List the formats that are read, in the order in which Pillow tries them."""
    Image.init()
    return tuple(kind for kind in Image.ID if kind not in _RUN_PROGRAMS)


def readable_suffixes() -> set[str]:
    """Suffixes of the formats that are read; a file without one is also tried."""
    known = Image.registered_extensions()
    return {"", *(suffix for suffix, kind in known.items() if kind in formats())}


@cache
def decoder() -> str:
    """Name all that decides on the pixels decoded from given bytes."""
    codecs = ", ".join(f"{name} {features.version(name)}" for name in _LOSSY)
    return f"{_VERSION}: Pillow {PIL.__version__} on {platform.machine()}, {codecs}"


@contextmanager
def bombs_refused() -> Iterator[None]:
    """Make Pillow raise where it only warns: for an image above its limit. Warn of nothing else.

    Warnings belong to the process, so it is to be entered before the threads that decode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def open_picture(content: bytes, size: int) -> Image.Image:
    """Open the content of a picture's file, to be decoded at the scale that its image needs.

    Args:
        content: All of the file.
        size: Side of the image in pixels; 0 for a scale that depends on no image.

    Raises:
        UnidentifiedImageError: If it is in no format that is read.
        DecompressionBombError: If it is above Pillow's limit at every scale.
    """
    picture = _open_file(content)
    area = picture.width * picture.height
    limit = Image.MAX_IMAGE_PIXELS or area
    most = limit
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        most *= PROGRESSIVE if picture.info.get("progressive") else REDUCED**2
        times = _times(picture.size, max(LEAST, TIMES * size), limit)
        if times > 1 and area <= most:
            picture.draft(None, (picture.width // times, picture.height // times))
    elif isinstance(picture, Jpeg2KImagePlugin.Jpeg2KImageFile):
        most *= REDUCED**2
        picture.reduce = _times(picture.size, max(picture.size), limit).bit_length() - 1
    if area > most:
        raise Image.DecompressionBombError(
            f"it has {picture.width:,} x {picture.height:,} pixels, at most {most:,} in all are "
            "decoded: save it smaller, or as baseline JPEG, which is decoded at reduced scale"
        )
    return picture


def _open_file(content: bytes) -> Image.Image:
    """Do as `Image.open`, which refuses by its size what can be decoded at a reduced scale."""
    for kind in formats():
        factory, accept = Image.OPEN[kind]
        with suppress(SyntaxError, IndexError, TypeError, struct.error):
            accepted = accept(content[:16]) if accept else True
            if accepted and not isinstance(accepted, str):
                return factory(BytesIO(content), "")
    raise UnidentifiedImageError("it is in no format that is read")


def _times(size: tuple[int, int], least: int, limit: int) -> int:
    """Return how many times smaller to decode: least pixels stay, and the limit is kept."""
    times = max((n for n in (1, 2, 4, 8) if min(size) // n >= least), default=1)
    while times < REDUCED and size[0] * size[1] > limit * times**2:
        times *= 2
    return times


def content_digest(image: npt.NDArray[np.uint8]) -> bytes:
    """Identify a decoded image [h, w, c] by its pixels, grey or colour alike."""
    colour = np.broadcast_to(image, (*image.shape[:2], 3))
    digest = hashlib.sha256(repr(colour.shape).encode())
    digest.update(np.ascontiguousarray(colour).tobytes())
    return digest.digest()


def is_set_aside(digest: bytes) -> bool:
    """Return whether the image with this content digest belongs to the test part.

    What it returns is cached: raise `_VERSION` with any change. It depends on the image alone, so
    copies stay on one side, renaming changes nothing and added images move no other.
    """
    return int.from_bytes(digest[:8], "big") % SET_ASIDE_SHARE == 0

"""Decoding pictures, for training and for use alike.

Files are data: no format is read that Pillow hands to another program, and nothing is decoded
that is larger than Pillow's limit (`PIL.Image.MAX_IMAGE_PIXELS`).
"""

import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image, ImageOps, features

Pixels = npt.NDArray[np.uint8]
_LUMA = np.array([0.299, 0.587, 0.114])
_SIXTEEN_BITS = 2**16 - 1

_RUN_PROGRAMS = {"EPS"}
"""Formats that Pillow reads by running a program (Ghostscript) on the file."""

_VERSION = 1
"""To be raised with every change of what this module, `fit_one` or `is_set_aside` returns."""

_LOSSY = ("jpg", "jpg_2000", "libtiff", "webp", "avif")
"""Codecs whose next version may round differently."""


@cache
def formats() -> tuple[str, ...]:
    """List the formats that are read, in the order in which Pillow tries them."""
    Image.init()
    return tuple(kind for kind in Image.ID if kind not in _RUN_PROGRAMS)


def readable_suffixes() -> set[str]:
    """Suffixes of the formats that are read; none at all is tried, too."""
    known = Image.registered_extensions()
    return {"", *(suffix for suffix, kind in known.items() if kind in formats())}


@cache
def decoder() -> str:
    """Name all that decides on the pixels decoded from given bytes."""
    codecs = ", ".join(f"{name} {features.version(name)}" for name in _LOSSY)
    return f"{_VERSION}: Pillow {PIL.__version__} on {platform.machine()}, {codecs}"


@contextmanager
def bombs_refused() -> Iterator[None]:
    """Make Pillow refuse what it only warns of: a picture above its limit. Warn of nothing else.

    Warnings belong to the process, so it is to be entered before the threads that decode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode(content: bytes) -> Pixels:
    """Decode the content of a picture's file as colour [h, w, 3]."""
    with Image.open(BytesIO(content), formats=formats()) as opened:
        return to_colour(opened)


def to_colour(picture: Image.Image) -> Pixels:
    """Decode a picture of any mode as colour [h, w, 3]: upright, without its alpha."""
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
        deep = np.asarray(upright).clip(0, _SIXTEEN_BITS)
        upright = Image.fromarray((deep >> 8).astype(np.uint8))
    return np.asarray(upright.convert("RGB"))


def to_channels(images: Pixels, channels: int) -> Pixels:
    """Bring colour images [..., 3] to grey [..., 1] if one channel is wanted.

    Of a grey pixel the grey is the pixel itself.
    """
    if channels == 3:
        return images
    grey: Pixels = np.rint(images @ _LUMA).astype(np.uint8)[..., None]
    return grey

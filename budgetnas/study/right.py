"""Which validation images a training was right about, as a trial's storage keeps it."""

import base64
import binascii
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Bools: TypeAlias = NDArray[np.bool_]

RIGHT = "right"
"""The attribute of a trial that has it."""


def packed(right: Bools) -> str:
    """Write one bit an image as base64: by class, in each in the order of validation images."""
    return base64.b64encode(np.packbits(right).tobytes()).decode("ascii")


def unpacked(text: object, images: int) -> Bools | None:
    """Read what `packed` wrote: [images]; None if it is nothing of that kind or length.

    It only makes a comparison sharper: without it, or if it is damaged, a wider bound holds.
    """
    if not isinstance(text, str):
        return None
    try:
        bits = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except (binascii.Error, ValueError):
        return None
    if len(bits) != (images + 7) // 8:
        return None
    return np.unpackbits(bits, count=images).astype(bool)

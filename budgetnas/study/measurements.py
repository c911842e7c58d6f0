"""What a trial's attributes say of its epochs, and of which validation images were correct."""

import base64
import binascii
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Bools: TypeAlias = NDArray[np.bool_]

CURVES = (
    "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_balanced_accuracy",
)  # fmt: skip
"""What is kept of every epoch, in the attribute `curves`."""
KEPT = ("val_accuracy", "val_balanced_accuracy", "val_loss")
"""Attributes with the measurements of the epoch that counts."""
CORRECT = "right"
"""The attribute with the validation images that were classified correctly."""


def pack(correct: Bools) -> str:
    """Write one bit an image as base64: by class, in each in the order of validation images."""
    return base64.b64encode(np.packbits(correct).tobytes()).decode("ascii")


def unpack(text: object, images: int) -> Bools | None:
    """Read what `pack` wrote: [images]; None if it is nothing of that kind or length.

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

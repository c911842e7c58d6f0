"""What a trial's attributes say of its epochs, and of which validation images were correct."""

import base64
import binascii
from typing import TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

Bools: TypeAlias = NDArray[np.bool_]

CURVES = (
    "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_balanced_accuracy",
)  # fmt: skip
"""What is kept of every epoch, in the attribute `curves`."""
CORRECT = "right"
"""The attribute with the validation images that were classified correctly."""


class Measurements(TypedDict, total=False):
    """What a training measured, as it is stored: fractions are in [0, 1]."""

    val_accuracy: float
    val_balanced_accuracy: float
    val_loss: float
    epochs: int
    selected_epoch: int
    """The epoch that the three are of, from 1."""
    curves: dict[str, list[float]]
    """Each epoch's, under the names in `CURVES`."""
    right: str
    """Which validation images were correct, from `pack`."""
    confusion: list[list[int]]
    """Validation images [true class, predicted class]."""


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

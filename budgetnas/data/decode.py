"""Decoding pictures, for training and for use alike."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Pixels = npt.NDArray[np.uint8]
_LUMA = np.array([0.299, 0.587, 0.114])
_SIXTEEN_BITS = 2**16 - 1


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

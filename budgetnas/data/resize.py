"""Bringing images to one size: the short side resized, the centre cropped."""

import numpy as np
import numpy.typing as npt
from PIL import Image


def fit(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Bring images [n, h, w, c], with c of 1 or 3, to [n, size, size, c]."""
    if images.shape[1] == size and images.shape[2] == size:
        return images
    return np.stack([fit_one(image, size) for image in images])


def fit_one(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Bring one image [h, w, c], with c of 1 or 3, to [size, size, c].

    Raises:
        ValueError: If it is so long and thin that it would first become too large.
    """
    height, width, channels = image.shape
    if height == size and width == size:
        return image
    picture = Image.fromarray(image[..., 0] if channels == 1 else image)
    scale = size / min(height, width)
    full = (max(size, round(width * scale)), max(size, round(height * scale)))
    if Image.MAX_IMAGE_PIXELS and full[0] * full[1] > Image.MAX_IMAGE_PIXELS:
        raise ValueError(f"{width}x{height} pixels are too thin to be brought to {size}x{size}")
    resized = np.asarray(picture.resize(full, Image.Resampling.BILINEAR))
    top, left = (full[1] - size) // 2, (full[0] - size) // 2
    return resized[top : top + size, left : left + size].reshape(size, size, channels)

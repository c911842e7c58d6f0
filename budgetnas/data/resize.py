"""Bringing images to one size: the short side resized, the centre cropped."""

import os

import numpy as np
import numpy.typing as npt
from PIL import Image

from budgetnas.errors import InputError


def fit(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Bring images [n, h, w, c], with c of 1 or 3, to [n, size, size, c]."""
    if images.shape[1] == size and images.shape[2] == size:
        return images
    fitted = empty_images(len(images), size, images.shape[3])
    for place, image in enumerate(images):
        fitted[place] = fit_one(image, size)
    return fitted


def empty_images(n: int, size: int, channels: int) -> npt.NDArray[np.uint8]:
    """Make room for images [n, size, size, channels]; what is never written takes no memory.

    Raises:
        InputError: If this machine will never have so much memory.
    """
    needed, there = (
        n * size**2 * channels,
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )
    if needed > there:
        raise InputError(
            f"--image-size {size}: {n:,} images must fit into memory, they need "
            f"{needed / 2**30:,.1f} GiB, this machine has {there / 2**30:,.1f} GiB"
        )
    return np.empty((n, size, size, channels), np.uint8)


def fit_one(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Bring one image [h, w, c], with c of 1 or 3, to [size, size, c].

    What it returns is cached: raise `budgetnas.data.decode._VERSION` with any change.

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

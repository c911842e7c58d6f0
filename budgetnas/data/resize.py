"""Bringing images to one size: cropped, padded or squashed."""

import os

import numpy as np
import numpy.typing as npt
from PIL import Image

from budgetnas.data.view import View
from budgetnas.errors import InputError


def fit(images: npt.NDArray[np.uint8], view: View) -> npt.NDArray[np.uint8]:
    """Bring images [n, h, w, c], with c of 1 or 3, to [n, size, size, c]."""
    size = view.size
    if images.shape[1] == size and images.shape[2] == size:
        return images
    fitted = empty_images(len(images), size, images.shape[3])
    for place, image in enumerate(images):
        fitted[place] = fit_one(image, view)
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


def fit_one(image: npt.NDArray[np.uint8], view: View) -> npt.NDArray[np.uint8]:
    """Bring one image [h, w, c], with c of 1 or 3, to [size, size, c].

    What it returns is cached: raise `budgetnas.data.decode._VERSION` with any change.

    Raises:
        ValueError: If it is so long and thin that it would first become too large.
    """
    size = view.size
    height, width, channels = image.shape
    if height == size and width == size:
        return image
    picture = Image.fromarray(image[..., 0] if channels == 1 else image)
    if view.fit == "squash":
        square = picture.resize((size, size), Image.Resampling.BILINEAR)
    else:
        square = _cropped(picture, size) if view.fit == "crop" else _padded(picture, view)
    return np.asarray(square).reshape(size, size, channels)


def _cropped(picture: Image.Image, size: int) -> Image.Image:
    scale = size / min(picture.size)
    width, height = (max(size, round(side * scale)) for side in picture.size)
    if Image.MAX_IMAGE_PIXELS and width * height > Image.MAX_IMAGE_PIXELS:
        raise ValueError(
            f"{picture.width}x{picture.height} pixels are too thin to be cropped to "
            f"{size}x{size}: --fit pad or squash shows all of it"
        )
    left, top = (width - size) // 2, (height - size) // 2
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + size, top + size))


def _padded(picture: Image.Image, view: View) -> Image.Image:
    size = view.size
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    grey = round(sum(c * w for c, w in zip(view.colour, (0.299, 0.587, 0.114), strict=True)))
    square = Image.new(picture.mode, (size, size), grey if picture.mode == "L" else view.colour)
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    square.paste(resized, ((size - width) // 2, (size - height) // 2))
    return square

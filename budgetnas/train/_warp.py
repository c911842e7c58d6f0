"""Turning and shearing of whole batches: every pixel takes the nearest one of where it is from."""

import torch
from torch import Tensor

from budgetnas.data.images import packed_pixels


def rotate(images: Tensor, radians: Tensor) -> Tensor:
    """Turn each image [n, size, size, c] about its centre by its own angle [n], nearest pixel."""
    cos, sin = radians.cos(), radians.sin()
    linear = torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)
    return affine(images, linear, torch.zeros_like(linear[:, 0]))


def affine(images: Tensor, linear: Tensor, shift: Tensor) -> Tensor:
    """Move each image's pixels by its own map from where they go to where they come from.

    Places are (row, column), counted from the image's centre. What comes from outside is black.

    Args:
        images: uint8 [n, size, size, c].
        linear: float32 [n, 2, 2], what a place is multiplied by.
        shift: float32 [n, 2], what is then added, in pixels.
    """
    n, size, _, channels = images.shape
    offsets = torch.arange(size, device=images.device) - (size - 1) / 2
    down, right = offsets[None, :, None], offsets[None, None, :]
    rows, columns = (
        _nearest(linear[:, axis, 0, None, None] * down, linear[:, axis, 1, None, None] * right,
                 shift[:, axis, None, None], size)
        for axis in (0, 1)
    )  # fmt: skip
    inside = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    first = torch.arange(n, device=images.device)[:, None, None] * (size * size) + 1
    index = (first + rows * size + columns) * inside  # outside: the black pixel
    moved = packed_pixels(images).index_select(0, index.view(-1))
    return moved.view(n, size, size, channels)


def _nearest(down: Tensor, right: Tensor, shift: Tensor, size: int) -> Tensor:
    """Add up the parts of a coordinate, and count it from the image's corner: int64."""
    return (right + down + shift + (size - 1) / 2).round().long()

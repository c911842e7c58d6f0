"""Augmentation of whole batches: pure functions of images and of what was drawn for each.

Images are [n, h, w, c] throughout: that is the channels-last layout, so a batch becomes the
network's [n, c, h, w] by a change of view. Padding and corners are black, as in torchvision.
"""

import math
from collections.abc import Sequence
from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from budgetnas.recipe.images import Augmentation, Crop, Cutout, Flip, Rotate


def augment(
    images: Tensor, steps: Sequence[Augmentation], generator: Generator, mean: Tensor
) -> Tensor:
    """Apply the steps in order, each with its own draw for each image.

    Args:
        images: uint8 [n, h, w, c], square.
        steps: The recipe's augmentation.
        generator: On the images' device.
        mean: uint8 [c], what cutout blanks with.

    Returns:
        uint8 [n, h, w, c].
    """
    n, size = images.shape[0], images.shape[1]

    def integers(low: int, high: int) -> Tensor:
        return torch.randint(low, high + 1, (n,), generator=generator, device=images.device)

    for step in steps:
        match step:
            case Crop(padding=given):
                padding = crop_padding(given, size)
                down, right = integers(-padding, padding), integers(-padding, padding)
                images = shift(images, down, right)
            case Flip():
                images = flip(images, integers(0, 1).bool())
            case Rotate(degrees=degrees):
                share = torch.rand(n, generator=generator, device=images.device)
                images = rotate(images, (2 * share - 1) * math.radians(degrees))
            case Cutout(size=given):
                row, column = integers(0, size - 1), integers(0, size - 1)
                images = cutout(images, row, column, cutout_size(given, size), mean)
            case _:
                assert_never(step)
    return images


def shift(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Move each image's content by its own offset; what comes in from outside is black.

    Padding by p and cropping at random is a shift by offsets in [-p, p].

    Args:
        images: [n, h, w, c].
        down, right: Whole pixels, [n].
    """
    n, height, width, _ = images.shape
    rows = torch.arange(height, device=images.device) - down[:, None]
    columns = torch.arange(width, device=images.device) - right[:, None]
    inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None, :]
    moved = images[
        torch.arange(n, device=images.device)[:, None, None],
        rows.clamp(0, height - 1)[:, :, None],
        columns.clamp(0, width - 1)[:, None, :],
    ]
    return moved * inside[..., None]


def _within(index: Tensor, size: int) -> Tensor:
    return (index >= 0) & (index < size)


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror left and right the images [n, h, w, c] for which `mirrored` [n] is true."""
    return torch.where(mirrored[:, None, None, None], images.flip(2), images)


def rotate(images: Tensor, radians: Tensor) -> Tensor:
    """Turn each image [n, h, w, c] about its centre by its own angle [n], nearest pixel."""
    cos, sin, zero = radians.cos(), radians.sin(), torch.zeros_like(radians)
    turn = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)
    channels_first = images.permute(0, 3, 1, 2).float()
    grid = F.affine_grid(turn, list(channels_first.shape), align_corners=False)
    turned = F.grid_sample(channels_first, grid, mode="nearest", align_corners=False)
    return turned.permute(0, 2, 3, 1).to(images.dtype)


def cutout(images: Tensor, row: Tensor, column: Tensor, size: int, mean: Tensor) -> Tensor:
    """Blank a square around each image's own centre; it may reach over the border.

    Args:
        images: [n, h, w, c].
        row, column: The squares' centres, [n].
        size: The squares' side.
        mean: What to blank with, [c].
    """
    _, height, width, _ = images.shape
    top, left = row[:, None] - size // 2, column[:, None] - size // 2
    rows = _within(torch.arange(height, device=images.device) - top, size)
    columns = _within(torch.arange(width, device=images.device) - left, size)
    blank = rows[:, :, None] & columns[:, None, :]
    return torch.where(blank[..., None], mean.to(images.dtype), images)


def crop_padding(given: int | None, size: int) -> int:
    """Pixels of padding for images of this side: an eighth, unless the recipe says."""
    return max(1, size // 8) if given is None else given


def cutout_size(given: int | None, size: int) -> int:
    """Side of the blanked square for images of this side: a half, unless the recipe says."""
    return max(1, size // 2) if given is None else given

"""Rotation, and TrivialAugment (Mueller and Hutter, 2021), of whole batches: computed pixels.

There are three stages: blends make colour, contrast, brightness and sharpness; a table of 256
levels for each channel does all that depends on a level alone; one gather does all that moves
pixels. A stage leaves images with another operation unchanged, so that all can pass through all
of them: to pick those that it concerns, the host would have to wait for the device.
"""

import math

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


OPERATIONS = (
    "identity", "auto contrast", "equalize", "rotate", "solarize", "color", "posterize",
    "contrast", "brightness", "sharpness", "shear x", "shear y", "translate x", "translate y",
)  # fmt: skip
"""The paper's, in the order of its table."""

STRONGEST = 30
"""Strengths are 0 to 30, of which 30 is each operation's end of the "wide" space."""

_GREY = (0.2989, 0.587, 0.114)
"""How bright red, green and blue look (ITU-R BT.601)."""


def trivial_augment(
    images: Tensor, operation: Tensor, strength: Tensor, back: Tensor, *, whole: bool = True
) -> Tensor:
    """Do to each image its own operation, of the paper's "wide" space.

    Rotations reach 135 degrees, shears 0.99 pixels a pixel, translations the image's side (the
    paper's 32 pixels, at 32); blends have factors from 0.01 to 2, posterised images 2 to 8 bits.
    Below 16 pixels a side nothing is equalised: there are fewer pixels than levels.

    Args:
        images: uint8 [n, size, size, c], grey or colour.
        operation: int64 [n], indices into `OPERATIONS`.
        strength: int64 [n] in [0, `STRONGEST`].
        back: bool [n], whether a movement goes the other way.
        whole: Let all images pass through all stages, which reads nothing back; else only those
            that a stage concerns, which is the same, and 3 times as fast on a CPU.

    Returns:
        uint8 [n, size, size, c].
    """
    for names, stage in _STAGES:
        if whole:
            images = stage(images, operation, strength, back)
            continue
        concerned = _is(operation, *names).nonzero().squeeze(1)
        some = (each.index_select(0, concerned) for each in (images, operation, strength, back))
        images = images.index_copy(0, concerned, stage(*some))
    return images


def _is(operation: Tensor, *names: str) -> Tensor:
    """Return which images have one of these operations: bool [n]."""
    several = [operation == OPERATIONS.index(name) for name in names]
    return torch.stack(several).any(0) if len(several) > 1 else several[0]


def _blended(images: Tensor, operation: Tensor, strength: Tensor, _: Tensor) -> Tensor:
    """Go away from a plainer image by a factor: 0 is the plainer image, 1 the image itself."""
    values = images.float()
    grey = _grey(values)
    towards = (1 - (0.01 + 1.99 * strength / STRONGEST))[:, None, None, None]
    is_ = {name: _is(operation, name)[:, None, None, None] for name in _BLENDS}
    plain = torch.where(is_["color"], grey, grey.mean((1, 2, 3), keepdim=True) * is_["contrast"])
    plainer = is_["contrast"] | is_["color"] | is_["brightness"]
    _smooth(values, towards * is_["sharpness"])
    values.lerp_(plain, towards * plainer)
    return values.clamp_(0, 255).to(torch.uint8)


def _grey(values: Tensor) -> Tensor:
    """Return the brightness of pixels, in whole levels: float32 [n, size, size, 1]."""
    if values.shape[3] != len(_GREY):
        return values.mean(3, keepdim=True).floor_()
    red, green, blue = values.unbind(3)
    brightness = (red * _GREY[0]).add_(green, alpha=_GREY[1]).add_(blue, alpha=_GREY[2])
    return brightness.floor_().unsqueeze(3)


def _smooth(values: Tensor, towards: Tensor) -> None:
    """Blend pixels, in place, with the mean of themselves, 5 times, and their 8 neighbours.

    Those on the edge stay.
    """
    rows = values[:, :-2] + values[:, 1:-1] + values[:, 2:]
    nine = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    inner = values[:, 1:-1, 1:-1]
    inner.lerp_(nine.add_(inner, alpha=4).div_(13).round_(), towards)


def _looked_up(images: Tensor, operation: Tensor, strength: Tensor, _: Tensor) -> Tensor:
    n, size, channels = len(images), images.shape[1], images.shape[3]
    pixels = images.view(n, size * size, channels)
    levels = torch.arange(256, dtype=torch.int32, device=images.device)[None, :, None]
    is_ = {name: _is(operation, name)[:, None, None] for name in _TABLES}
    strength = strength.int()[:, None, None]
    threshold, dropped = 256 - _scaled(strength, 256), 6 - _scaled(strength, 6)
    low, high = (
        level.int() for level in (pixels.amin(1, keepdim=True), pixels.amax(1, keepdim=True))
    )
    pixels = pixels.long()
    table = torch.where(is_["solarize"] & (levels >= threshold), 255 - levels, levels)
    table = torch.where(is_["posterize"], levels >> dropped << dropped, table)
    table = torch.where(is_["auto contrast"], _stretched(levels, low, high), table)
    if size * size > 255:
        table = torch.where(is_["equalize"], _equalized(levels, pixels, high), table)
    return table.expand(n, 256, channels).to(torch.uint8).gather(1, pixels).view(images.shape)


def _stretched(levels: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Stretch the levels between low and high [n, 1, c] over all there are: int32 [n, 256, c]."""
    wide = (levels - low) * 255 / (high - low).clamp(min=1)
    return torch.where(high > low, wide.clamp_(0, 255).int(), levels)


def _equalized(levels: Tensor, pixels: Tensor, high: Tensor) -> Tensor:
    """Make each level about as frequent as every other, as Pillow does: int32 [n, 256, c]."""
    n, count, channels = pixels.shape
    histogram = levels.new_zeros(n, 256, channels)
    histogram.scatter_add_(1, pixels, levels.new_ones(1).expand(pixels.shape))
    step = (count - histogram.gather(1, high.long())) // 255  # pixels that share a new level
    below = histogram.cumsum(1, dtype=torch.int32) - histogram
    even = (below + step // 2) / step.clamp(min=1)
    return torch.where(step > 0, even.clamp_(max=255).int(), levels)


def _moved(images: Tensor, operation: Tensor, strength: Tensor, back: Tensor) -> Tensor:
    """Rotate about the centre, shear from the upper left corner, or translate."""
    size, sign = images.shape[1], 1 - 2 * back.long()
    share = sign * strength / STRONGEST
    is_ = {name: _is(operation, name) for name in _MOVES}
    radians = share * is_["rotate"] * math.radians(135)
    cos, sin = radians.cos(), radians.sin()
    shear_x, shear_y = share * is_["shear x"] * 0.99, share * is_["shear y"] * 0.99
    far = sign * _scaled(strength, size)
    down, right = far * is_["translate y"], far * is_["translate x"]
    rows = torch.stack([cos, sin + shear_y, shear_y * (size / 2) - down], 1)
    columns = torch.stack([shear_x - sin, cos, shear_x * (size / 2) - right], 1)
    both = torch.stack([rows, columns], 1)
    return affine(images, both[:, :, :2], both[:, :, 2])


def _scaled(strength: Tensor, most: int) -> Tensor:
    return strength * most // STRONGEST


_BLENDS = ("color", "contrast", "brightness", "sharpness")
_TABLES = ("auto contrast", "equalize", "solarize", "posterize")
_MOVES = ("rotate", "shear x", "shear y", "translate x", "translate y")
_STAGES = ((_BLENDS, _blended), (_TABLES, _looked_up), (_MOVES, _moved))
"""All but the identity, with the functions that do it."""

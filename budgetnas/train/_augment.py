"""Augmentation of whole batches: what a pixel is to be is settled first, then all are gathered.

A crop, a mirroring and a blanked square only say from where each row and each column of an image
come, so a batch of any of them is one gathering from the packed set (`ImageSet.packed`), whose
first pixel is black, for what lies outside of an image, and whose last is blank, for what
cutout covers. Nothing is masked, and nothing is read back by the host.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, assert_never

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from budgetnas.data.images import packed_pixels
from budgetnas.recipe import Augmentation, Crop, Cutout, Flip, Rotate, TrivialAugment
from budgetnas.train._trivial import OPERATIONS, STRONGEST, rotate, trivial_augment

_OUTSIDE = -(2**40)
"""A row or column outside of the image: any index with it is negative."""

_BLANK = 2**60
"""An offset that makes any index too large."""


@dataclass(frozen=True)
class Draws:
    """Where the chances of a training come from."""

    generator: Generator
    """On the images' device."""
    mirrored: Tensor | None = None
    """bool [n of the set]: which images an alternating flip mirrors in this epoch."""

    def integers(self, n: int, low: int, high: int) -> Tensor:
        """Draw int64 [n] in [low, high]."""
        generator = self.generator
        return torch.randint(low, high + 1, (n,), generator=generator, device=generator.device)

    def shares(self, n: int) -> Tensor:
        """Draw float32 [n] in [0, 1)."""
        return torch.rand(n, generator=self.generator, device=self.generator.device)


def augment(
    pixels: Tensor,
    size: int,
    chosen: Tensor,
    steps: Sequence[Augmentation],
    draws: Draws,
    blank: Tensor,
) -> Tensor:
    """Gather images and apply the steps in order, each with its own draw for each image.

    Args:
        pixels: uint8 [1 + images * size * size + 1, c], a packed set; its last pixel is
            overwritten where something is blanked.
        size: The images' side.
        chosen: int64 [n], which images.
        steps: The recipe's augmentation.
        draws: On the images' device.
        blank: uint8 [c], what cutout blanks with.

    Returns:
        uint8 [n, size, size, c].
    """
    n = len(chosen)
    view = View.whole(chosen, size)
    for step in steps:
        match step:
            case Crop(padding=given):
                reach = crop_padding(given, size)
                down, right = draws.integers(n, -reach, reach), draws.integers(n, -reach, reach)
                view = view.shifted(down, right, reach)
            case Flip(alternate=True):
                assert draws.mirrored is not None, "the engine says which"
                view = view.mirrored(draws.mirrored.index_select(0, chosen))
            case Flip():
                view = view.mirrored(draws.integers(n, 0, 1).bool())
            case Rotate(degrees=degrees):
                radians = (2 * draws.shares(n) - 1) * math.radians(degrees)
                pixels, view = _begun_again(rotate(view.gather(pixels, blank), radians))
            case TrivialAugment():
                pixels, view = _begun_again(_trivial(view.gather(pixels, blank), draws))
            case Cutout(size=given):
                row, column = draws.integers(n, 0, size - 1), draws.integers(n, 0, size - 1)
                view = view.cut(row, column, cutout_size(given, size))
            case _:
                assert_never(step)
    return view.gather(pixels, blank)


@dataclass(frozen=True)
class View:
    """From where each pixel of a batch comes, without moving any."""

    first: Tensor
    """int64 [n]: the places of the images' first pixels in the packed set."""
    rows: Tensor
    """int64 [n, size]: from which row of its image each row comes."""
    columns: Tensor
    """int64 [n, size]: the same for columns."""
    cuts: tuple[tuple[Tensor, Tensor], ...] = ()
    """Blanked squares, as int64 [n, size] of rows, `_BLANK` or 0, and of columns, 1 or 0."""

    @classmethod
    def whole(cls, chosen: Tensor, size: int) -> Self:
        """View these images of a packed set, unchanged."""
        places = torch.arange(size, device=chosen.device).expand(len(chosen), -1)
        return cls(chosen * (size * size) + 1, places, places)

    def shifted(self, down: Tensor, right: Tensor, reach: int) -> Self:
        """Move each image's content by whole pixels [n], at most `reach`; what comes in is black.

        Padding by p and cropping at random is a shift by offsets in [-p, p].
        """
        cuts = tuple(
            (_moved(rows, down, reach, 0), _moved(columns, right, reach, 0))
            for rows, columns in self.cuts
        )
        return type(self)(
            self.first,
            _moved(self.rows, down, reach, _OUTSIDE),
            _moved(self.columns, right, reach, _OUTSIDE),
            cuts,
        )

    def mirrored(self, which: Tensor) -> Self:
        """Mirror left and right the images for which `which` [n] is true."""
        cuts = tuple((rows, _mirrored(columns, which)) for rows, columns in self.cuts)
        return type(self)(self.first, self.rows, _mirrored(self.columns, which), cuts)

    def cut(self, row: Tensor, column: Tensor, side: int) -> Self:
        """Blank a square of this side around each image's own centre [n], over the border too."""
        size = self.rows.shape[1]
        new = (_covered(row, size, side) * _BLANK, _covered(column, size, side))
        return type(self)(self.first, self.rows, self.columns, (*self.cuts, new))

    def gather(self, pixels: Tensor, blank: Tensor) -> Tensor:
        """Gather the batch, uint8 [n, size, size, c], from the packed set that it is a view of."""
        size = self.rows.shape[1]
        index = (self.first[:, None] + self.rows * size)[:, :, None] + self.columns[:, None, :]
        for rows, columns in self.cuts:
            index.addcmul_(rows[:, :, None], columns[:, None, :])
        if self.cuts:
            pixels[-1].copy_(blank)
        index.clamp_(0, len(pixels) - 1)
        return pixels.index_select(0, index.view(-1)).view(-1, size, size, pixels.shape[1])


def _begun_again(images: Tensor) -> tuple[Tensor, View]:
    """Pack computed images [n, size, size, c], and view them unchanged."""
    every = torch.arange(len(images), device=images.device)
    return packed_pixels(images), View.whole(every, images.shape[1])


def _trivial(images: Tensor, draws: Draws) -> Tensor:
    n = len(images)
    operation, strength = (
        draws.integers(n, 0, len(OPERATIONS) - 1),
        draws.integers(n, 0, STRONGEST),
    )
    back = draws.integers(n, 0, 1).bool()
    on_cpu = images.device.type == "cpu"  # where there is no device to wait for
    return trivial_augment(images, operation, strength, back, whole=not on_cpu)


def _moved(values: Tensor, by: Tensor, reach: int, fill: int) -> Tensor:
    """Move each row of [n, size] by its own number of places; `fill` comes in."""
    padded = F.pad(values, (reach, reach), value=fill)
    places = torch.arange(reach, reach + values.shape[1], device=values.device)
    return padded.gather(1, places - by[:, None])


def _mirrored(values: Tensor, which: Tensor) -> Tensor:
    return torch.where(which[:, None], values.flip(1), values)


def _covered(centre: Tensor, size: int, side: int) -> Tensor:
    """Return which of `size` positions a square covers: int64 [n, size], 1 or 0."""
    places = torch.arange(size, device=centre.device) - (centre[:, None] - side // 2)
    return ((places >= 0) & (places < side)).long()


def crop_padding(given: int | None, size: int) -> int:
    """Pixels of padding for images of this side: an eighth, unless the recipe says."""
    return max(1, size // 8) if given is None else given


def cutout_size(given: int | None, size: int) -> int:
    """Side of the blanked square for images of this side: a half, unless the recipe says."""
    return max(1, size // 2) if given is None else given

"""Augmentation of whole batches, and mixing them: mixup and CutMix.

What a pixel is to be is settled first, then all are gathered.

A crop, a mirroring and a blanked square only say from where each row and each column of an image
come, so a batch of any of them is one gathering from the packed set (`ImageSet.packed`), whose
first pixel is black, for what lies outside of an image, and whose last is blank, for what
cutout covers. Nothing is masked, and nothing is read back by the host.

Each image is mixed with the one before it: an epoch's order is drawn, so that is any other. What
is drawn is drawn on the device, a quantile of the Beta distribution by its number in a table.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, assert_never

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import betaincinv
from torch import Generator, Tensor

from budgetnas.data.images import packed_pixels
from budgetnas.recipe import (
    Augmentation,
    Crop,
    CutMix,
    Cutout,
    Flip,
    Mix,
    Mixup,
    Rotate,
    TrivialAugment,
)
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
        rows, columns = _covered(row, side, size).long(), _covered(column, side, size).long()
        new = (rows * _BLANK, columns)
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


def _covered(centre: Tensor, side: int | Tensor, size: int) -> Tensor:
    """Return which of `size` positions a stretch of each image covers: bool [n, size]."""
    places = torch.arange(size, device=centre.device) - (centre - side // 2)[:, None]
    return (places >= 0) & (places < (side if isinstance(side, int) else side[:, None]))


def crop_padding(given: int | None, size: int) -> int:
    """Pixels of padding for images of this side: an eighth, unless the recipe says."""
    return max(1, size // 8) if given is None else given


def cutout_size(given: int | None, size: int) -> int:
    """Side of the blanked square for images of this side: a half, unless the recipe says."""
    return max(1, size // 2) if given is None else given


QUANTILES = 4096


@dataclass(frozen=True)
class Target:
    """What the images of a batch show."""

    labels: Tensor
    """int64 [n]."""
    others: Tensor | None = None
    """int64 [n], the labels of what was mixed in; None where nothing was."""
    share: Tensor | None = None
    """float32 [n], how much of each image shows its own label."""

    def loss(self, logits: Tensor, smoothing: float, weights: Tensor | None = None) -> Tensor:
        """Return the mean cross-entropy of logits [n, classes], the labels' by their shares.

        Args:
            logits: Of the batch.
            smoothing: Share of each target that is spread evenly over the classes.
            weights: float32 [classes], what the loss of each label is multiplied by. The mean is
                over images, not over weights as torch's own: which others are in a batch does not
                change what an image counts, and an epoch's losses add up to the weighted set's.
        """
        if self.others is None or self.share is None:
            if weights is None:
                return F.cross_entropy(logits, self.labels, label_smoothing=smoothing)
            return _losses(logits, self.labels, smoothing, weights).mean()
        own, other = (
            _losses(logits, labels, smoothing, weights) for labels in (self.labels, self.others)
        )
        return torch.lerp(other, own, self.share).mean()

    def right(self, logits: Tensor) -> Tensor:
        """Count the images taken for what they show most of: int64 []."""
        labels = self.labels
        if self.others is not None and self.share is not None:
            labels = torch.where(self.share >= 0.5, labels, self.others)
        return (logits.argmax(1) == labels).sum()


class Mixer:
    """Mixes batches as the recipe defines, or returns them unchanged."""

    def __init__(self, spec: Mix | None, device: torch.device) -> None:
        self._spec = spec
        if spec is not None:
            self._shares = beta_quantiles(spec.alpha).to(device)

    def __call__(self, inputs: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Target]:
        """Mix a batch of normalised images [n, c, size, size] and their labels, int64 [n]."""
        match self._spec:
            case None:
                return inputs, Target(labels)
            case Mixup():
                share = self._drawn(len(labels), draws)
                mixed = torch.lerp(_before(inputs), inputs, share[:, None, None, None])
            case CutMix(probability=probability):
                chosen = draws.shares(len(labels)) < probability
                pasted = (1 - self._drawn(len(labels), draws)) * chosen
                mixed, share = _pasted(inputs, pasted, draws)
            case _:
                assert_never(self._spec)
        return mixed, Target(labels, _before(labels), share)

    def _drawn(self, n: int, draws: Draws) -> Tensor:
        return self._shares.index_select(0, draws.integers(n, 0, QUANTILES - 1))


def _losses(logits: Tensor, labels: Tensor, smoothing: float, weights: Tensor | None) -> Tensor:
    """Return the cross-entropy of each image, weighted by its label: [n]."""
    losses = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
    return losses if weights is None else losses * weights.index_select(0, labels)


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Weight each class by how rare it is among these labels: float32 [classes].

    It is n / (k n_c), with n images, n_c of the class, and k classes that occur; of one that does
    not occur, 0. The mean over the images is 1.
    """
    counts = torch.bincount(labels, minlength=classes).double()
    occurs = counts > 0
    weights = counts.sum() / (occurs.sum() * counts.clamp(min=1))
    return (weights * occurs).float()


def beta_quantiles(alpha: float) -> Tensor:
    """Tabulate Beta(alpha, alpha), in the middle of each of `QUANTILES` equal shares: float32."""
    middles = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return torch.from_numpy(betaincinv(alpha, alpha, middles)).float()


def _before(batch: Tensor) -> Tensor:
    """Return for each entry [n, ...] the one before it, for the first the last."""
    return torch.cat([batch[-1:], batch[:-1]])  # which keeps the memory layout


def _pasted(inputs: Tensor, share: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Paste over each image [n, c, size, size] a square of the one before, as in its place.

    The square covers a share [n] of its image unless the border cuts it; also return how much of
    each image is left, float32 [n].
    """
    n, size = len(inputs), inputs.shape[3]
    side = (share.sqrt() * size).long()
    rows = _covered(draws.integers(n, 0, size - 1), side, size)
    columns = _covered(draws.integers(n, 0, size - 1), side, size)
    square = rows[:, None, :, None] & columns[:, None, None, :]
    left = 1 - rows.sum(1) * columns.sum(1) / (size * size)
    return torch.where(square, _before(inputs), inputs), left

"""Mixup and CutMix of whole batches: each image is mixed with the one before it.

An epoch's order is drawn, so the one before it is any other. What is drawn is drawn on the device,
a quantile of the Beta distribution by its number in a table.
"""

from dataclasses import dataclass
from typing import assert_never

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import betaincinv
from torch import Tensor

from budgetnas.recipe import CutMix, Mix, Mixup
from budgetnas.train._augment import Draws

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


def _covered(centre: Tensor, side: Tensor, size: int) -> Tensor:
    """Return which of `size` positions a stretch of its own length [n] covers: bool [n, size]."""
    places = torch.arange(size, device=centre.device) - (centre - side // 2)[:, None]
    return (places >= 0) & (places < side[:, None])

"""Normalising images, and measuring a model on them."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from budgetnas.data.images import ImageSet, Statistics
from budgetnas.recipe import Numerics

LARGEST_BATCH = 500


class Normalizer:
    """From stored images to what the network sees."""

    def __init__(self, statistics: Statistics, numerics: Numerics, device: torch.device) -> None:
        mean = torch.tensor(statistics.mean, device=device)
        std = torch.tensor(statistics.std, device=device)
        self.scale = 1 / (255 * std)
        self.offset = -mean / std
        self.grey_level = (mean * 255).round().to(torch.uint8)
        """The mean as stored values, [c]: what cutout blanks with."""
        self._channels_last = numerics.channels_last

    def __call__(self, images: Tensor) -> Tensor:
        """Turn uint8 [n, h, w, c] into normalised float32 [n, c, h, w]."""
        values = torch.addcmul(self.offset, images.float(), self.scale).permute(0, 3, 1, 2)
        return values if self._channels_last else values.contiguous()


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model measured on labelled images."""

    loss: float
    """Mean cross-entropy, in nats, without label smoothing."""
    accuracy: float
    """Share that is right, in [0, 1]."""
    balanced_accuracy: float
    """Mean over the classes that occur of the share that is right, in [0, 1]."""
    predictions: Tensor
    """int64 [n], on the CPU."""


def autocast(numerics: Numerics, device: torch.device) -> AbstractContextManager[object]:
    """Compute in what the numerics say."""
    if numerics.dtype == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


@torch.no_grad()
def evaluate(
    model: nn.Module,
    images: ImageSet,
    normalize: Normalizer,
    numerics: Numerics,
    training_batch: int,
) -> Evaluation:
    """Measure a model on images that lie on its device, in their order.

    What trains with a batch of `training_batch` images has memory for four times as many here,
    where no activation is kept.
    """
    batch = min(LARGEST_BATCH, 4 * training_batch)
    model.eval()
    losses, predictions = [], []
    for start in range(0, len(images), batch):
        part = slice(start, start + batch)
        with autocast(numerics, images.images.device):
            logits = model(normalize(images.images[part])).float()
        losses.append(F.cross_entropy(logits, images.labels[part], reduction="sum"))
        predictions.append(logits.argmax(1))
    guesses = torch.cat(predictions)
    loss = torch.stack(losses).sum() / len(images)
    right = guesses == images.labels
    balanced = _balanced(right.cpu(), images.labels.cpu())
    return Evaluation(float(loss), int(right.sum()) / len(images), balanced, guesses.cpu())


def _balanced(right: Tensor, labels: Tensor) -> float:
    """Average each class's recall: what accuracy would be if all classes were equally frequent."""
    images = torch.bincount(labels).double()
    recalls = torch.bincount(labels, weights=right.double()) / images
    return float(recalls[images > 0].mean())

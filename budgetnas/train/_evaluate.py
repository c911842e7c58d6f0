"""Normalising images, and measuring a model on them."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from budgetnas.data.images import ImageSet, Statistics
from budgetnas.recipe import Numerics
from budgetnas.train._capture import Recorder, no_search


class Normalizer:
    """From stored images to what the network sees."""

    def __init__(self, statistics: Statistics, numerics: Numerics, device: torch.device) -> None:
        mean = torch.tensor(statistics.mean, device=device)
        std = torch.tensor(statistics.std, device=device)
        self._scale = 1 / (255 * std)
        self._offset = -mean / std
        self.grey_level = (mean * 255).round().to(torch.uint8)
        """The mean as stored values, [c]: what cutout blanks with."""
        self._channels_last = numerics.channels_last

    def __call__(self, images: Tensor) -> Tensor:
        """Turn uint8 [n, h, w, c] into normalised float32 [n, c, h, w]."""
        # a row of an image at once, not the few channels of a pixel: 4 times as fast on a CPU
        rows = images.flatten(2).float()
        times = images.shape[2]
        rows = torch.addcmul(self._offset.repeat(times), rows, self._scale.repeat(times))
        values = rows.view(images.shape).permute(0, 3, 1, 2)
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
    probabilities: Tensor | None = None
    """float32 [n], on the CPU: of each prediction, in (0, 1]; None unless asked for."""


def autocast(numerics: Numerics, device: torch.device) -> AbstractContextManager[object]:
    if numerics.dtype == "float32":
        return nullcontext()
    # each weight is cast once a step either way, and a CUDA graph must hold no cached cast
    return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)


class Evaluator:
    """Measures a model on images that lie on its device, in their order, as often as asked."""

    def __init__(
        self,
        model: nn.Module,
        images: ImageSet,
        normalize: Normalizer,
        numerics: Numerics,
        training_batch: int,
        recorder: Recorder | None = None,
        *,
        probabilities: bool = False,
    ) -> None:
        """Prepare to measure.

        Batches are those of training, `training_batch` images: their convolutions are the same,
        so that cuDNN searches for no other kernels.
        """
        device = images.images.device
        self._model, self._images = model, images
        self._normalize, self._numerics = normalize, numerics
        self._batch = min(training_batch, len(images))
        self._training_batch = training_batch
        self._recorder = recorder or Recorder(device, capture=False)
        self._places = torch.arange(self._batch, device=device)
        self._start = torch.zeros(1, dtype=torch.int64, device=device)
        self._loss = torch.zeros((), device=device)
        self._guesses = torch.zeros_like(images.labels)
        self._probabilities = torch.zeros_like(images.labels, dtype=torch.float32)
        self._keeps_probabilities = probabilities
        self._labels = images.labels.cpu()

    @torch.no_grad()
    def __call__(self) -> Evaluation:
        """Measure the model as it is now."""
        self._model.eval()
        self._start.zero_()
        self._loss.zero_()
        n = len(self._images)
        for start in range(0, n, self._batch):
            size = min(self._batch, n - start)
            key = ("evaluate", size) if size == self._batch else None
            with nullcontext() if size == self._training_batch else no_search():
                self._recorder.run(key, lambda: self._step(size))  # noqa: B023
        guesses = self._guesses.to("cpu", copy=True)
        right = guesses == self._labels
        balanced = _balanced(right, self._labels)
        probabilities = self._probabilities.cpu() if self._keeps_probabilities else None
        return Evaluation(
            float(self._loss) / n, int(right.sum()) / n, balanced, guesses, probabilities
        )

    def _step(self, size: int) -> None:
        chosen = self._start + self._places[:size]
        inputs = self._normalize(self._images.images.index_select(0, chosen))
        with autocast(self._numerics, chosen.device):
            logits = self._model(inputs).float()
        labels = self._images.labels.index_select(0, chosen)
        self._loss += F.cross_entropy(logits, labels, reduction="sum")
        self._guesses.index_copy_(0, chosen, logits.argmax(1))
        if self._keeps_probabilities:
            self._probabilities.index_copy_(0, chosen, logits.softmax(1).amax(1))
        self._start += size


def evaluate(
    model: nn.Module,
    images: ImageSet,
    normalize: Normalizer,
    numerics: Numerics,
    training_batch: int,
) -> Evaluation:
    """Measure a model once, probabilities too; see `Evaluator`."""
    return Evaluator(model, images, normalize, numerics, training_batch, probabilities=True)()


def _balanced(right: Tensor, labels: Tensor) -> float:
    """Average each class's recall: what accuracy would be if all classes were equally frequent."""
    images = torch.bincount(labels).double()
    recalls = torch.bincount(labels, weights=right.double()) / images
    return float(recalls[images > 0].mean())

"""The loops that everyone writes: torchvision's transforms in a DataLoader, plain and tuned.

Both are written as well as their usual authors write them: a handicapped baseline would be a false
result. They do the engine's work, no more and no less: the same network from the same weights, the
same optimizer and learning rates, crops, flips and normalisation; no last batch is dropped.
"""

import signal
import sys
import warnings
from collections.abc import Generator, Iterator
from typing import TypeAlias

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from budgetnas.bench._result import Setup
from budgetnas.data.images import ImageSet, Statistics
from budgetnas.recipe import SGD, Recipe
from budgetnas.train import crop_padding, schedule_table

Epochs: TypeAlias = Generator[float, None, None]
"""A training: the mean loss of each epoch, which is trained when it is asked for."""


class Pictures(Dataset[tuple[Tensor, int]]):
    """Images as torchvision's CIFAR10 hands them out: bytes to Pillow, then transforms."""

    def __init__(self, images: ImageSet, statistics: Statistics) -> None:
        self.pixels = images.images.squeeze(3).numpy()  # Pillow wants grey without channels
        self.labels = images.labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(images.size, padding=crop_padding(None, images.size)),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(statistics.mean, statistics.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Augment and normalise one image, float32 [c, h, w]."""
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


class TensorPictures(Dataset[tuple[Tensor, int]]):
    """Images without Pillow, as bytes to the end: a quarter of what floats take to travel.

    They are normalised by the batch, on the device.
    """

    def __init__(self, images: ImageSet) -> None:
        self.pixels = images.images.permute(0, 3, 1, 2).contiguous()
        self.labels = images.labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(images.size, padding=crop_padding(None, images.size)),
                transforms.RandomHorizontalFlip(),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Augment one image, uint8 [c, h, w]."""
        return self.transform(self.pixels[index]), self.labels[index]


def usual_epochs(
    model: nn.Module,
    images: ImageSet,
    recipe: Recipe,
    setup: Setup,
    statistics: Statistics,
    device: torch.device,
    seed: int,
) -> Epochs:
    """Train as everyone begins to, an epoch each time the caller asks; yield its mean loss.

    The model has its initial weights, the images are on the CPU. Of the recipe only the optimizer,
    SGD, the schedule and the number of epochs count; the arithmetic is torch's default.
    """
    loader = _loader(Pictures(images, statistics), setup, device, seed)
    model = model.to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = _sgd(model, recipe, fused=None)
    for rates in _rates(recipe, len(loader)):
        torch.backends.cudnn.benchmark = False  # torch's default, whichever loop ran before
        model.train()
        loss_sum = 0.0
        for (inputs, labels), rate in zip(_started(loader), rates, strict=True):
            inputs = inputs.to(device, non_blocking=True)
            labels = labels.to(device, non_blocking=True)
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(labels)
        yield loss_sum / len(images)


def tuned_epochs(
    model: nn.Module,
    images: ImageSet,
    recipe: Recipe,
    setup: Setup,
    statistics: Statistics,
    device: torch.device,
    seed: int,
) -> Epochs:
    """Train as everyone ends up doing: what is known to help, still with a DataLoader.

    Its workers last, and prepare nothing between two epochs: they wait for the next to begin.
    Nothing is read from the device before an epoch ends. See `usual_epochs` for the rest.
    """
    loader = _loader(TensorPictures(images), setup, device, seed, lasting=True)
    layout = torch.channels_last if setup.numerics.channels_last else torch.contiguous_format
    model = model.to(device, memory_format=layout)  # type: ignore[call-overload]
    criterion = nn.CrossEntropyLoss()
    optimizer = _sgd(model, recipe, fused=True)
    mean = torch.tensor(statistics.mean, device=device).view(1, -1, 1, 1)
    std = torch.tensor(statistics.std, device=device).view(1, -1, 1, 1)
    scale, offset = 1 / (255 * std), -mean / std
    half = setup.numerics.dtype == "bfloat16"
    for rates in _rates(recipe, len(loader)):
        torch.backends.cudnn.benchmark = True
        model.train()
        loss_sum = torch.zeros((), device=device)
        for (pixels, labels), rate in zip(_started(loader), rates, strict=True):
            pixels = pixels.to(device, non_blocking=True)
            labels = labels.to(device, non_blocking=True)
            floats = pixels.to(torch.float32, memory_format=layout)
            optimizer.param_groups[0]["lr"] = rate
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                loss = criterion(model(torch.addcmul(offset, floats, scale)), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            loss_sum += loss.detach() * len(labels)
        yield float(loss_sum) / len(images)


def _loader(
    pictures: Dataset[tuple[Tensor, int]],
    setup: Setup,
    device: torch.device,
    seed: int,
    *,
    lasting: bool = False,
) -> DataLoader[tuple[Tensor, int]]:
    with _no_warnings():
        return DataLoader(
            pictures,
            batch_size=setup.batch,
            shuffle=True,
            num_workers=setup.loader_workers,
            pin_memory=device.type == "cuda",
            persistent_workers=lasting and setup.loader_workers > 0,
            generator=torch.Generator().manual_seed(seed),
            worker_init_fn=_silence,
        )


def _silence(worker: int) -> None:
    """Silence a worker whose parent is interrupted while it receives a batch.

    Whatever goes wrong with a batch is raised in this process all the same.
    """
    sys.excepthook = lambda *error: None


def _started(loader: DataLoader[tuple[Tensor, int]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Begin an epoch; workers that have to be started are, and are deaf to Ctrl-C.

    It reaches every process of a terminal: the workers shall end when this one tells them to,
    without a word.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _no_warnings():
            return iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _no_warnings() -> "warnings.catch_warnings[None]":
    """Torch warns of more workers than cores, Python 3.12 of forks where there are threads."""
    return warnings.catch_warnings(action="ignore")


def _sgd(model: nn.Module, recipe: Recipe, *, fused: bool | None) -> torch.optim.SGD:
    spec = recipe.optimizer
    assert isinstance(spec, SGD), spec
    return torch.optim.SGD(
        model.parameters(), lr=spec.lr, momentum=spec.momentum, nesterov=spec.nesterov,
        weight_decay=spec.weight_decay, fused=fused,
    )  # fmt: skip


def _rates(recipe: Recipe, steps: int) -> Iterator[list[float]]:
    table = schedule_table(recipe, steps).lr
    for start in range(0, len(table), steps):
        yield table[start : start + steps]

"""`Plan`: what a benchmark measures, on what, and how often."""

from dataclasses import dataclass
from typing import Literal

import torch

from budgetnas.arch import Arch, find_arch
from budgetnas.errors import InputError
from budgetnas.recipe import SGD, ConstantLR, Crop, Flip, Numerics, Recipe
from budgetnas.train import choose_numerics, cores

Way = Literal["usual", "tuned", "engine"]
WAYS: tuple[Way, ...] = ("usual", "tuned", "engine")


@dataclass(frozen=True)
class Setup:
    """How one of the ways to train is set up."""

    batch: int
    """Images a step."""
    numerics: Numerics
    """Its arithmetic."""
    loader_workers: int
    """Processes that prepare batches; 0 where the training process does it."""


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    device: torch.device
    net: str
    arch: Arch
    images: int
    image_size: int
    runs: int
    seed: int
    setups: dict[Way, Setup]

    @property
    def recipe(self) -> Recipe:
        """What all three ways do, but for the batch, which is the engine's."""
        return Recipe(
            epochs=self.runs + 1,
            batch_size=self.setups["engine"].batch,
            optimizer=SGD(lr=0.1, weight_decay=5e-4, decay_norm_and_bias=True),
            schedule=ConstantLR(),
            augment=(Crop(), Flip()),
        )


def make_plan(
    device: torch.device,
    *,
    net: str | None = None,
    batch: int = 128,
    engine_batch: int | None = None,
    images: int | None = None,
    runs: int = 5,
    loader_workers: int | None = None,
    tuned_loader_workers: int | None = None,
    image_size: int = 32,
    seed: int = 0,
) -> Plan:
    """Decide what `budgetnas bench` leaves to the device: an option that is None.

    Raises:
        InputError: If an option is invalid.
    """
    on_gpu = device.type == "cuda"
    net = net or ("efficient-resnet" if on_gpu else "modified-resnet-small")
    images = images or (50_000 if on_gpu else 2_560)
    arch = find_arch(net)
    _check(arch, images, batch, engine_batch or 0)
    largest = max(512, batch) if on_gpu else batch
    numerics = choose_numerics(device)
    usual, tuned = default_loader_workers(device)
    setups: dict[Way, Setup] = {
        "usual": Setup(
            batch,
            Numerics(dtype="float32", channels_last=False, threads=numerics.threads),
            usual if loader_workers is None else loader_workers,
        ),
        "tuned": Setup(
            batch,
            numerics.changed(captured=False, compiled=False),
            tuned if tuned_loader_workers is None else tuned_loader_workers,
        ),
        "engine": Setup(min(engine_batch or largest, images), numerics, 0),
    }
    return Plan(device, net, arch, images, image_size, runs, seed, setups)


def _check(arch: Arch, images: int, batch: int, engine_batch: int) -> None:
    if arch.in_channels not in (1, 3):
        raise InputError(f"in_channels must be 1 (grey) or 3 (colour), got {arch.in_channels}")
    for option, least in (("--batch", batch), ("--engine-batch", engine_batch)):
        if images < least:
            raise InputError(f"--images must be at least {option}, got {images:,} and {least:,}")
    if images % batch == 1:
        raise InputError(
            "--images must not leave 1 image in the last --batch, since batch norm "
            f"needs 2, got {images:,} and {batch:,}"
        )


def default_loader_workers(device: torch.device) -> tuple[int, int]:
    """Choose the loaders' workers, of the usual way and of the tuned one.

    On a GPU these are the numbers that most people use. On a CPU every worker takes a core from
    the training: without any, both ways were the fastest on 2 cores (0, 1 and 2 were tried).
    """
    return (2, min(16, cores())) if device.type == "cuda" else (0, 0)

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
class Asked:
    """What the user asks for; None is left to the device."""

    net: str | None = None
    """A preset or an arch file."""
    batch: int = 128
    """Images a step, of all three ways."""
    engine_batch: int | None = None
    """Images a step of the engine, where they are to differ."""
    images: int | None = None
    """Training images of an epoch."""
    runs: int = 5
    """Measured epochs of each way."""
    loader_workers: int | None = None
    """Of the usual way."""
    tuned_loader_workers: int | None = None
    """Of the tuned one."""
    image_size: int = 32
    """Side of an image in pixels."""
    seed: int = 0
    """For weights, pictures, order and augmentation."""


@dataclass(frozen=True)
class Plan:
    """A benchmark, complete: what `Asked` leaves open is decided."""

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


def make_plan(asked: Asked, device: torch.device) -> Plan:
    """Decide what is left open.

    Raises:
        InputError: If an option is invalid.
    """
    on_gpu = device.type == "cuda"
    net = asked.net or ("efficient-resnet" if on_gpu else "modified-resnet-small")
    images = asked.images or (50_000 if on_gpu else 2_560)
    arch = find_arch(net)
    _check(asked, arch, images)
    largest = max(512, asked.batch) if on_gpu else asked.batch
    setups = _setups(asked, min(asked.engine_batch or largest, images), device)
    return Plan(device, net, arch, images, asked.image_size, asked.runs, asked.seed, setups)


def _check(asked: Asked, arch: Arch, images: int) -> None:
    if arch.in_channels not in (1, 3):
        raise InputError(f"in_channels must be 1 (grey) or 3 (colour), got {arch.in_channels}")
    for option, batch in (("--batch", asked.batch), ("--engine-batch", asked.engine_batch or 0)):
        if images < batch:
            raise InputError(f"--images must be at least {option}, got {images:,} and {batch:,}")
    if images % asked.batch == 1:
        raise InputError(
            "--images must not leave 1 image in the last --batch, since batch norm "
            f"needs 2, got {images:,} and {asked.batch:,}"
        )


def _setups(asked: Asked, engine_batch: int, device: torch.device) -> dict[Way, Setup]:
    """Set up the three ways: the plain one as torch is, the others as the device likes it.

    On a GPU that is bfloat16 and channels last, on a CPU what was measured to be the fastest.
    """
    numerics = choose_numerics(device)
    plain = Numerics(dtype="float32", channels_last=False, threads=numerics.threads)
    tuned = numerics.changed(captured=False, compiled=False)
    usual_workers, tuned_workers = default_loader_workers(device)
    if asked.loader_workers is not None:
        usual_workers = asked.loader_workers
    if asked.tuned_loader_workers is not None:
        tuned_workers = asked.tuned_loader_workers
    return {
        "usual": Setup(asked.batch, plain, usual_workers),
        "tuned": Setup(asked.batch, tuned, tuned_workers),
        "engine": Setup(engine_batch, numerics, 0),
    }


def default_loader_workers(device: torch.device) -> tuple[int, int]:
    """Choose the loaders' workers, of the usual way and of the tuned one.

    On a GPU these are the numbers that most people use. On a CPU every worker takes a core from
    the training: without any, both ways were the fastest on 2 cores (0, 1 and 2 were tried).
    """
    return (2, min(16, cores())) if device.type == "cuda" else (0, 0)

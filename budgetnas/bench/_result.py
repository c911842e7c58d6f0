"""`Plan`, what a benchmark measures; `BenchResult`, what it measured and what follows from it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import torch

from budgetnas.arch import Arch, count_macs, count_params, find_arch
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


FORWARD_AND_BACKWARD = 3
"""Backward, every multiply-add is done twice: for the inputs' gradients and the weights'."""
FLOPS_OF_A_MAC = 2


@dataclass(frozen=True)
class Rate:
    """How fast a device multiplies dense bfloat16 matrices."""

    flops: float
    """A second."""
    source: str


_PUBLISHED = "the vendor's dense bfloat16 peak"

# add yours here: what torch.cuda.get_device_name says, and the rate of just that device
RATES: dict[str, Rate] = {
    # measured with large matrix products, a fifth below NVIDIA's data sheet (989 TFLOP/s)
    r"NVIDIA H200": Rate(790e12, "measured"),
    # NVIDIA's data sheets; where they count sparsity, half of it
    r"NVIDIA H100 \d+GB HBM3": Rate(989e12, _PUBLISHED),  # SXM
    r"NVIDIA H100 PCIe": Rate(756e12, _PUBLISHED),
    r"(NVIDIA )?A100[- ].*": Rate(312e12, _PUBLISHED),
    r"NVIDIA L4": Rate(121e12, _PUBLISHED),
    # NVIDIA's Ada whitepaper, with float32 accumulation, which is what training uses
    r"NVIDIA GeForce RTX 4090": Rate(165e12, _PUBLISHED),
}


def known_rate(device: str) -> Rate | None:
    """Look up a device by its name; None for one that is not known, or a slice of one (MIG)."""
    if " MIG " in device:
        return None
    return next((rate for name, rate in RATES.items() if re.fullmatch(name, device)), None)


def floor_seconds(macs: int, images: int, rate: Rate) -> float:
    """Return a lower bound of the seconds to train on N images of `macs` multiply-adds each."""
    return FLOPS_OF_A_MAC * FORWARD_AND_BACKWARD * macs * images / rate.flops


if TYPE_CHECKING:
    from budgetnas.executors import WorkersChoice


def times_as_long(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the median ratio of two loops' seconds within a round."""
    return median(a / b for a, b in zip(one, other, strict=True))


@dataclass(frozen=True)
class BenchResult:
    """A benchmark that has been measured."""

    plan: Plan
    hardware: str
    """What it ran on."""
    seconds: dict[Way, list[float]]
    """Of every epoch that counts."""
    outside_kernels: float | None
    """Share of the engine's time in which no kernel runs on the GPU, in [0, 1]; None: unknown."""
    workers: "WorkersChoice | None"
    """How many trials would be trained at once; None where it was not asked."""

    @property
    def params(self) -> int:
        return count_params(self.plan.arch)

    @property
    def macs(self) -> int:
        return count_macs(self.plan.arch, self.plan.image_size)

    @property
    def rounds(self) -> dict[Way, list[float]]:
        """Images a second of every epoch that counts."""
        return {way: [self.plan.images / taken for taken in self.seconds[way]] for way in WAYS}

    @property
    def images_per_second(self) -> dict[Way, float]:
        """The medians."""
        return {way: median(rates) for way, rates in self.rounds.items()}

    @property
    def ratio(self) -> dict[Way, float]:
        """How many times as fast the engine is: medians of the ratios within each round."""
        engine = self.seconds["engine"]
        return {way: times_as_long(self.seconds[way], engine) for way in WAYS if way != "engine"}

    @property
    def rate(self) -> Rate | None:
        """How fast the device multiplies; None where that is not known, or not how it is used."""
        if self.plan.setups["engine"].numerics.dtype != "bfloat16":
            return None
        return known_rate(self.hardware)

    @property
    def floor(self) -> float | None:
        """Seconds that an epoch takes at the least; None where the device's rate is not known."""
        return floor_seconds(self.macs, self.plan.images, self.rate) if self.rate else None

    @property
    def over_floor(self) -> float | None:
        """How many times the floor the engine's median epoch takes."""
        return median(self.seconds["engine"]) / self.floor if self.floor else None

    def as_json(self) -> dict[str, Any]:
        setups = self.plan.setups
        floor = {"seconds": self.floor, "flops": self.rate.flops} if self.rate else None
        workers = self.workers
        return {
            "device": self.hardware,
            "net": self.plan.net,
            "params": self.params,
            "macs": self.macs,
            "images": self.plan.images,
            "image_size": self.plan.image_size,
            "runs": self.plan.runs,
            "seed": self.plan.seed,
            "torch": torch.__version__,
            "threads": setups["engine"].numerics.threads,
            "batch": {way: setups[way].batch for way in WAYS},
            "dtype": {way: setups[way].numerics.dtype for way in WAYS},
            "channels_last": {way: setups[way].numerics.channels_last for way in WAYS},
            "loader_workers": {way: setups[way].loader_workers for way in WAYS},
            "images_per_second": self.images_per_second,
            "rounds": self.rounds,
            "ratio": self.ratio,
            "floor": floor,
            "over_floor": self.over_floor,
            "outside_kernels": self.outside_kernels,
            "workers": workers and {"chosen": workers.workers, "images_per_second": workers.rates},
        }

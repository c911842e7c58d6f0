"""`BenchResult`: what was measured, and what follows from it; the compute floor among it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from budgetnas.arch import count_macs, count_params
from budgetnas.bench._plan import WAYS, Plan, Way

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

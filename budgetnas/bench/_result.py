"""`BenchResult`: what was measured, and what follows from it."""

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from budgetnas.arch import count_macs, count_params
from budgetnas.bench._floor import Rate, floor_seconds, known_rate
from budgetnas.bench._plan import WAYS, Plan, Way
from budgetnas.bench._rounds import times_as_long

if TYPE_CHECKING:
    from budgetnas.executors import WorkersChoice


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
        """Trainable parameters of the network."""
        return count_params(self.plan.arch)

    @property
    def macs(self) -> int:
        """Multiply-adds of one image's forward pass."""
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
        """Return all of it as plain data."""
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

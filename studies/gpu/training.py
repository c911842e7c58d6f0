"""A training whose steps are timed one by one, then many at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from counting import Searches, host_waits
from torch import nn

from budgetnas.arch import Arch
from budgetnas.data.images import ImageSet, Statistics
from budgetnas.recipe import Default, Numerics, Recipe
from budgetnas.train import Evaluator, Normalizer, Steps, initial_model, place


@dataclass(frozen=True)
class Measured:
    """What a training took."""

    build_s: float
    first_step_s: float
    """Starting libraries and, if they are asked for, cuDNN's searches in it."""
    eager_ms: float
    """A step as it is."""
    captured_ms: float
    """A step that is replayed, where the device can."""
    host_ms: float
    """Of the latter, until the host is done with it."""
    capture_s: float
    """What the epoch that captures takes longer than a later one, but for its first step."""
    odd_first_s: float
    odd_ms: float
    """A batch of half as many images, which is never captured."""
    validation_first_s: float
    validation_s: float
    close_s: float
    waits: int | None
    """How often the host waits in an epoch and its validation."""
    searches: int
    """What cuDNN searches kernels for in a trial."""
    peak_mib: int | None
    refused: str | None
    """Why nothing is captured any more, if a capture went wrong."""


class Timed(Steps):
    """Steps that can be timed each, with the device in step."""

    each: list[float] | None = None
    """Seconds of each step, where they are timed."""

    def _run(self, step: int, size: int) -> None:
        if self.each is None:
            super()._run(step, size)
            return
        begun = now(self.device)
        super()._run(step, size)
        self.each.append(now(self.device) - begun)

    def whole_batches(self, number: int) -> tuple[float, float]:
        """Train an epoch's whole batches; return seconds a step, all in all and of the host."""
        self._begin(number)
        sizes = [stop - start for start, stop in self.bounds]
        whole = [step for step, size in enumerate(sizes) if size == self.batch_size]
        with self._seeded(number):
            begun = now(self.device)
            for step in whole:
                self._run((number - 1) * len(sizes) + step, self.batch_size)
            host = time.perf_counter() - begun
            return (now(self.device) - begun) / len(whole), host / len(whole)


class Training:
    """A training of random images."""

    STEPS = 20
    """Whole batches an epoch: enough that Lookahead's steps, each fifth, are captured in it."""

    @staticmethod
    def rounds(smoke: bool) -> int:
        """Return how many epochs are timed at once."""
        return 1 if smoke else 10

    def __init__(
        self,
        arch: Arch,
        recipe: Recipe,
        batch: int,
        numerics: Numerics,
        device: torch.device,
        smoke: bool,
        change: Callable[[nn.Module], None],
    ) -> None:
        self._recipe = recipe.changed(batch_size=batch, epochs=100)
        self._numerics, self._device, self._smoke = numerics, device, smoke
        count, side = batch * self.STEPS + batch // 2, 8 if smoke else 32
        drawn = torch.Generator().manual_seed(0)
        self._images = ImageSet(
            torch.randint(256, (count, side, side, arch.in_channels), dtype=torch.uint8,
                          generator=drawn),
            torch.randint(arch.num_classes, (count,), generator=drawn),
            tuple(map(str, range(arch.num_classes))),
        ).to(device)  # fmt: skip
        begun = now(device)
        self._model = place(initial_model(arch, Default(), 0), numerics, device)
        change(self._model)
        statistics = Statistics((0.5,) * arch.in_channels, (0.3,) * arch.in_channels)
        self._normalize = Normalizer(statistics, numerics, device)
        self._steps = self._begun(captured=True)
        self._build_s = now(device) - begun

    def measure(self) -> Measured:
        """Time first steps, then many; then count."""
        steps, rounds = self._steps, range(2, 2 + self.rounds(self._smoke))
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        with steps.recorder.on_stream():
            first, odd_first = self._one_by_one(1)
            evaluator = Evaluator(
                self._model, self._images, self._normalize, self._numerics, steps.batch_size,
                steps.recorder,
            )  # fmt: skip
            validation_first = self._seconds(evaluator)
            times = [steps.whole_batches(number) for number in rounds]
            captured, host = (median(column) for column in zip(*times, strict=True))
            later, odd = self._one_by_one(rounds.stop)
            waits = host_waits(lambda: (steps.epoch(rounds.stop + 1), evaluator()), self._device)
            validation = self._seconds(evaluator)
        refused = steps.recorder.refused
        peak = None
        if self._device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self._device) >> 20
        close = self._seconds(steps.close)
        eager, found = self._as_it_is()
        return Measured(
            self._build_s, first[0], eager * 1e3, captured * 1e3, host * 1e3,
            max(0.0, sum(first[1:]) - sum(later[1:])), odd_first, odd * 1e3, validation_first,
            validation, close, waits, found, peak, refused,
        )  # fmt: skip

    def _begun(self, *, captured: bool) -> Timed:
        numerics = self._numerics.changed(captured=captured)
        return Timed(self._model, self._images, self._recipe, numerics, self._normalize, 0)

    def _one_by_one(self, number: int) -> tuple[list[float], float]:
        """Train an epoch, each step timed; return what whole batches took, and the odd one."""
        self._steps.each = []
        self._steps.epoch(number)
        *whole, odd = self._steps.each
        self._steps.each = None
        return whole, odd

    def _as_it_is(self) -> tuple[float, int]:
        """Train without graphs; return seconds a step and what cuDNN has to search for."""
        steps = self._begun(captured=False)
        with steps.recorder.on_stream():
            with Searches() as counted:
                steps.epoch(1)
                Evaluator(
                    self._model, self._images, self._normalize, self._numerics, steps.batch_size
                )()
            rounds = range(2, 2 + (self.rounds(self._smoke) + 1) // 2)
            seconds = median(steps.whole_batches(number)[0] for number in rounds)
        steps.close()
        return seconds, len(counted.found)

    def _seconds(self, work: Callable[[], object]) -> float:
        begun = now(self._device)
        work()
        return now(self._device) - begun


def now(device: torch.device) -> float:
    """Return the time at which the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()

"""How many workers train a study's trials, and how many threads each: measured, or as asked."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Literal

import torch

from budgetnas.arch import Arch
from budgetnas.data.images import ImageSet
from budgetnas.errors import BudgetnasError
from budgetnas.executors._process import Channel, SharedImages, WorkerProcess, shared
from budgetnas.recipe import Numerics, Recipe, threads_title
from budgetnas.train import (
    attempt,
    cores,
    initial_model,
    memory_guard,
    recipe_statistics,
    train,
    use_device,
    use_threads,
)

ON_A_GPU = (1, 2, 3, 4)
ON_A_CPU = (1, 2, 4, 8)
"""The numbers of workers that are measured, up to the number of threads."""

WORTH_IT = 1.05
"""Several workers have to be this many times as fast as one: timings are noisy."""

ROUNDS = 3
MOST_BATCHES = 20
CPU_BATCH = 32
"""On a CPU an image costs the same in a smaller batch, and a slow network is measured sooner."""


@dataclass(frozen=True)
class Workers:
    """How many workers train a study's trials, and in which arithmetic."""

    count: int
    """How many trials are trained at once; one: in this process."""
    numerics: Numerics
    """Each worker's, its threads among them."""
    speedup: float = 1.0
    """Expected throughput relative to one worker."""


def choose_workers(
    asked: int | Literal["auto"],
    numerics: Numerics,
    images: ImageSet,
    device: torch.device,
    typical: Callable[[], tuple[Arch, Recipe]],
    *,
    begins: bool,
    notify: Callable[[str], object],
) -> Workers:
    """Choose the number of workers and, while a study begins, the threads of each.

    Args:
        asked: By the user.
        numerics: The study's. Its threads are those of all workers together if it begins, else
            those of each.
        images: What it trains on.
        device: Where.
        typical: Returns a network and a recipe to measure with.
        begins: Whether the numerics may still be changed.
        notify: Receives notices for the user.
    """
    if asked == 1:
        return Workers(1, numerics)
    if asked == "auto":
        return _measured(numerics, images, device, typical, begins, notify)
    if device.type != "cpu":
        # on one of them they are hardly faster together, unless it was measured
        return Workers(asked, numerics, min(asked, len(devices_of(device))))
    if begins:
        numerics = numerics.changed(threads=max(1, numerics.threads // asked))
    threads, there = numerics.threads, cores()
    if asked * threads > there:
        notify(f"workers: {asked} of {threads} threads each on {there} cores wait for each other")
    return Workers(asked, numerics, min(asked, max(1, there // threads)))


def _measured(
    numerics: Numerics,
    images: ImageSet,
    device: torch.device,
    typical: Callable[[], tuple[Arch, Recipe]],
    begins: bool,
    notify: Callable[[str], object],
) -> Workers:
    notify("measuring how many workers are fastest together")
    arch, recipe = typical()
    most = None if begins else torch.get_num_threads()
    choice = attempt(
        lambda: measure_workers(arch, recipe, images, numerics, device, cores=most),
        "workers: one; they can't be measured",
        notify,
    )
    if choice is None:
        return Workers(1, numerics)
    notify(f"{choice.describe()}: {arch}")
    if begins and device.type == "cpu":
        numerics = numerics.changed(threads=choice.threads)
    # on a CPU they have cores of their own
    speedup = choice.workers if device.type == "cpu" else choice.speedup
    return Workers(choice.workers, numerics, speedup)


@dataclass(frozen=True)
class WorkersChoice:
    """How many workers to train with, and the measurements behind it."""

    each: int
    """Workers on each device."""
    rates: dict[int, float]
    """Images a second of a device, by the number of workers on it."""
    teams: dict[int, int]
    """Threads of each worker, by the number of workers on a device."""
    devices: int = 1
    """The number of devices."""

    @property
    def workers(self) -> int:
        """Workers on all devices."""
        return self.each * self.devices

    @property
    def threads(self) -> int:
        """Threads of each worker."""
        return self.teams[self.each]

    @property
    def speedup(self) -> float:
        """Throughput of all workers relative to one."""
        return self.rates[self.each] / self.rates[1] * self.devices

    def describe(self) -> str:
        """Return the choice and its reason on one line."""
        each = self.each
        others = [
            f"{count} would give {rate / self.rates[1]:.2f}x"
            for count, rate in self.rates.items()
            if count not in (1, each)
        ]
        why = [f"{self.rates[each] / self.rates[1]:.2f}x the images a second"] * (each > 1)
        on = f" on each of {self.devices} GPUs" if self.devices > 1 else ""
        of = f" of {threads_title(self.threads)} each" if each > 1 else ""
        than = f" of one of {threads_title(self.teams[1])}" if each > 1 else ""
        chosen = f"workers: {each if each > 1 else 'one'}{on}{of}"
        return f"{'; '.join([', '.join([chosen, *why]) + than, *others])} (measured)"


def measure_workers(
    arch: Arch,
    recipe: Recipe,
    images: ImageSet,
    numerics: Numerics,
    device: torch.device,
    seconds: float = 1.5,
    *,
    cores: int | None = None,
) -> WorkersChoice:
    """Measure with how many workers a device trains the most images a second.

    For each number of workers, all train the same network at the same time in processes of their
    own; the numbers take turns.

    Args:
        arch: The network that each trains.
        recipe: How.
        images: Training images on the CPU; a few batches are used.
        numerics: The arithmetic; on a CPU the workers share its threads.
        device: Where; of several GPUs one is measured, and all get as many workers.
        seconds: How long each number of workers is measured.
        cores: On a CPU, let each worker have all threads of the numerics, as long as there are
            this many cores: so it is in a study that has begun, whose threads never change.

    Raises:
        TrialFailed: If not even one can train it.
        BudgetnasError: If no worker can be started.
    """
    on = devices_of(device)
    teams = _teams(numerics, device, cores)
    batch = min(recipe.batch_size, len(images))
    if device.type == "cpu":
        batch = min(batch, CPU_BATCH)
    sample = images.take(torch.arange(min(batch * MOST_BATCHES, len(images))))
    with shared(sample) as part:
        task = TimeTraining(arch, recipe.for_timing(1000, batch), part, numerics, str(on[0]))
        rates = _measure(task, teams, seconds / ROUNDS)
    best = max(rates, key=lambda count: rates[count])
    each = best if rates[best] >= WORTH_IT * rates[1] else 1
    return WorkersChoice(each, rates, teams, len(on))


def devices_of(device: torch.device) -> list[torch.device]:
    """Return the devices that workers are spread over: all GPUs, unless one is named."""
    if device.type == "cuda" and device.index is None:
        return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    return [device]


def _teams(numerics: Numerics, device: torch.device, cores: int | None) -> dict[int, int]:
    """Return the threads of each worker, by how many workers are to be measured."""
    threads = numerics.threads
    if device.type != "cpu":
        return dict.fromkeys(ON_A_GPU, threads)
    if cores is None:
        return {count: threads // count for count in ON_A_CPU if count <= threads}
    return {count: threads for count in ON_A_CPU if count == 1 or count * threads <= cores}


@dataclass(frozen=True)
class _Prepare:
    """Prepare to train N batches an epoch; the answer is the seconds of an epoch."""

    batches: int


@dataclass(frozen=True)
class _Run:
    """Train for a time; the answer is images a second."""

    seconds: float
    threads: int


@dataclass(frozen=True)
class TimeTraining:
    """A worker process's task: train when asked, and answer how fast that was."""

    arch: Arch
    recipe: Recipe
    images: SharedImages
    numerics: Numerics
    device: str

    def run(self, channel: Channel) -> None:
        """Answer messages until the channel closes."""
        use_threads(self.numerics)
        with memory_guard("the images"):
            (images,) = self.images.open()
            images = images.to(use_device(self.device))
        while True:
            match channel.receive():
                case _Prepare(batches=batches):
                    size = min(len(images), batches * self.recipe.batch_size)
                    with memory_guard("the images"):
                        some = images.take(torch.arange(size)).packed()
                    epochs = self._epochs(some)
                    next(epochs)  # warms up
                    channel.send(next(epochs))
                case _Run(seconds=seconds, threads=threads):
                    torch.set_num_threads(threads)
                    channel.send(_rate(epochs, len(some), seconds))

    def _epochs(self, images: ImageSet) -> Iterator[float]:
        """Train without end; yield the seconds of each epoch."""
        statistics = recipe_statistics(self.recipe, images)
        while True:
            model = initial_model(self.arch, self.recipe.init, 0)
            for epoch in train(
                model, images, self.recipe, self.numerics, 0, statistics=statistics
            ):
                yield epoch.seconds


def _rate(epochs: Iterator[float], images: int, seconds: float) -> float:
    """Train whole epochs for at least N seconds; return images a second."""
    trained, started = 0, time.perf_counter()
    while not trained or time.perf_counter() - started < seconds:
        next(epochs)
        trained += images
    return trained / (time.perf_counter() - started)


def _measure(task: TimeTraining, teams: dict[int, int], seconds: float) -> dict[int, float]:
    """Return images a second by number of workers, as far as there is memory for them."""
    with _started(task, max(teams)) as workers:
        (batch_seconds,) = _answers(workers[:1], _Prepare(1))
        batches = max(1, min(MOST_BATCHES, int(seconds / 4 / batch_seconds)))
        able = _able(workers, _Prepare(batches))
        rates: dict[int, list[float]] = {count: [] for count in teams if count <= len(able)}
        for _ in range(ROUNDS):
            for count in rates:
                run = _Run(seconds, teams[count])
                rates[count].append(sum(_answers(able[:count], run)))
    return {count: median(measured) for count, measured in rates.items()}


@contextmanager
def _started(task: TimeTraining, count: int) -> Iterator[list[WorkerProcess]]:
    workers: list[WorkerProcess] = []
    try:
        for _ in range(count):
            workers.append(WorkerProcess(task, [task.images.descriptor]))  # noqa: PERF401, all are killed
        yield workers
    finally:
        for worker in workers:
            worker.kill()


def _able(workers: Sequence[WorkerProcess], preparation: _Prepare) -> list[WorkerProcess]:
    """Prepare workers, all at once; return those that had enough memory."""
    for worker in workers:
        worker.send(preparation)
    able, reasons = list[WorkerProcess](), list[BudgetnasError]()
    for worker in workers:
        try:
            _answer(worker)
            able.append(worker)
        except BudgetnasError as error:
            reasons.append(error)
    if not able:
        raise reasons[0]
    return able


def _answers(workers: Sequence[WorkerProcess], message: object) -> list[float]:
    for worker in workers:
        worker.send(message)
    return [_answer(worker) for worker in workers]


def _answer(worker: WorkerProcess) -> float:
    try:
        answer = worker.receive()
    except EOFError:
        reason = worker.exit_reason()
        raise BudgetnasError(
            f"a worker process must train to be timed, it died of {reason}"
        ) from None
    if isinstance(answer, Exception):
        raise answer
    return float(answer)

"""How many workers train most images a second together: measured, before it is chosen."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch

from budgetnas.arch import Arch
from budgetnas.data.images import ImageSet
from budgetnas.errors import BudgetnasError
from budgetnas.recipe import Numerics, Recipe
from budgetnas.searching.shared_images import SharedImages, shared
from budgetnas.searching.worker import Line, Worker
from budgetnas.train.device import threads_title, use_device, use_threads
from budgetnas.train.engine import recipe_statistics, train
from budgetnas.train.init import initial_model
from budgetnas.train.memory import memory_guard

ON_A_GPU = (1, 2, 3, 4)
ON_A_CPU = (1, 2, 4, 8)
"""How many workers are tried, as far as there are threads for them."""

WORTH_IT = 1.05
"""More than one worker has to be so much faster than one: what is measured is not exact."""

ROUNDS = 3
MOST_BATCHES = 20
CPU_BATCH = 32
"""On a CPU images cost the same in smaller batches, and a slow one is not waited for so long."""


@dataclass(frozen=True)
class WorkersChoice:
    """How many workers to train with, and the measurements that say so."""

    each: int
    """How many on each device."""
    rates: dict[int, float]
    """Images a second of all workers of a device together, by how many they are on it."""
    teams: dict[int, int]
    """Threads of each worker, by how many they are on a device."""
    devices: int = 1
    """Over how many they are dealt."""

    @property
    def workers(self) -> int:
        """How many on all devices."""
        return self.each * self.devices

    @property
    def threads(self) -> int:
        """Threads of each worker."""
        return self.teams[self.each]

    @property
    def gain(self) -> float:
        """How many times the images a second of one worker."""
        return self.rates[self.each] / self.rates[1] * self.devices

    def describe(self) -> str:
        """Say the choice, and why, on a line."""
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


def choose_workers(
    arch: Arch,
    recipe: Recipe,
    images: ImageSet,
    numerics: Numerics,
    device: torch.device,
    seconds: float = 1.5,
    *,
    cores: int | None = None,
) -> WorkersChoice:
    """Measure how many workers train most images a second together.

    Each number of them trains the same network at the same time, in processes of their own, in
    turns with the other numbers.

    Args:
        arch: What each trains.
        recipe: How.
        images: What they train on, on the CPU; a few batches are taken of them.
        numerics: In which arithmetic; on a CPU the workers share its threads.
        device: Where; of several GPUs, one is measured, and all have as many workers.
        seconds: How long each number of workers is measured.
        cores: On a CPU, let each worker have all threads of the numerics, as long as there are
            so many cores: so it is in a study that has begun, whose threads never change.

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
        job = TimeTraining(arch, recipe.for_timing(1000, batch), part, numerics, str(on[0]))
        rates = _measure(job, teams, seconds / ROUNDS)
    best = max(rates, key=lambda count: rates[count])
    each = best if rates[best] >= WORTH_IT * rates[1] else 1
    return WorkersChoice(each, rates, teams, len(on))


def devices_of(device: torch.device) -> list[torch.device]:
    """Say which devices workers are dealt over: of GPUs all, unless one is named."""
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
    """Get ready to train so many batches an epoch; say how long an epoch takes."""

    batches: int


@dataclass(frozen=True)
class _Run:
    """Train for so long; say how many images a second it was."""

    seconds: float
    threads: int


@dataclass(frozen=True)
class TimeTraining:
    """A worker's job: to train when it is told, and say how fast that is."""

    arch: Arch
    recipe: Recipe
    images: SharedImages
    numerics: Numerics
    device: str

    def work(self, line: Line) -> None:
        """Do what is told for as long as there is anybody to tell it."""
        use_threads(self.numerics)
        with memory_guard("the images"):
            (images,) = self.images.open()
            images = images.to(use_device(self.device))
        while True:
            match line.hear():
                case _Prepare(batches=batches):
                    size = min(len(images), batches * self.recipe.batch_size)
                    with memory_guard("the images"):
                        some = images.take(torch.arange(size)).packed()
                    epochs = self._epochs(some)
                    next(epochs)  # warms up
                    line.say(next(epochs))
                case _Run(seconds=seconds, threads=threads):
                    torch.set_num_threads(threads)
                    line.say(_rate(epochs, len(some), seconds))

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
    """Train whole epochs for at least so long; return images a second."""
    trained, started = 0, time.perf_counter()
    while not trained or time.perf_counter() - started < seconds:
        next(epochs)
        trained += images
    return trained / (time.perf_counter() - started)


def _measure(job: TimeTraining, teams: dict[int, int], seconds: float) -> dict[int, float]:
    """Return images a second by number of workers, of as many as there is room for."""
    with _started(job, max(teams)) as workers:
        (batch_seconds,) = _told(workers[:1], _Prepare(1))
        batches = max(1, min(MOST_BATCHES, int(seconds / 4 / batch_seconds)))
        able = _able(workers, _Prepare(batches))
        rates: dict[int, list[float]] = {count: [] for count in teams if count <= len(able)}
        for _ in range(ROUNDS):
            for count in rates:
                told = _Run(seconds, teams[count])
                rates[count].append(sum(_told(able[:count], told)))
    return {count: median(measured) for count, measured in rates.items()}


@contextmanager
def _started(job: TimeTraining, count: int) -> Iterator[list[Worker]]:
    workers: list[Worker] = []
    try:
        for _ in range(count):
            workers.append(Worker(job, [job.images.descriptor]))  # noqa: PERF401, each must end
        yield workers
    finally:
        for worker in workers:
            worker.end()


def _able(workers: Sequence[Worker], preparation: _Prepare) -> list[Worker]:
    """Let workers prepare, all at once; return those that there was room for."""
    for worker in workers:
        worker.tell(preparation)
    able, reasons = list[Worker](), list[BudgetnasError]()
    for worker in workers:
        try:
            _answer(worker)
            able.append(worker)
        except BudgetnasError as error:
            reasons.append(error)
    if not able:
        raise reasons[0]
    return able


def _told(workers: Sequence[Worker], something: object) -> list[float]:
    """Tell workers something, all at once; return what they say to it."""
    for worker in workers:
        worker.tell(something)
    return [_answer(worker) for worker in workers]


def _answer(worker: Worker) -> float:
    try:
        said = worker.hear()
    except EOFError:
        how = worker.last_words()
        raise BudgetnasError(
            f"a worker process must train to be timed, it died of {how}"
        ) from None
    if isinstance(said, Exception):
        raise said
    return float(said)

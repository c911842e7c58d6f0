"""`Executor` trains trials, in this process or in a pool of processes."""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Protocol

import torch

from budgetnas.data.images import Statistics
from budgetnas.errors import BudgetnasError
from budgetnas.executors._process import Channel, SharedImages, WorkerProcess, picklable, shared
from budgetnas.executors._trial import (
    Broke,
    Decision,
    EpochResult,
    ProcessExited,
    Training,
    TrialEvent,
    TrialJob,
    TrialSettings,
    is_final,
    train_trial,
)
from budgetnas.files import sweep
from budgetnas.recipe import Normalization
from budgetnas.train import TrainingData, memory_guard, use_device, use_threads


class Executor(Protocol):
    """Trains one trial or several at once, and reports each epoch."""

    @property
    def slots(self) -> int:
        """The number of trials that can be submitted now."""

    def submit(self, job: TrialJob) -> None:
        """Train a trial; there must be a free slot."""

    @property
    def has_event(self) -> bool:
        """Whether `next_event` returns without waiting."""

    def next_event(self) -> tuple[int, TrialEvent] | None:
        """Wait for the next event; return the trial's number and the event.

        None where it concerns no trial. An `EpochResult` has to be answered by `reply`.
        """

    def reply(self, trial: int, decision: Decision) -> None:
        """Decide how a trial goes on after an `EpochResult`."""


class InProcessExecutor:
    """Trains one trial at a time in this process."""

    def __init__(self, settings: TrialSettings, folder: Path, data: TrainingData) -> None:
        self._settings, self._folder, self._data = settings, folder, data
        self._trial = 0
        self._training: Training | None = None
        self._decision: Decision | None = None

    @property
    def slots(self) -> int:
        return int(self._training is None)

    @property
    def has_event(self) -> bool:
        """Never: it trains within `next_event`."""
        return False

    def submit(self, job: TrialJob) -> None:
        self._trial, self._decision = job.trial, None
        self._training = train_trial(self._settings, self._folder, self._data, job)

    def next_event(self) -> tuple[int, TrialEvent]:
        assert self._training is not None, "a trial was submitted"
        event = self._training.send(self._decision)
        self._decision = None
        if is_final(event):
            self._training = None
        return self._trial, event

    def reply(self, trial: int, decision: Decision) -> None:
        assert self._training is not None, "an epoch was reported"
        self._decision = decision
        if decision is Decision.STOP:
            self._training.close()
            self._training = None


@dataclass(frozen=True)
class _WorkerReady:
    """A worker has loaded its images."""


@dataclass(frozen=True)
class TrialWorker:
    """A worker process's task: train one submitted trial after the other."""

    settings: TrialSettings
    folder: Path
    """The study's."""
    images: SharedImages
    device: str
    measured: dict[Normalization, Statistics]
    """The statistics computed so far, by normalization."""

    def run(self, channel: Channel) -> None:
        """Train what is received until the channel closes."""
        use_threads(self.settings.numerics)
        with memory_guard("the images"):
            train, val = self.images.open()
            data = TrainingData(train, val, self.settings.numerics, self.measured)
            data = data.to(use_device(self.device))
        channel.send(_WorkerReady())
        while True:
            _report(train_trial(self.settings, self.folder, data, channel.receive()), channel)


def _report(training: Training, channel: Channel) -> None:
    """Send a training's events, and pass the decisions back to it."""
    decision = None
    with closing(training):
        while decision is not Decision.STOP:
            event = training.send(decision)
            channel.send(Broke(picklable(event.error)) if isinstance(event, Broke) else event)
            if is_final(event):
                return
            decision = channel.receive() if isinstance(event, EpochResult) else None


class _Member:
    """A worker of the pool and the trial that it trains."""

    def __init__(self, process: WorkerProcess) -> None:
        self.process = process
        self.ready = False
        self.trial: int | None = None


class ProcessPoolExecutor:
    """Trains trials side by side in processes; one that exits is replaced when it is needed."""

    def __init__(self, tasks: Sequence[TrialWorker]) -> None:
        self._tasks = tasks
        self._members: dict[int, _Member] = {}  # by the index of their task
        self._pending = deque[int]()

    def start(self) -> None:
        """Start a process for each task."""
        for index in range(len(self._tasks)):
            self._start(index)

    def _start(self, index: int) -> _Member:
        task = self._tasks[index]
        self._members[index] = _Member(WorkerProcess(task, [task.images.descriptor]))
        return self._members[index]

    def kill(self) -> None:
        """Kill all processes."""
        for member in self._members.values():
            member.process.kill()

    @property
    def slots(self) -> int:
        """The number of trials that can be submitted now."""
        return len(self._tasks) - sum(m.trial is not None for m in self._members.values())

    def submit(self, job: TrialJob) -> None:
        """Train a trial in an idle process; start one if it has exited."""
        missing = (index for index in range(len(self._tasks)) if index not in self._members)
        idle = (member for member in self._members.values() if member.trial is None)
        member = next(idle, None) or self._start(next(missing))
        member.trial = job.trial
        member.process.send(job)

    def reply(self, trial: int, decision: Decision) -> None:
        """Decide how a trial goes on after an `EpochResult`."""
        (member,) = (m for m in self._members.values() if m.trial == trial)
        member.process.send(decision)
        if decision is Decision.STOP:
            member.trial = None

    @property
    def has_event(self) -> bool:
        """Whether `next_event` returns without waiting."""
        return bool(self._pending or self._wait(0))

    def next_event(self) -> tuple[int, TrialEvent] | None:
        """Wait for the next event; processes that send at the same time take turns."""
        if not self._pending:
            self._pending += self._wait(None)
        return self._receive(self._pending.popleft())

    def _wait(self, seconds: float | None) -> list[int]:
        indices = {m.process.connection: index for index, m in self._members.items()}
        return [indices[ready] for ready in wait(list(indices), seconds)]  # type: ignore[index]

    def _receive(self, index: int) -> tuple[int, TrialEvent] | None:
        """Receive a worker's message; None if it concerns no trial."""
        member = self._members[index]
        try:
            event = member.process.receive()
        except EOFError:
            event = self._remove(index)
        if isinstance(event, Exception):  # raised outside a trial
            raise event
        trial = member.trial
        if isinstance(event, _WorkerReady) or trial is None:
            member.ready = True
            return None
        if is_final(event):
            member.trial = None
        return trial, event

    def _remove(self, index: int) -> ProcessExited:
        """Remove a process that has exited."""
        member = self._members.pop(index)
        reason = member.process.exit_reason()
        if not member.ready:
            raise BudgetnasError(f"a worker process must get ready to train, it died of {reason}")
        return ProcessExited(reason)


@contextmanager
def process_pool(
    settings: TrialSettings,
    folder: Path,
    data: TrainingData,
    devices: Sequence[torch.device],
    count: int,
) -> Iterator[Executor]:
    """Start N worker processes; kill them at the end.

    Args:
        settings: The study's.
        folder: The study's, which this process holds.
        data: Its images, on the CPU.
        devices: Where to train; workers are assigned to them in turn.
        count: The number of processes.
    """
    assert data.val is not None, "trials are validated"
    with shared(data.images, data.val, folder=folder) as images:
        assigned = itertools.islice(itertools.cycle(devices), count)
        tasks = [TrialWorker(settings, folder, images, str(d), data.measured) for d in assigned]
        pool = ProcessPoolExecutor(tasks)
        try:
            pool.start()
            yield pool
        finally:
            pool.kill()
            sweep(folder)  # partly written checkpoints

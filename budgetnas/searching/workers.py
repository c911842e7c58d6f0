"""`Workers`: a crew of processes, which train several trials side by side."""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path

import torch

from budgetnas.errors import BudgetnasError
from budgetnas.files import sweep
from budgetnas.searching.conditions import Conditions
from budgetnas.searching.crew import Crew
from budgetnas.searching.shared_images import shared
from budgetnas.searching.task import Task
from budgetnas.searching.train_trials import Ready, TrainTrials
from budgetnas.searching.training import Answer, Assignment, Died, Said, is_last
from budgetnas.searching.worker import Worker


class _Member:
    """A worker of the crew, and the trial that it trains."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.ready = False
        self.trial: int | None = None


class Workers:
    """A crew of processes. One that dies is replaced when it is needed."""

    def __init__(self, jobs: Sequence[TrainTrials]) -> None:
        self._jobs = jobs
        self._members: dict[int, _Member] = {}  # by the number of their job
        self._speaking = deque[int]()

    def start(self) -> None:
        """Start a process for each job."""
        for number in range(len(self._jobs)):
            self._start(number)

    def _start(self, number: int) -> _Member:
        job = self._jobs[number]
        self._members[number] = _Member(Worker(job, [job.images.descriptor]))
        return self._members[number]

    def end(self) -> None:
        """End all of them at once, whatever they are doing."""
        for member in self._members.values():
            member.worker.end()

    @property
    def free(self) -> int:
        """How many more trials it could train now."""
        return len(self._jobs) - sum(m.trial is not None for m in self._members.values())

    def begin(self, assignment: Assignment) -> None:
        """Let a worker that is free train a trial; start one if it has died."""
        missing = (n for n in range(len(self._jobs)) if n not in self._members)
        idle = (member for member in self._members.values() if member.trial is None)
        member = next(idle, None) or self._start(next(missing))
        member.trial = assignment.trial
        member.worker.tell(assignment)

    def answer(self, trial: int, answer: Answer) -> None:
        """Say what becomes of a trial after the epoch that was trained."""
        (member,) = (m for m in self._members.values() if m.trial == trial)
        member.worker.tell(answer)
        if answer is Answer.END:
            member.trial = None

    @property
    def speaks(self) -> bool:
        """Whether there is something to listen to, without waiting for it."""
        return bool(self._speaking or self._wait(0))

    def listen(self) -> tuple[int, Said] | None:
        """Wait for what is said next; all that speak at once have their turn."""
        if not self._speaking:
            self._speaking += self._wait(None)
        return self._hear(self._speaking.popleft())

    def _wait(self, seconds: float | None) -> list[int]:
        lines = {m.worker.connection: number for number, m in self._members.items()}
        return [lines[line] for line in wait(list(lines), seconds)]  # type: ignore[index]

    def _hear(self, number: int) -> tuple[int, Said] | None:
        """Hear what a worker says; None if it is not about a trial."""
        member = self._members[number]
        try:
            said = member.worker.hear()
        except EOFError:
            said = self._lost(number)
        if isinstance(said, Exception):  # of none of its trials
            raise said
        trial = member.trial
        if isinstance(said, Ready) or trial is None:
            member.ready = True
            return None
        if is_last(said):
            member.trial = None
        return trial, said

    def _lost(self, number: int) -> Died:
        """Take leave of a worker that is gone."""
        member = self._members.pop(number)
        how = member.worker.last_words()
        if not member.ready:
            raise BudgetnasError(f"a worker process must get ready to train, it died of {how}")
        return Died(how)


@contextmanager
def workers(
    conditions: Conditions, folder: Path, task: Task, devices: Sequence[torch.device], count: int
) -> Iterator[Crew]:
    """Train in so many processes; afterwards none of them is left.

    Args:
        conditions: The study's.
        folder: The study's, which this process holds.
        task: Its images, on the CPU.
        devices: What to train on, dealt round.
        count: How many.
    """
    with shared(task.images, task.val, folder=folder) as images:
        dealt = itertools.islice(itertools.cycle(devices), count)
        jobs = [TrainTrials(conditions, folder, images, str(d), task.measured) for d in dealt]
        crew = Workers(jobs)
        try:
            crew.start()
            yield crew
        finally:
            crew.end()
            sweep(folder)  # what they were writing

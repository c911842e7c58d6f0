"""`ScriptedExecutor`: reports given values instead of training, in milliseconds."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

from budgetnas.executors._trial import (
    Decision,
    EpochResult,
    Suspended,
    TrialEvent,
    TrialJob,
    is_final,
)
from budgetnas.metric import Measurements

Script: TypeAlias = Sequence[float | TrialEvent]
"""A trial's report: a value in [0, 1] for an epoch, or any other event."""


class ScriptedExecutor:
    """Reports what a script says of each trial.

    A trial that is submitted again goes on in its script after the last event: a suspended one
    after the epoch that was reported, one with `ProcessExited` or `Failed` after that.
    """

    def __init__(
        self, script: Mapping[int, Script] | Callable[[TrialJob], Script], slots: int = 1
    ) -> None:
        """Prepare to report.

        Args:
            script: By trial number, or a function of the job.
            slots: The number of trials that run at once; they take turns, an event each.
        """
        self._script = script if callable(script) else lambda job: script[job.trial]
        self._slots = slots
        self._scripts: dict[int, Iterator[float | TrialEvent]] = {}
        self._epochs: dict[int, int] = {}
        self._running: deque[int] = deque()
        self.submitted: list[TrialJob] = []
        """All jobs, in order."""
        self.decisions: list[tuple[int, int, Decision]] = []
        """All replies, in order: trial, epoch and decision."""

    @property
    def slots(self) -> int:
        """The number of trials that can be submitted now."""
        return self._slots - len(self._running)

    def submit(self, job: TrialJob) -> None:
        """Start or continue a trial's script."""
        assert self.slots, "no slot is free"
        self.submitted.append(job)
        self._scripts.setdefault(job.trial, iter(self._script(job)))
        self._running.append(job.trial)

    @property
    def has_event(self) -> bool:
        """Never: events are made within `next_event`, after all slots are filled."""
        return False

    def next_event(self) -> tuple[int, TrialEvent]:
        """Report the next event of the trial whose turn it is."""
        trial = self._running.popleft()
        said = next(self._scripts[trial])
        event = self._result(trial, said) if isinstance(said, float) else said
        if not is_final(event):
            self._running.append(trial)
        return trial, event

    def _result(self, trial: int, value: float) -> EpochResult:
        epoch = self._epochs[trial] = self._epochs.get(trial, 0) + 1
        measured = Measurements(val_accuracy=value, val_loss=1 - value, epochs=epoch)
        return EpochResult(epoch, value, value, measured, seconds=0.0)

    def reply(self, trial: int, decision: Decision) -> None:
        """Record the decision and act on it."""
        self.decisions.append((trial, self._epochs[trial], decision))
        if decision is Decision.STOP:
            self._running.remove(trial)
        if decision is Decision.SUSPEND:
            self._scripts[trial] = chain([Suspended()], self._scripts[trial])

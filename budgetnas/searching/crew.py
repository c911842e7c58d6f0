"""Who trains the trials: a `Crew`; this process is the smallest one."""

from pathlib import Path
from typing import Protocol

from budgetnas.searching.conditions import Conditions
from budgetnas.searching.task import Task
from budgetnas.searching.training import Answer, Assignment, Said, Training, is_last, training


class Crew(Protocol):
    """Trains several trials at once, and says of each what becomes of it."""

    @property
    def free(self) -> int:
        """How many more trials it could train now."""

    def begin(self, assignment: Assignment) -> None:
        """Train a trial, if any is free."""

    @property
    def speaks(self) -> bool:
        """Whether there is something to listen to, without waiting for it."""

    def listen(self) -> tuple[int, Said] | None:
        """Wait for what is said next; return the trial's number and what was said of it.

        It may be about no trial: then None. After `Trained` an answer is waited for.
        """

    def answer(self, trial: int, answer: Answer) -> None:
        """Say what becomes of a trial after the epoch that was trained."""


class Alone:
    """This process, a crew of one."""

    def __init__(self, conditions: Conditions, folder: Path, task: Task) -> None:
        self._conditions, self._folder, self._task = conditions, folder, task
        self._trial = 0
        self._training: Training | None = None
        self._answer: Answer | None = None

    @property
    def free(self) -> int:
        """One, or none."""
        return int(self._training is None)

    @property
    def speaks(self) -> bool:
        """It trains while it is listened to."""
        return False

    def begin(self, assignment: Assignment) -> None:
        """Train this trial, whenever somebody listens."""
        self._trial, self._answer = assignment.trial, None
        self._training = training(self._conditions, self._folder, self._task, assignment)

    def listen(self) -> tuple[int, Said]:
        """Train one more epoch."""
        assert self._training is not None, "a trial has begun"
        said = self._training.send(self._answer)
        self._answer = None
        if is_last(said):
            self._training = None
        return self._trial, said

    def answer(self, trial: int, answer: Answer) -> None:
        """Go on when somebody listens, or let go of the training."""
        assert self._training is not None, "a trial has been heard of"
        self._answer = answer
        if answer is Answer.END:
            self._training.close()
            self._training = None

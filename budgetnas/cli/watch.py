"""Showing a search or a retraining while it runs: lines and a live bar, on stderr."""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from budgetnas.cli import signals
from budgetnas.events import (
    EpochEnded,
    Estimated,
    Event,
    Loading,
    Notice,
    RunEpochEnded,
    RunStarted,
    SearchStarted,
    TestOpened,
    TrialEnded,
)
from budgetnas.searching.estimate import describe_duration
from budgetnas.study.metric import beside_accuracy
from budgetnas.study.trials import Kind

PIPE_WIDTH = 200
EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal to draw a bar on."""


class _Watch(ABC):
    """A bar where there is a terminal, lines where there is none."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, markup=False)
        if not self.console.is_terminal:
            self.console.width = PIPE_WIDTH
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
        )
        self._task: TaskID = self._bar.add_task("starting", total=None, note="")
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def interrupted(self, again: str) -> None:
        """Say what is kept and what goes on."""
        self._bar.stop()
        self.say(f"Interrupted. {self.kept()} To go on: {again}")

    @abstractmethod
    def kept(self) -> str:
        """Say what an interruption leaves."""

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one.

        Whoever was looking may be gone, and stderr with them: the work goes on.
        """
        with suppress(OSError, SystemExit):  # rich ends the program if a pipe is closed
            self.console.print(text, soft_wrap=True)
        self._last_line = time.monotonic()

    def show(self, what: str, done: float, total: float, note: str = "") -> None:
        """Move the bar; without a terminal, print a line now and then."""
        self._bar.update(self._task, description=what, completed=done, total=total, note=note)
        if not self.console.is_terminal and time.monotonic() - self._last_line > EVERY:
            self.say(f"{what}: {note}" if note else f"{what}: {done:,} of {total:,}")

    def common(self, event: Event) -> None:
        """Show what searches and retrainings have in common."""
        match event:
            case Notice(text=text):
                self.say(text)
            case Loading(what=what, done=done, total=total):
                self.show(what, done, total)


@contextmanager
def shown(watch: _Watch) -> Iterator[None]:
    """Show the work within; if it is interrupted, say what is kept, and end with status 130."""
    try:
        with signals.raised(), watch:
            yield
    except KeyboardInterrupt:
        watch.interrupted(signals.repeated(sys.argv[1:]))
        raise typer.Exit(130) from None


class SearchWatch(_Watch):
    """Shows a search."""

    def __init__(self) -> None:
        super().__init__()
        self._trials = 1
        self._trained: int | None = None
        self._here: list[float] = []
        self._workers = 1
        self._running: dict[int, float] = {}
        """How far each trial is that is being trained, in [0, 1]."""
        self._note = self._beside = ""

    def kept(self) -> str:
        """Say what an interruption leaves."""
        if self._trained is None:  # interrupted before the study was opened
            return "What was finished is kept."
        whose = "the running one's" if self._workers == 1 else "the running ones'"
        return f"{self._trained} trained trials and {whose} finished epochs are kept."

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case SearchStarted():
                self._started(event)
            case Estimated():
                self._estimated(event)
            case EpochEnded(trial=trial, epoch=epoch, epochs=epochs):
                self._running[trial] = epoch / epochs
                self._show(f"trial {trial}, epoch {epoch} of {epochs}")
            case TrialEnded():
                self._ended(event)
            case _:
                self.common(event)

    def _show(self, what: str) -> None:
        """Move the bar to what is trained, and the parts of what is being trained."""
        done = (self._trained or 0) + sum(self._running.values())
        self.show(what, done, self._trials, self._note)

    def _started(self, event: SearchStarted) -> None:
        self._trained, self._trials = event.tally.trained, event.trials
        self._beside = beside_accuracy(event.largest_class, event.metric)
        self._note = f"{self._trained} of {self._trials} trained"
        if self._trained:
            self.say(f"study {event.study} has {self._trained} of {event.trials} trained trials")

    def _estimated(self, event: Estimated) -> None:
        self._workers = event.workers
        at_once = f", {event.workers} at once" if event.workers > 1 else ""
        self.say(
            f"{event.trials} trials will take about {describe_duration(event.seconds)} "
            f"on {event.device}{at_once}, less what is stopped early"
        )
        if event.busy:
            self.say(event.busy)
        if event.slow:
            self.say(
                "To make it shorter: a GPU; for a search, fewer --trials or --epochs, "
                "--train-samples 10000, a smaller --budget, or a --space of narrower early "
                "stages; for a study file, --quick. Going on."
            )

    def _ended(self, event: TrialEnded) -> None:
        tally, best = event.tally, event.best
        self._trained = tally.trained
        self._running.pop(event.number, None)
        self._note = f"{tally.trained} of {self._trials} trained, {tally.over_budget} over budget"
        if best:
            self._note += f", best {best.value:.2%}{self._beside} with {best.params:,} params"
        if event.kind is Kind.FAILED:
            self.say(f"trial {event.number:>4}  failed: {event.title}: {event.failure}")
        elif event.kind is Kind.OUT:
            self._trials -= 1
            self.say(f"trial {event.number:>4}  not trained, out of the race: {event.title}")
        elif event.kind is Kind.TRAINED and event.value is not None:
            self._here.append(event.seconds)
            left = self._trials - tally.trained
            seconds = left * sum(self._here) / len(self._here) / min(self._workers, max(left, 1))
            self._note += f", {describe_duration(seconds)} left"
            mark = "stopped" if event.pruned else "best" if self._is_best(event) else ""
            self.say(
                f"trial {event.number:>4}  {event.value:7.2%}  {event.params:>10,} params  "
                f"{event.seconds:6.1f} s  {mark:7}  {event.title}"
            )
        self._show(f"trial {event.number}")

    @staticmethod
    def _is_best(event: TrialEnded) -> bool:
        return event.best is not None and event.best.number == event.number


class RetrainWatch(_Watch):
    """Shows a retraining."""

    def __init__(self) -> None:
        super().__init__()
        self.folder: Path | None = None
        self._done = 0
        self._here: list[float] = []

    def kept(self) -> str:
        """Say what an interruption leaves."""
        return f"{self._done} finished epochs are kept."

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case RunStarted():
                self.folder, self._done = event.folder, event.epochs_done
                self.say(
                    f"{event.arch}: {event.params:,} parameters, {event.images:,} images, "
                    f"{event.epochs} epochs on {event.device}"
                )
                if event.epochs_done:
                    self.say(f"continuing after epoch {event.epochs_done}")
            case RunEpochEnded():
                self._ended(event)
            case TestOpened(openings=openings):
                why = ", to look at after every epoch: test-selected" if event.every_epoch else ""
                self.say(f"opening the test set (opening {openings} for this study){why}")
            case _:
                self.common(event)

    def _ended(self, event: RunEpochEnded) -> None:
        self._done = event.epoch
        self._here.append(event.seconds)
        left = (event.epochs - event.epoch) * sum(self._here) / len(self._here)
        evaluated = ""
        if event.val_accuracy is not None:
            evaluated = f"val {event.val_accuracy:.2%}{_balanced(event)}, "
        elif event.test_accuracy is not None:
            evaluated = f"test {event.test_accuracy:.2%}{_balanced(event)} (test-selected), "
        self.show(
            f"epoch {event.epoch} of {event.epochs}", event.epoch, event.epochs,
            f"loss {event.train_loss:.3f}, {event.train_accuracy:.2%} of augmented images right, "
            f"{evaluated}{describe_duration(left)} left",
        )  # fmt: skip


def _balanced(event: RunEpochEnded) -> str:
    """Write what was measured of classes that count alike."""
    return "" if event.balanced is None else f" (balanced {event.balanced:.2%})"


class BenchWatch(_Watch):
    """Shows a benchmark."""

    def kept(self) -> str:
        """Say what an interruption leaves."""
        return "Nothing is kept."

    def __call__(self, event: Event) -> None:
        """Show an event."""
        self.common(event)

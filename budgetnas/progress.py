"""Showing a search or a retraining while it runs, on stderr: unless told otherwise, always.

In a terminal a live bar stands below the lines; a notebook has one line that changes instead, and
where there is neither (a pipe, CI), a line is written now and then. Nothing is written on stdout.
It is rich's bar, not tqdm's: lines above it stay whole, and rich is needed for nothing more.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, cleandoc
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.text import Text

from budgetnas.events import (
    Callbacks,
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
    Watcher,
    ignore,
)
from budgetnas.metric import beside_accuracy
from budgetnas.study.options import Options
from budgetnas.study.trial_record import Kind

R = TypeVar("R")
O = TypeVar("O", bound=Options)  # noqa: E741
Clock = Callable[[], float]
"""Seconds since some moment."""

PIPE_WIDTH = 200
EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal to draw a bar on."""


def describe_duration(seconds: float) -> str:
    """Return a duration in its two largest units: `1 h 20 min`, `45 s`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


class _TimeLeft(ProgressColumn):
    """The time left, which also moves between two events."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def render(self, task: Task) -> Text:
        """Write it; nothing where it is not known."""
        end = task.fields["end"]
        return Text(
            "" if end is None else f"{describe_duration(max(0, end - self._clock()))} left"
        )


class ShownProgress(ABC):
    """A bar where there is a terminal, lines where there is none."""

    def __init__(
        self, clock: Clock = time.monotonic, *, quiet: bool = False, verbose: bool = False
    ) -> None:
        """Begin to show.

        Args:
            clock: Tells the time.
            quiet: Show nothing but what an interruption leaves.
            verbose: Show every epoch, and every draw that is not trained.
        """
        self._clock = clock
        self._quiet, self._verbose = quiet, verbose
        self._display: Any = None
        """The line that changes, in a notebook."""
        self.console = Console(stderr=True, highlight=False, markup=False)
        if not self.console.is_terminal:
            self.console.width = PIPE_WIDTH
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            _TimeLeft(clock),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
            transient=True,
        )
        self._task: TaskID = self._bar.add_task("starting", total=None, note="", end=None)
        self._last_line = clock()

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
        """Print what is kept and the command that continues."""
        self._bar.stop()
        self._quiet = False
        self.say(f"Interrupted. {self.kept()} To continue: {again}")

    @abstractmethod
    def __call__(self, event: Event) -> None:
        """Show an event."""

    @abstractmethod
    def kept(self) -> str:
        """Return what an interruption leaves."""

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one.

        stderr may be closed: the work continues.
        """
        if self._quiet:
            return
        with suppress(OSError, SystemExit):  # rich ends the program if a pipe is closed
            self.console.print(text, soft_wrap=True)
        self._last_line = self._clock()

    def show(
        self, what: str, done: float, total: float, note: str = "", left: float | None = None
    ) -> None:
        """Move the bar; without a terminal, print a line now and then.

        Args:
            what: What is being done.
            done: How much of it is.
            total: Of how much.
            note: What else there is to say.
            left: Seconds until the end, where they are known.
        """
        end = None if left is None else self._clock() + left
        self._bar.update(
            self._task, description=what, completed=done, total=total, note=note, end=end
        )
        if self.console.is_terminal or self._quiet:
            return
        note += "" if left is None else f"{', ' if note else ''}{describe_duration(left)} left"
        line = f"{what}: {note}" if note else f"{what}: {done:,} of {total:,}"
        if self.console.is_jupyter:
            self._change_line(line)
        elif self._clock() - self._last_line > EVERY:
            self.say(line)

    def _change_line(self, line: str) -> None:
        """Show a line in a notebook, in place of the one before."""
        from IPython.display import display

        content = {"text/plain": line}
        if self._display is None:
            self._display = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._display.update(content, raw=True)

    def common(self, event: Event) -> None:
        """Show what searches and retrainings have in common."""
        match event:
            case Notice(text=text):
                self.say(text)
            case Loading(what=what, done=done, total=total):
                self.show(what, done, total)


@dataclass(frozen=True)
class _RunningTrial:
    """A trial that is being trained."""

    since: float
    """When its first epoch here began."""
    skipped: int
    """Epochs that it had before."""
    epoch: int
    epochs: int
    at: float
    """When its last epoch ended."""

    @property
    def share(self) -> float:
        """How far it is, in [0, 1]."""
        return self.epoch / self.epochs

    @property
    def whole(self) -> float:
        """The seconds that all its epochs take."""
        return (self.at - self.since) / (self.epoch - self.skipped) * self.epochs

    def left(self, now: float) -> float:
        """Return the seconds that are left of it, if it is not stopped early."""
        return max(0.0, self.whole * (1 - self.share) - (now - self.at))


def _mean(seconds: list[float]) -> float | None:
    return sum(seconds) / len(seconds) if seconds else None


class SearchProgress(ShownProgress):
    """Shows a search."""

    def __init__(self, clock: Clock = time.monotonic, **amount: bool) -> None:
        super().__init__(clock, **amount)
        self._trials = 1
        self._trained: int | None = None
        self._seconds: list[float] = []
        """Seconds of each trial that has ended here."""
        self._expected: float | None = None
        """Seconds of a trial by the estimate."""
        self._workers = 1
        self._free_since = clock()
        """When a worker had last something else to do."""
        self._running: dict[int, _RunningTrial] = {}
        self._note = self._beside = ""

    def kept(self) -> str:
        """Return what an interruption leaves."""
        if self._trained is None:  # interrupted before the study was opened
            return "Finished work is saved."
        whose = "the running one's" if self._workers == 1 else "the running ones'"
        return f"{self._trained} trained trials and {whose} finished epochs are saved."

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case SearchStarted():
                self._started(event)
            case Estimated():
                self._estimated(event)
            case EpochEnded(trial=trial, epoch=epoch, epochs=epochs):
                self._count(trial, epoch, epochs)
                if self._verbose:
                    self.say(f"trial {trial:>4}  epoch {epoch} of {epochs}: {event.value:.2%}")
                self._show(f"trial {trial}, epoch {epoch} of {epochs}")
            case TrialEnded():
                self._ended(event)
            case _:
                self.common(event)

    def _count(self, trial: int, epoch: int, epochs: int) -> None:
        """Count an epoch; a trial that is taken up again begins later than with its first."""
        now = self._clock()
        began = self._running.get(trial)
        if began is None:
            began = _RunningTrial(self._free_since, epoch - 1, epoch, epochs, now)
        self._running[trial] = _RunningTrial(began.since, began.skipped, epoch, epochs, now)

    def left(self) -> float | None:
        """Return the seconds left: of what is being trained, by its own epochs, and of the rest.

        A trial to come takes what those took that have ended here; before one has, what the one
        takes that is being trained, else what was estimated.
        """
        running = self._running.values()
        wholes = [each.whole for each in running]
        of_one = _mean(self._seconds) or _mean(wholes) or self._expected
        if of_one is None:
            return None
        to_come = max(0, self._trials - (self._trained or 0) - len(wholes))
        now = self._clock()
        seconds = sum(each.left(now) for each in running) + to_come * of_one
        return seconds / max(1, min(self._workers, to_come + len(wholes)))

    def _show(self, what: str) -> None:
        """Move the bar to what is trained, and the parts of what is being trained."""
        done = (self._trained or 0) + sum(each.share for each in self._running.values())
        self.show(what, done, self._trials, self._note, self.left())

    def _started(self, event: SearchStarted) -> None:
        self._trained, self._trials = event.tally.trained, event.trials
        self._beside = beside_accuracy(event.largest_class, event.metric)
        self._note = f"{self._trained} of {self._trials} trained"
        if self._trained:
            self.say(f"study {event.study} has {self._trained} of {event.trials} trained trials")

    def _estimated(self, event: Estimated) -> None:
        self._workers, self._free_since = event.workers, self._clock()
        self._expected = event.seconds / event.trials * min(event.workers, event.trials)
        at_once = f", {event.workers} at once" if event.workers > 1 else ""
        self.say(
            f"Estimated time: {describe_duration(event.seconds)} for {event.trials} trials "
            f"({event.device}{at_once}), before early stopping"
        )
        if event.busy:
            self.say(event.busy)
        if event.slow:
            self.say(
                "To make it shorter: a GPU; for a search, fewer --trials or --epochs, "
                "--train-samples 10000, a smaller --budget, or a --space of narrower early "
                "stages; for a study file, --quick. Continuing."
            )

    def _ended(self, event: TrialEnded) -> None:
        tally, best = event.tally, event.best
        self._trained = tally.trained
        self._running.pop(event.number, None)
        self._free_since = self._clock()
        self._note = f"{tally.trained} of {self._trials} trained, {tally.over_budget} over budget"
        if best:
            self._note += f", best {best.value:.2%}{self._beside} with {best.params:,} params"
        if event.kind is Kind.FAILED:
            self.say(f"trial {event.number:>4}  failed: {event.title}: {event.failure}")
        elif event.kind is Kind.OUT:
            self._trials -= 1
            self.say(f"trial {event.number:>4}  not trained, out of the race: {event.title}")
        elif event.kind is Kind.TRAINED and event.value is not None:
            self._seconds.append(event.seconds)
            mark = "stopped" if event.pruned else "best" if self._is_best(event) else ""
            self.say(
                f"trial {event.number:>4}  {event.value:7.2%}  {event.params:>10,} params  "
                f"{event.seconds:6.1f} s  {mark:7}  {event.title}"
            )
        elif self._verbose and event.kind in (Kind.OVER_BUDGET, Kind.DUPLICATE):
            self.say(f"trial {event.number:>4}  not trained: {event.kind.value}")
        self._show(f"trial {event.number}")

    @staticmethod
    def _is_best(event: TrialEnded) -> bool:
        return event.best is not None and event.best.number == event.number


class RetrainProgress(ShownProgress):
    """Shows a retraining."""

    def __init__(self, clock: Clock = time.monotonic, **amount: bool) -> None:
        super().__init__(clock, **amount)
        self.folder: Path | None = None
        self._done = 0
        self._here: list[float] = []

    def kept(self) -> str:
        """Return what an interruption leaves."""
        return f"{self._done} finished epochs are saved."

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
        evaluated = []
        if event.val_accuracy is not None:
            evaluated = [f"val {event.val_accuracy:.2%}{_balanced(event)}"]
        elif event.test_accuracy is not None:
            evaluated = [f"test {event.test_accuracy:.2%}{_balanced(event)} (test-selected)"]
        images = f"{event.train_accuracy:.2%} of augmented images right"
        what = f"epoch {event.epoch} of {event.epochs}"
        note = ", ".join([f"loss {event.train_loss:.3f}", images, *evaluated])
        if self._verbose:
            self.say(f"{what}: {note}")
        self.show(what, event.epoch, event.epochs, note, left)


def _balanced(event: RunEpochEnded) -> str:
    """Write what was measured of classes that count alike."""
    return "" if event.balanced is None else f" (balanced {event.balanced:.2%})"


class BenchProgress(ShownProgress):
    """Shows a benchmark."""

    def kept(self) -> str:
        """Return what an interruption leaves."""
        return "Nothing is kept."

    def __call__(self, event: Event) -> None:
        """Show an event."""
        self.common(event)


def verb(
    kind: type[O], progress: type[ShownProgress]
) -> Callable[[Callable[[O, Watcher], R]], Callable[..., R]]:
    """Make a function of options also take the options as keyword arguments.

    It shows its progress unless its caller watches it (`watch`), or wants to see nothing
    (`show_progress=False`).
    """

    def decorated(function: Callable[[O, Watcher], R]) -> Callable[..., R]:
        asked = Signature(kind.parameters())

        @wraps(function)
        def called(
            *given: Any, watch: Watcher | None = None, show_progress: bool = True,
            callbacks: Sequence[Watcher] = (), **named: Any,
        ) -> R:  # fmt: skip
            if given and isinstance(given[0], kind):
                options = given[0]
            else:
                options = kind.of(**asked.bind(*given, **named).arguments)
            if watch is not None or not show_progress:
                return function(options, Callbacks(watch or ignore, callbacks))
            with progress() as shown:
                return function(options, Callbacks(shown, callbacks))

        more = {"watch": None, "show_progress": True, "callbacks": ()}
        shown_by = [Parameter(n, Parameter.KEYWORD_ONLY, default=d) for n, d in more.items()]
        called.__signature__ = Signature([*kind.parameters(), *shown_by])  # type: ignore[attr-defined]
        called.__doc__ = _with_arguments(function.__doc__ or "", kind)
        return called

    return decorated


def _with_arguments(doc: str, kind: type[Options]) -> str:
    """Write the options into a docstring, before what it raises."""
    lines = [f"    {name}: {kind.help(name)}" for name in kind.panels()]
    lines += ["    watch: Receives events, instead of showing them."]
    lines += ["    show_progress: Show on stderr how far it is; False to be silent."]
    lines += ["    callbacks: Functions of an event; one ends the work by returning 'stop'."]
    before, raises, after = cleandoc(doc).partition("Raises:")
    return "\n".join([before.rstrip(), "", "Args:", *lines, "", raises + after]).rstrip()

"""The events of a search or a retraining, and what receives them; nothing is printed here."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from budgetnas.analysis import Best
from budgetnas.errors import InputError
from budgetnas.metric import DEFAULT_METRIC, Metric
from budgetnas.study.trial_record import Kind, Tally


@dataclass(frozen=True)
class Notice:
    """Something the user should know."""

    text: str


@dataclass(frozen=True)
class Loading:
    """Data is being read."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class SearchStarted:
    """A search begins or continues."""

    study: str
    tally: Tally
    trials: int
    """Trained trials after which the search ends."""
    metric: Metric = DEFAULT_METRIC
    """The metric of comparisons."""
    largest_class: float | None = None
    """Its share of the validation images, where classes are unequal."""


@dataclass(frozen=True)
class Estimated:
    """How long the search will take here, by a few timed steps."""

    seconds: float
    trials: int
    device: str
    slow: bool
    """Whether it takes hours on a CPU, which deserves a warning."""
    workers: int = 1
    """Trials that are trained at once."""
    busy: str = ""
    """A warning that other programs use the processor; empty if none do."""


@dataclass(frozen=True)
class EpochEnded:
    """A trial has trained one more epoch."""

    trial: int
    epoch: int
    epochs: int
    value: float
    """The study's metric on the validation images, in [0, 1]."""


@dataclass(frozen=True)
class TrialEnded:
    """A trial has ended."""

    number: int
    kind: Kind
    tally: Tally
    best: Best | None
    value: float | None = None
    params: int | None = None
    title: str = ""
    """The architecture."""
    seconds: float = 0.0
    pruned: bool = False
    failure: str = ""


@dataclass(frozen=True)
class RunStarted:
    """A retraining begins or continues."""

    folder: Path
    arch: str
    params: int
    images: int
    device: str
    epochs: int
    epochs_done: int
    """More than 0 if it continues."""


@dataclass(frozen=True)
class RunEpochEnded:
    """A retraining has trained one more epoch, and saved it."""

    epoch: int
    epochs: int
    lr: float
    train_loss: float
    train_accuracy: float
    seconds: float
    val_accuracy: float | None = None
    """On the images that are held out; None where none are."""
    test_accuracy: float | None = None
    """Test-selected; None where the test part is not evaluated before the end."""
    balanced: float | None = None
    """The balanced accuracy beside either; None where nothing is evaluated."""


@dataclass(frozen=True)
class TestOpened:
    """The held-out test part is being opened."""

    openings: int
    """Openings so far, this one included."""
    every_epoch: bool = False
    """Whether it is evaluated after every epoch."""


Event: TypeAlias = (
    Notice
    | Loading
    | SearchStarted
    | Estimated
    | EpochEnded
    | TrialEnded
    | RunStarted
    | RunEpochEnded
    | TestOpened
)
Watcher: TypeAlias = Callable[[Event], object]
"""Receives events; a search or a retraining ends soon after it returns "stop"."""

STOP = "stop"
"""What a callback returns to end a search or a retraining, which can be continued."""


class Callbacks:
    """Passes events on to what shows them, then to callbacks; once one stops, returns "stop"."""

    def __init__(self, watch: Watcher, callbacks: Iterable[Watcher]) -> None:
        listed = tuple(callbacks) if isinstance(callbacks, Iterable) else ()
        if not isinstance(callbacks, Iterable) or not all(map(callable, listed)):
            raise InputError(f"callbacks must be a list of functions, got {callbacks!r}")
        self._watch, self._callbacks = watch, listed
        self._answer: str | None = None

    def __call__(self, event: Event) -> str | None:
        """Pass an event on.

        Raises:
            InputError: If a callback returns anything but None and "stop".
        """
        self._watch(event)
        for callback in self._callbacks:
            answer = callback(event)
            if answer not in (None, STOP):
                raise InputError(f"a callback returns None or {STOP!r}, got {answer!r}")
            self._answer = answer or self._answer
        return self._answer


class Once:
    """Passes each notice on once: trainings repeat most of theirs."""

    def __init__(self, watch: Watcher) -> None:
        self._watch = watch
        self._told = set[str]()

    def __call__(self, notices: Iterable[str]) -> None:
        """Pass new notices on."""
        for text in notices:
            if text not in self._told:
                self._told.add(text)
                self._watch(Notice(text))


def each_once(watch: Watcher) -> Watcher:
    """Return a watcher that passes every event on, but each notice only once."""
    once = Once(watch)
    return lambda event: once([event.text]) if isinstance(event, Notice) else watch(event)


def ignore(event: Event) -> None:
    """Ignore the event."""

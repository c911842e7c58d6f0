"""Showing work of the program, and what an interruption of it leaves."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from budgetnas.cli import signals
from budgetnas.events import Event
from budgetnas.progress import ShownProgress


@contextmanager
def shown(progress: ShownProgress) -> Iterator[None]:
    """Show the work within; if it is interrupted, say what is kept, and end with status 130."""
    try:
        with signals.raised(), progress:
            yield
    except KeyboardInterrupt:
        progress.interrupted(signals.repeated(sys.argv[1:]))
        raise typer.Exit(130) from None


class BenchProgress(ShownProgress):
    """Shows a benchmark."""

    def kept(self) -> str:
        """Return what an interruption leaves."""
        return "Nothing is kept."

    def __call__(self, event: Event) -> None:
        """Show an event."""
        self.common(event)

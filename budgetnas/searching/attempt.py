"""Measurements that a job is better with, and goes on without."""

from collections.abc import Callable
from typing import TypeVar

from budgetnas.events import Notice, Watcher
from budgetnas.train.memory import give_memory_back

Measured = TypeVar("Measured")


def attempt(measure: Callable[[], Measured], without: str, watch: Watcher) -> Measured | None:
    """Measure; where that fails, for whatever reason, say why on a line and return None.

    A job of hours must not end because something that only speeds it up, or tells how long it
    takes, could not be measured. An interruption still interrupts.

    Args:
        measure: What may fail.
        without: What happens instead: how the line begins.
        watch: Told that line.
    """
    try:
        return measure()
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    give_memory_back()  # not in that block: the exception holds what was measured
    watch(Notice(f"{without}: {reason}"))
    return None

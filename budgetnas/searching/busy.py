"""Whether other programs need the processor, too, while something is timed on it."""

import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from budgetnas.train import cores

SHORTEST = 0.25
"""Seconds that are looked at: the system counts in hundredths."""
MARGIN = 0.5
"""So much of a core does not count: the system itself needs some of it."""


class OtherWork:
    """How many cores other programs use within a `with` block."""

    cores: float | None = None
    """Afterwards; None where the system does not tell."""

    def __enter__(self) -> Self:
        self._began, self._own, self._all = time.monotonic(), time.process_time(), _busy_seconds()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._all is None or error is not None:
            return
        time.sleep(max(0.0, SHORTEST - (time.monotonic() - self._began)))
        now, own, every = time.monotonic(), time.process_time(), _busy_seconds()
        if every is not None:
            others = (every - self._all) - (own - self._own)
            self.cores = max(0.0, others) / (now - self._began)


def describe_busy(others: float | None, threads: int, present: int | None = None) -> str:
    """Say that a time was measured on a busy machine; nothing if it was not.

    It was if other programs used more than what a training's threads leave of the cores.

    Args:
        others: How many cores they used; None where that is not known.
        threads: Of the training.
        present: How many cores there are; those of this process unless given.
    """
    present = cores() if present is None else present
    if others is None or others <= max(0, present - threads) + MARGIN:
        return ""
    return (
        f"this machine is busy: other programs use {others:.1f} of {present} cores, a training "
        f"{threads}; as long as they do, it takes longer"
    )


def _busy_seconds() -> float | None:
    """Return for how long this process's processors have worked since the system began."""
    try:
        return busy_seconds_in(Path("/proc/stat").read_text(), os.sched_getaffinity(0))
    except (OSError, AttributeError, ValueError):
        return None


def busy_seconds_in(text: str, numbers: set[int]) -> float:
    """Add up, of the lines of /proc/stat for some processors, all but idle and waiting time."""
    names = {f"cpu{number}" for number in numbers}
    lines = (line.split() for line in text.splitlines())
    ticks = 0
    for name, user, nice, system, _idle, _waiting, *interrupts in (w for w in lines if len(w) > 6):
        if name in names:  # the third of the rest, `steal`, is other machines' work
            ticks += sum(map(int, (user, nice, system, *interrupts[:3])))
    return ticks / os.sysconf("SC_CLK_TCK")

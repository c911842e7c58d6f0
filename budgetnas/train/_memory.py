"""Recognise "out of memory", in its many forms."""

import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from budgetnas.errors import OutOfMemory

Measured = TypeVar("Measured")

_DISGUISES = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "alloc_failed",
    "unable to find an engine to execute this computation",
)


@contextmanager
def memory_guard(what: str) -> Iterator[None]:
    """Raise `OutOfMemory`, saying what did not fit, for whatever the device or host raises."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(f"out of memory: {what}") from error
    except RuntimeError as error:
        # On the CPU torch raises a bare RuntimeError, and oneDNN another.
        if any(disguise in str(error).lower() for disguise in _DISGUISES):
            raise OutOfMemory(f"out of memory: {what}") from error
        raise


def give_memory_back() -> None:
    """Release what a failed training held, on the host and on GPUs.

    To be called when the exception that ended it is gone: its traceback holds the network.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    trim_heap()


def trim_heap() -> None:
    """Give the system back what is free on the host's heap, where the C library can.

    Networks of ever other shapes leave holes behind: without it a process of 100 trials grows.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def attempt(
    measure: Callable[[], Measured], fallback: str, notify: Callable[[str], None]
) -> Measured | None:
    """Return a measurement; where it raises, notify with the reason and return None.

    A job of hours must not end because something that only speeds it up, or estimates how long it
    takes, could not be measured. An interruption still interrupts.

    Args:
        measure: May raise anything.
        fallback: What happens without it: how the notice begins.
        notify: Receives the notice.
    """
    try:
        return measure()
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    give_memory_back()  # not in that block: the exception holds what was measured
    notify(f"{fallback}: {reason}")
    return None

"""Telling "out of memory", in its many disguises, from everything else."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from budgetnas.errors import OutOfMemory

_DISGUISES = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")


@contextmanager
def memory_guard(what: str) -> Iterator[None]:
    """Raise `OutOfMemory`, saying what did not fit, for whatever the device or host raises."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(f"out of memory: {what}") from error
    except RuntimeError as error:
        # On the CPU torch raises a bare RuntimeError, and oneDNN another.
        if any(disguise in str(error) for disguise in _DISGUISES):
            raise OutOfMemory(f"out of memory: {what}") from error
        raise

"""The hardware: choosing and naming a device, threads, memory, and what else is the process's."""

import ctypes
import gc
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from budgetnas.errors import InputError, OutOfMemory, first_line
from budgetnas.recipe import Numerics, threads_title


def choose_device(name: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda` or `cuda:N` into a device that is there.

    Raises:
        InputError: If it is not, with those that are.
    """
    present = ["cpu"]
    if torch.cuda.is_available():
        present += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name == "auto":
        return torch.device("cuda" if "cuda" in present else "cpu")
    if name not in present:
        raise InputError(f"--device must be one of auto, {', '.join(present)}, got {name!r}")
    return torch.device(name)


def use_device(name: str) -> torch.device:
    """Restrict this process to one device."""
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # otherwise some work is also done on the first
    return device


def use_threads(numerics: Numerics) -> None:
    """Give operations on the CPU as many threads as were chosen."""
    torch.set_num_threads(numerics.threads)


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def device_title(device: torch.device, cpu: str = "CPU") -> str:
    """Name the hardware for people and for the record."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{cpu}, {threads_title(torch.get_num_threads())}"


def hardware(device: torch.device) -> str:
    """Name the hardware as numbers that were measured on it need it."""
    return device_title(device, processor())


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


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
    measure: Callable[[], Measured], fallback: str, notify: Callable[[str], object]
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
        reason = first_line(error)
    give_memory_back()  # not in that block: the exception holds what was measured
    notify(f"{fallback}: {reason}")
    return None


def place(model: nn.Module, numerics: Numerics, device: torch.device) -> nn.Module:
    layout = torch.channels_last if numerics.channels_last else torch.contiguous_format
    return model.to(device, memory_format=layout)  # type: ignore[call-overload, no-any-return]


@contextmanager
def unchanged_process() -> Iterator[None]:
    """Leave the process as it was: torch's threads, and cuDNN's search for the fastest kernels.

    Also a decorator. Random numbers need nothing here: global generators are only ever seeded
    and drawn from inside a fork.
    """
    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = benchmark

"""Devices: choosing one, and naming it; threads."""

import os
import platform
from pathlib import Path

import torch

from budgetnas.errors import InputError
from budgetnas.recipe import Numerics


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


def device_title(device: torch.device) -> str:
    """Name the hardware for people and for the record."""
    return _named(device, "CPU")


def hardware(device: torch.device) -> str:
    """Name the hardware as numbers that were measured on it need it."""
    return _named(device, processor())


def _named(device: torch.device, on_a_cpu: str) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{on_a_cpu}, {threads_title(torch.get_num_threads())}"


def threads_title(number: int) -> str:
    """Return the number of threads in words: `1 thread`, `2 threads`."""
    return f"{number} thread{'s' * (number != 1)}"


def processor() -> str:
    """Name the processor as the system does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())

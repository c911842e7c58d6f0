"""Measuring loops in turns: what disturbs one of them disturbs all."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import TypeVar

import torch

from budgetnas.train import memory_guard

Name = TypeVar("Name", bound=str)
Seconds = dict[Name, list[float]]


def measure(
    loops: Mapping[Name, Iterator[object]],
    runs: int,
    device: torch.device,
    tell: Callable[[str, int, int], None],
) -> Seconds[Name]:
    """Measure the seconds of each loop's epochs, in turns.

    Args:
        loops: Each trains an epoch when it is asked; the first warms up and does not count.
        runs: Epochs of each that count.
        device: What they train on.
        tell: Told what is being done, turns done, and turns in all.

    Raises:
        OutOfMemory: If one does not fit.
    """
    seconds: Seconds[Name] = {name: [] for name in loops}
    turns = [(number, name) for number in range(runs + 1) for name in loops]
    for done, (number, name) in enumerate(turns):
        what = f"epoch {number} of {runs}" if number else "warming up"
        tell(f"{what}, {name}", done, len(turns))
        with memory_guard(f"training the {name} way"):
            taken = _timed(loops[name], device)
        if number:
            seconds[name].append(taken)
    return seconds


def times_as_long(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the median ratio of two loops' seconds within a round."""
    return median(a / b for a, b in zip(one, other, strict=True))


def _timed(loop: Iterator[object], device: torch.device) -> float:
    _finish(device)
    started = time.perf_counter()
    next(loop)
    _finish(device)
    return time.perf_counter() - started


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

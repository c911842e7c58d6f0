"""How much of a step on a GPU no kernel runs: what the host and the launches cost."""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, schedule

Interval = tuple[float, float]
"""Start and end."""


def share_outside_kernels(epochs: Iterator[object], device: torch.device) -> float | None:
    """Measure the share of an epoch in which no kernel runs on a GPU.

    Args:
        epochs: A training that has not begun: what is captured in its first epoch can only be
            watched by a profiler that was there. The second one is measured.
        device: The GPU that it trains on.

    Returns:
        In [0, 1], the profiler's own cost included; None where the profiler sees no kernels.
    """
    once = schedule(wait=0, warmup=1, active=1, repeat=1)
    with profile(activities=[ProfilerActivity.CUDA], schedule=once) as profiler:
        next(epochs)
        torch.cuda.synchronize(device)
        profiler.step()
        started = time.perf_counter()
        next(epochs)
        torch.cuda.synchronize(device)
        seconds = time.perf_counter() - started
    busy = union(kernels(_trace(profiler)))
    return max(0.0, 1 - busy / seconds) if busy else None


def _trace(profiler: profile) -> dict[str, Any]:
    """Read what was profiled, in Chrome's format: in it kernels are told from annotations."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        trace: dict[str, Any] = json.loads(path.read_text(errors="replace"))
    return trace


def kernels(trace: dict[str, Any]) -> list[Interval]:
    """List when kernels run, in seconds; what copies memory is none."""
    return [
        (event["ts"] / 1e6, (event["ts"] + event["dur"]) / 1e6)
        for event in trace["traceEvents"]
        if event.get("cat") == "kernel"
    ]


def union(intervals: Iterable[Interval]) -> float:
    """Return the length of what intervals cover, where they overlap once."""
    covered, end = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        covered += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return covered

"""`bench`: the usual loop, the tuned one and this engine, measured side by side, in turns.

What disturbs one of the loops disturbs all. On a GPU a profile also tells how much of a step no
kernel runs: what the host and the launches cost.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, schedule

from budgetnas.bench._result import BenchResult, Plan, Way
from budgetnas.bench._usual import Epochs, tuned_epochs, usual_epochs
from budgetnas.data.images import ImageSet
from budgetnas.events import Loading, Notice, Watcher, ignore
from budgetnas.executors import WorkersChoice, measure_workers
from budgetnas.recipe import Default
from budgetnas.seeds import derive_seed
from budgetnas.train import (
    attempt,
    give_memory_back,
    hardware,
    initial_model,
    memory_guard,
    recipe_statistics,
    train,
    unchanged_process,
)

PROFILED_STEPS = 100
"""Steps of a profile: more take long to read."""


@unchanged_process()
def bench(plan: Plan, *, workers: bool = True, watch: Watcher = ignore) -> BenchResult:
    """Measure the three ways in turns, and what else says how fast the engine is.

    With `workers`, also how many trials `search --workers auto` would train at once.

    Raises:
        OutOfMemory: If one of them does not fit.
    """
    images = draw_pictures(plan)
    with ExitStack() as stack:
        loops = _loops(plan, images)
        for loop in loops.values():
            stack.enter_context(closing(loop))
        seconds = measure(
            loops, plan.runs, plan.device, lambda what, n, of: watch(Loading(what, n, of))
        )
    outside = None
    if plan.device.type == "cuda":
        watch(Notice("profiling the engine's steps"))
        outside = _outside_kernels(plan, images)
    choice = _chosen_workers(plan, images, watch) if workers else None
    return BenchResult(plan, hardware(plan.device), seconds, outside, choice)


def _chosen_workers(plan: Plan, images: ImageSet, watch: Watcher) -> WorkersChoice | None:
    """Measure what `--workers auto` would choose; what was measured before stands without it."""
    watch(Notice("measuring how many workers are best"))
    give_memory_back()  # of the loops: the workers share the device with this process
    numerics = plan.setups["engine"].numerics
    return attempt(
        lambda: measure_workers(plan.arch, plan.recipe, images, numerics, plan.device),
        "workers: cannot be measured",
        lambda text: watch(Notice(text)),
    )


def _outside_kernels(plan: Plan, images: ImageSet) -> float | None:
    """Watch a training of its own: the profiler has to be there before anything is captured."""
    some = min(len(images), PROFILED_STEPS * plan.setups["engine"].batch)
    with closing(engine_epochs(plan, images.take(torch.arange(some)))) as epochs:
        return share_outside_kernels(epochs, plan.device)


def draw_pictures(plan: Plan) -> ImageSet:
    """Draw pictures and labels from the seed: how fast one is trained on, no picture shows."""
    arch, size = plan.arch, plan.image_size
    generator = torch.Generator().manual_seed(derive_seed(plan.seed, "pictures"))
    shape = (plan.images, size, size, arch.in_channels)
    with memory_guard(f"{plan.images:,} pictures of {size}x{size}"):
        pictures = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    labels = torch.randint(arch.num_classes, (plan.images,), generator=generator)
    return ImageSet(pictures, labels, tuple(map(str, range(arch.num_classes))))


def _loops(plan: Plan, images: ImageSet) -> dict[Way, Epochs]:
    """Make the three ways, from the same weights; nothing is trained yet."""
    recipe, setups = plan.recipe, plan.setups
    rest = (recipe_statistics(recipe, images), plan.device, plan.seed)
    return {
        "usual": usual_epochs(_model(plan), images, recipe, setups["usual"], *rest),
        "tuned": tuned_epochs(_model(plan), images, recipe, setups["tuned"], *rest),
        "engine": engine_epochs(plan, images),
    }


def engine_epochs(plan: Plan, images: ImageSet) -> Epochs:
    """Train with the engine, an epoch each time the caller asks; yield its mean loss."""
    statistics = recipe_statistics(plan.recipe, images)
    numerics = plan.setups["engine"].numerics
    placed = images.to(plan.device)
    model = _model(plan)
    for epoch in train(model, placed, plan.recipe, numerics, plan.seed, statistics=statistics):
        yield epoch.train_loss
        torch.backends.cudnn.benchmark = True  # the usual way's turn changes it


def _model(plan: Plan) -> nn.Module:
    return initial_model(plan.arch, Default(), derive_seed(plan.seed, "init"))


Name = TypeVar("Name", bound=str)
Seconds = dict[Name, list[float]]


def measure(
    loops: Mapping[Name, Iterator[object]],
    runs: int,
    device: torch.device,
    tell: Callable[[str, int, int], object],
) -> Seconds[Name]:
    """Measure the seconds of each loop's epochs, in turns; the first warms up and does not count.

    Args:
        loops: Each trains an epoch when it is asked.
        runs: Epochs of each that count.
        device: What they train on.
        tell: Receives what is being done, turns done, and turns in all.

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


def _timed(loop: Iterator[object], device: torch.device) -> float:
    _finish(device)
    started = time.perf_counter()
    next(loop)
    _finish(device)
    return time.perf_counter() - started


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


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
        _timed(epochs, device)
        profiler.step()
        seconds = _timed(epochs, device)
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

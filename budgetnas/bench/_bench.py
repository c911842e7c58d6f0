"""`bench`: the usual loop, the tuned one and this engine, measured side by side."""

from contextlib import ExitStack, closing

import torch
from torch import nn

from budgetnas.bench._kernels import share_outside_kernels
from budgetnas.bench._plan import Plan, Way
from budgetnas.bench._result import BenchResult
from budgetnas.bench._rounds import measure
from budgetnas.bench._usual import Epochs, tuned_epochs, usual_epochs
from budgetnas.data.images import ImageSet
from budgetnas.events import Loading, Notice, Watcher, nobody
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
def bench(plan: Plan, *, workers: bool = True, watch: Watcher = nobody) -> BenchResult:
    """Measure the three ways in turns, and what else says how fast the engine is.

    Args:
        plan: What to measure.
        workers: Also measure how many trials `search --workers auto` would train at once.
        watch: Told what is going on.

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

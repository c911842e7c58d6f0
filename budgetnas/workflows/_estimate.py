"""A search's time on this machine, from a few timed steps, and the work of other programs."""

import os
import time
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import torch

from budgetnas.arch import Arch, count_macs
from budgetnas.recipe import Recipe
from budgetnas.seeds import derive_seed
from budgetnas.space import Fill, Free, Grid, RandomSuggester, Suggester
from budgetnas.study import StudyConfig
from budgetnas.train import TrainingData, cores, initial_model, memory_guard, train
from budgetnas.trials import Limits, networks_of

SHORTEST = 0.25
"""Least seconds of a measurement: the system counts in hundredths."""
MARGIN = 0.5
"""Share of a core that the system itself may use."""


class OtherWork:
    """The number of cores that other programs use within a `with` block."""

    cores: float | None = None
    """Set after the block; None where the system does not count."""

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
    """Return a notice of a busy machine, where other programs use cores that a training needs.

    Args:
        others: Number of cores that other programs used; None where unknown.
        threads: Threads of the training.
        present: Number of cores; those of this process unless given.
    """
    present = cores() if present is None else present
    if others is None or others <= max(0, present - threads) + MARGIN:
        return ""
    return (
        f"this machine is busy: other programs use {others:.1f} of {present} cores, a training "
        f"{threads}; as long as they do, it takes longer"
    )


def _busy_seconds() -> float | None:
    """Return the seconds that this process's processors have worked since the system's start."""
    try:
        return busy_seconds_in(Path("/proc/stat").read_text(), os.sched_getaffinity(0))
    except (OSError, AttributeError, ValueError):
        return None


def busy_seconds_in(text: str, numbers: set[int]) -> float:
    """Sum the time of some processors in /proc/stat, without idle and waiting time."""
    names = {f"cpu{number}" for number in numbers}
    lines = (line.split() for line in text.splitlines())
    ticks = 0
    for name, user, nice, system, _idle, _waiting, *interrupts in (w for w in lines if len(w) > 6):
        if name in names:  # the third of the rest, `steal`, is other machines' work
            ticks += sum(map(int, (user, nice, system, *interrupts[:3])))
    return ticks / os.sysconf("SC_CLK_TCK")


CANDIDATES = 20
STEPS = 3
LARGEST_BATCH = 128
"""Images of a timed step, at most."""
TIMED_MACS = 8_000_000_000
"""Forward multiply-adds of a timed step on a CPU, at most: seconds even for large networks."""


def estimate_seconds(
    config: StudyConfig, data: TrainingData, trials: int, device: torch.device
) -> float:
    """Estimate the seconds of N trials, one after the other, if none is stopped early.

    A network of median cost is trained for a few steps; validation, forward passes only, counts
    as a third of training.
    """
    arch, recipe = middling(config)
    assert data.val is not None, "trials are validated"
    images = len(data.images), len(data.val)
    return training_seconds(arch, recipe, data, images, device) * trials


@memory_guard("timing a training")
def training_seconds(
    arch: Arch, recipe: Recipe, data: TrainingData, images: tuple[int, int], device: torch.device
) -> float:
    """Estimate the seconds of one training from a few steps.

    Args:
        arch: The network.
        recipe: Its recipe.
        data: Images for the timed steps, on any device.
        images: Numbers of images to train and to validate on.
        device: The device of the training.
    """
    batch = min(recipe.batch_size, images[0], LARGEST_BATCH)
    if device.type == "cpu":  # where an image takes as long in a small batch
        batch = max(2, min(batch, TIMED_MACS // count_macs(arch, data.images.size)))
    sample = data.images.take(torch.arange(min(batch * STEPS, len(data.images))))
    sample = sample.to(device)
    number = 4 if device.type == "cuda" else 2  # there the second captures what it does
    timed = recipe.for_timing(number, batch)
    model = initial_model(arch, recipe.init, 0)
    # the first of the epochs warms up
    epochs = train(model, sample, timed, data.numerics, 0, statistics=data.statistics(recipe))
    seconds = min(epoch.seconds for epoch in epochs)
    return seconds / len(sample) * (images[0] + images[1] / 3) * recipe.epochs


def middling(config: StudyConfig) -> tuple[Arch, Recipe]:
    """Return the network and recipe of a trial of median multiply-adds."""
    limits = Limits.of(config)
    match config.proposal:
        case Free() | Fill() as proposal:
            suggester = RandomSuggester(derive_seed(config.seed, "estimate"))
            drawn = [(arch, config.recipe) for arch in feasible(proposal, suggester, limits)]
        case Grid(cells=cells):
            drawn = [(cell.arch, cell.recipe) for cell in cells]
    fitting = [pair for pair in drawn if limits.fit(pair[0])] or drawn
    return sorted(fitting, key=lambda pair: count_macs(pair[0], limits.image_size))[
        len(fitting) // 2
    ]


def feasible(proposal: Free | Fill, suggester: Suggester, limits: Limits) -> list[Arch]:
    """Draw some networks that fit; where none is found, the smallest of the space."""
    drawn = islice(networks_of(proposal, suggester, limits), 50 * CANDIDATES)
    fitting = list(islice((arch for arch in drawn if limits.fit(arch)), CANDIDATES))
    return fitting or [limits.smallest(proposal.space)]

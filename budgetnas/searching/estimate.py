"""How long a search will take on this machine, from a few timed steps."""

from itertools import islice

import torch

from budgetnas.arch import Arch, count_macs
from budgetnas.recipe import Recipe
from budgetnas.searching.task import Task
from budgetnas.seeds import derive_seed
from budgetnas.space import Free, Grid, RandomSuggester, Space
from budgetnas.study.config import StudyConfig
from budgetnas.train.engine import train
from budgetnas.train.init import initial_model

CANDIDATES = 20
STEPS = 3
LARGEST_BATCH = 128
"""So many steps are timed, of at most so many images: seconds even for large networks."""


def estimate_seconds(config: StudyConfig, task: Task, trials: int, device: torch.device) -> float:
    """Estimate the seconds that so many trials take if none is stopped early.

    A network of middling cost for the space and budget is trained for a few steps; validation,
    forward passes only, counts as a third of training.

    Args:
        config: What defines the study.
        task: Its images, wherever they are.
        trials: How many are to be trained, one after the other.
        device: On which they will be.
    """
    arch, recipe = middling(config)
    batch = min(recipe.batch_size, len(task.images), LARGEST_BATCH)
    sample = task.images.take(torch.arange(min(batch * STEPS, len(task.images))))
    sample = sample.to(device)
    number = 4 if device.type == "cuda" else 2  # there the second captures what it does
    timed = recipe.for_timing(number, batch)
    model = initial_model(arch, recipe.init, derive_seed(config.seed, "estimate"))
    # the first of the epochs warms up
    epochs = train(model, sample, timed, task.numerics, 0, statistics=task.statistics(recipe))
    seconds = min(epoch.seconds for epoch in epochs)
    images = len(task.images) + len(task.val) / 3
    return seconds / len(sample) * images * recipe.epochs * trials


def middling(config: StudyConfig) -> tuple[Arch, Recipe]:
    """Return what a trial of median multiply-adds trains, of those that fit the budget."""
    size = config.data.image_size
    match config.proposal:
        case Free(space=space):
            drawn = [(arch, config.recipe) for arch in _drawn(config, space)]
        case Grid(cells=cells):
            drawn = [(cell.arch, cell.recipe) for cell in cells]
    fitting = [pair for pair in drawn if config.budget.excess(pair[0], size) <= 0] or drawn
    return sorted(fitting, key=lambda pair: count_macs(pair[0], size))[len(fitting) // 2]


def _drawn(config: StudyConfig, space: Space) -> list[Arch]:
    """Draw feasible architectures at random."""
    suggester = RandomSuggester(derive_seed(config.seed, "estimate"))
    facts, size = config.facts, config.data.image_size
    drawn = (
        space.draw(suggester, facts.channels, len(facts.classes)).arch
        for _ in range(50 * CANDIDATES)
    )
    fitting = list(islice((a for a in drawn if config.budget.excess(a, size) <= 0), CANDIDATES))
    return fitting or [space.smallest(facts.channels, len(facts.classes))]


def describe_duration(seconds: float) -> str:
    """Say a duration in its two largest units: `1 h 20 min`, `45 s`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"

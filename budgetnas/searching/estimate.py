"""How long a search will take on this machine, from a few timed steps."""

from itertools import islice

import torch

from budgetnas.arch import Arch, count_macs, fits
from budgetnas.recipe import Recipe
from budgetnas.searching.drawing import networks_of
from budgetnas.seeds import derive_seed
from budgetnas.space import Fill, Free, Grid, RandomSuggester
from budgetnas.study import StudyConfig
from budgetnas.train import TrainingData, initial_model, memory_guard, train

CANDIDATES = 20
STEPS = 3
LARGEST_BATCH = 128
"""So many steps are timed, of at most so many images."""
TIMED_MACS = 8_000_000_000
"""A step on a CPU has at most so many multiply-adds forward: seconds even for large networks."""


def estimate_seconds(
    config: StudyConfig, data: TrainingData, trials: int, device: torch.device
) -> float:
    """Estimate the seconds that so many trials take if none is stopped early.

    A network of middling cost for the space and budget is trained for a few steps; validation,
    forward passes only, counts as a third of training.

    Args:
        config: What defines the study.
        data: Its images, wherever they are.
        trials: How many are to be trained, one after the other.
        device: On which they will be.
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
        arch: What is trained.
        recipe: How.
        data: Images to time steps on, wherever they are.
        images: How many there are to train and to validate on.
        device: On which it will be.
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
    """Return what a trial of median multiply-adds trains, of those that fit the budget."""
    size = config.data.image_size
    match config.proposal:
        case Free() | Fill() as proposal:
            drawn = [(arch, config.recipe) for arch in typical(config, proposal)]
        case Grid(cells=cells):
            drawn = [(cell.arch, cell.recipe) for cell in cells]
    fitting = [pair for pair in drawn if fits(config.all_limits, pair[0], size)] or drawn
    return sorted(fitting, key=lambda pair: count_macs(pair[0], size))[len(fitting) // 2]


def typical(config: StudyConfig, proposal: Free | Fill) -> list[Arch]:
    """Draw feasible architectures at random."""
    suggester = RandomSuggester(derive_seed(config.seed, "estimate"))
    facts, size = config.facts, config.data.image_size
    networks = networks_of(
        proposal, suggester, config.budgets[0], config.limits, size,
        facts.channels, len(facts.classes),
    )  # fmt: skip
    drawn = islice(networks, 50 * CANDIDATES)
    fitting = list(islice((a for a in drawn if fits(config.all_limits, a, size)), CANDIDATES))
    return fitting or [proposal.space.smallest(facts.channels, len(facts.classes))]

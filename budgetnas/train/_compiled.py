"""Whether torch.compile pays for itself: it costs seconds to minutes before the first step."""

from dataclasses import dataclass

import torch

from budgetnas.arch import Arch
from budgetnas.data.images import ImageSet, Statistics
from budgetnas.recipe import Numerics, Recipe
from budgetnas.train._engine import train
from budgetnas.train._init import initial_model
from budgetnas.train._step import batch_bounds

STEPS, EPOCHS = 4, 4
"""Epochs and steps of each that are timed; the first epoch includes the set-up."""


@dataclass(frozen=True)
class Verdict:
    """What a training would take with torch.compile, and without."""

    plain: float
    """Seconds of the whole training without."""
    compiled: float | None
    """Seconds with, compiling included; None if this network can't be compiled here."""
    why_not: str = ""
    """Why it can't."""

    @property
    def pays(self) -> bool:
        """Whether the whole training is faster with it."""
        return self.compiled is not None and self.compiled < self.plain

    def __str__(self) -> str:
        """Return a description of one line."""
        if self.compiled is None:
            return f"torch.compile: not here: {self.why_not}"
        answer = "used" if self.pays else "not used"
        return (
            f"torch.compile: {answer}: the training would take about {self.compiled:,.0f} s with "
            f"it, compiling included, {self.plain:,.0f} s without"
        )


def worth_compiling(
    arch: Arch,
    images: ImageSet,
    recipe: Recipe,
    numerics: Numerics,
    statistics: Statistics,
    device: torch.device,
) -> Verdict:
    """Time a few steps with and without torch.compile, and say which training would be faster.

    Args:
        arch: What is to be trained.
        images: On what.
        recipe: How.
        numerics: In which arithmetic otherwise.
        statistics: What images are normalised by.
        device: Where.
    """
    batch = min(recipe.batch_size, len(images))
    steps = recipe.epochs * len(batch_bounds(len(images), batch))
    several = images.take(torch.arange(min(batch * STEPS, len(images)))).to(device)
    few = len(batch_bounds(len(several), batch))

    def whole(compiled: bool) -> float:
        numbers = numerics.changed(compiled=compiled)
        first, *later = _timed(arch, several, recipe, numbers, statistics)
        return first - min(later) + steps * min(later) / few

    try:
        compiled, why_not = whole(True), ""
    except Exception as error:  # compilers raise anything
        compiled, why_not = None, _reason(error)
    return Verdict(whole(False), compiled, why_not)


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _timed(
    arch: Arch, images: ImageSet, recipe: Recipe, numerics: Numerics, statistics: Statistics
) -> list[float]:
    """Train a few epochs of a few steps; return the seconds of each."""
    timed = recipe.for_timing(EPOCHS, recipe.batch_size)
    model = initial_model(arch, recipe.init, 0)
    epochs = train(model, images, timed, numerics, 0, statistics=statistics)
    return [epoch.seconds for epoch in epochs]

"""Training one architecture for a trial: all that a trial needs but Optuna."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch

from budgetnas.arch import Arch
from budgetnas.data.images import ImageSet, Statistics
from budgetnas.recipe import Numerics, Recipe
from budgetnas.recipe.images import Normalization
from budgetnas.seeds import derive_seed
from budgetnas.train.engine import Epoch, State, recipe_statistics, train
from budgetnas.train.init import initial_model
from budgetnas.train.memory import memory_guard


@dataclass(frozen=True, eq=False)
class Task:
    """What all trials of a study share: images, where they are trained on, and the arithmetic."""

    images: ImageSet
    """What trials train on."""
    val: ImageSet
    """What trials are compared on."""
    numerics: Numerics
    """In which arithmetic."""
    measured: dict[Normalization, Statistics] = field(default_factory=dict, repr=False)
    """What the images are normalised by, as far as it has been asked for."""

    def to(self, device: torch.device) -> "Task":
        """Return the task with its images on a device, and ready to be gathered.

        What was measured of them goes along.
        """
        return replace(self, images=self.images.to(device).packed(), val=self.val.to(device))

    def statistics(self, recipe: Recipe) -> Statistics:
        """Say what images are normalised by; measured once."""
        known = self.measured
        if recipe.normalize not in known:
            with memory_guard("the images"):
                known[recipe.normalize] = recipe_statistics(recipe, self.images)
        return known[recipe.normalize]

    def train(
        self, arch: Arch, recipe: Recipe, seed: int, state: State | None = None
    ) -> Iterator[Epoch]:
        """Train one trial, epoch by epoch.

        Args:
            arch: What to train.
            recipe: How.
            seed: The trial's, which its other seeds are derived from.
            state: From `Epoch.state`, to continue after that epoch.
        """
        with memory_guard("the network"):
            model = initial_model(arch, recipe.init, derive_seed(seed, "init"))
        yield from train(
            model, self.images, recipe, self.numerics, seed,
            statistics=self.statistics(recipe), val=self.val, state=state,
        )  # fmt: skip

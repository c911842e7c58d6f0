"""Training one architecture for a trial: all that a trial needs but Optuna."""

from collections.abc import Iterator
from dataclasses import dataclass

from budgetnas.arch import Arch
from budgetnas.data.images import ImageSet, Statistics
from budgetnas.recipe import Numerics, Recipe
from budgetnas.seeds import derive_seed
from budgetnas.train.engine import Epoch, State, train
from budgetnas.train.init import initial_model
from budgetnas.train.memory import memory_guard


@dataclass(frozen=True, eq=False)
class Task:
    """What all trials of a study share: images on the device, and the arithmetic."""

    images: ImageSet
    """What trials train on, on the device."""
    val: ImageSet
    """What trials are compared on, on the device."""
    statistics: Statistics
    """What images are normalised by."""
    numerics: Numerics
    """In which arithmetic."""
    seed: int
    """The study's."""

    def train(
        self, arch: Arch, recipe: Recipe, number: int, state: State | None = None
    ) -> Iterator[Epoch]:
        """Train one trial, epoch by epoch.

        Args:
            arch: What to train.
            recipe: How.
            number: The trial's, which its seeds are derived from.
            state: From `Epoch.state`, to continue after that epoch.
        """
        seed = derive_seed(self.seed, "trial", number)
        with memory_guard("the network"):
            model = initial_model(arch, recipe.init, derive_seed(seed, "init"))
        yield from train(
            model, self.images, recipe, self.numerics, seed,
            statistics=self.statistics, val=self.val, state=state,
        )  # fmt: skip

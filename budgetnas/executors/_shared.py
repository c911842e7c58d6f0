"""What all trials of a study share: settings, and images with the arithmetic they are trained in.

Worker processes read this; they import neither Optuna nor spaces, which would take as long as
torch does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import torch

from budgetnas.arch import Arch
from budgetnas.data.images import ImageSet, Statistics
from budgetnas.recipe import Numerics, Recipe
from budgetnas.recipe.images import Normalization
from budgetnas.seeds import derive_seed
from budgetnas.train.engine import Epoch, State, recipe_statistics, train
from budgetnas.train.init import initial_model
from budgetnas.train.memory import memory_guard

if TYPE_CHECKING:
    from budgetnas.study.config import StudyConfig
    from budgetnas.study.metric import Metric

FEW_CLASSES = 20
"""Up to this many classes a trial's confusion matrix is always kept."""


@dataclass(frozen=True)
class TrialSettings:
    """What is the same for all trainings of a study."""

    definition: dict[str, Any]
    """Everything that its trials depend on."""
    metric: "Metric"
    """What trials are compared by."""
    best: bool
    """Whether a trial counts by its best epoch, not by its last."""
    confusion: bool
    """Whether to keep the confusion matrix."""
    numerics: Numerics
    """The arithmetic."""

    @classmethod
    def of(cls, config: "StudyConfig") -> Self:
        """Read them from a study's configuration."""
        best = config.select == "best"
        confusion = config.confusion or len(config.facts.classes) <= FEW_CLASSES
        return cls(config.definition(), config.metric, best, confusion, config.numerics)


@dataclass(frozen=True, eq=False)
class TrialData:
    """The images that all trials of a study share, and the arithmetic they are trained in."""

    images: ImageSet
    """The training images."""
    val: ImageSet
    """The validation images."""
    numerics: Numerics
    """The arithmetic."""
    measured: dict[Normalization, Statistics] = field(default_factory=dict, repr=False)
    """The statistics computed so far, by normalization."""

    def to(self, device: torch.device) -> "TrialData":
        """Return a copy with its images on a device, ready to be gathered; statistics are kept."""
        return replace(self, images=self.images.to(device).packed(), val=self.val.to(device))

    def statistics(self, recipe: Recipe) -> Statistics:
        """Return what images are normalised by; computed once."""
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
            arch: The network.
            recipe: How it is trained.
            seed: The trial's, which its other seeds are derived from.
            state: From `Epoch.state`, to continue after that epoch.
        """
        with memory_guard("the network"):
            model = initial_model(arch, recipe.init, derive_seed(seed, "init"))
        yield from train(
            model, self.images, recipe, self.numerics, seed,
            statistics=self.statistics(recipe), val=self.val, state=state,
        )  # fmt: skip

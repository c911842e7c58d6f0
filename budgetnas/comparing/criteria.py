"""What a short training can be judged by."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from optuna.trial import FrozenTrial

from budgetnas.study.calibration import SEARCHES_BY


@dataclass(frozen=True)
class Measured:
    """What one training has measured."""

    value: float
    """The study's metric on the validation images, in [0, 1]."""
    val_loss: float
    """After its last epoch."""
    train_losses: tuple[float, ...]
    """Of each epoch, on augmented images."""

    @classmethod
    def of(cls, trial: FrozenTrial) -> Self:
        """Read it from a trial that was trained."""
        said = trial.user_attrs
        assert trial.value is not None, "it was completed"
        return cls(trial.value, said["val_loss"], tuple(said["curves"]["train_loss"]))


@dataclass(frozen=True)
class Short:
    """The short trainings of one architecture with one seed and so many epochs."""

    plain: Measured
    """As trials of the study are trained."""
    averaged: Measured
    """The same training, of which averaged weights were evaluated."""


# add yours here: the higher, the better the architecture is said to be
CRITERIA: dict[str, Callable[[Short], float]] = {
    SEARCHES_BY: lambda short: short.plain.value,
    "validation loss": lambda short: -short.plain.val_loss,
    "averaged weights' loss": lambda short: -short.averaged.val_loss,
    # how fast it learns (Ru et al., 2021, "Speedy performance estimation for NAS")
    "sum of training losses": lambda short: -sum(short.plain.train_losses),
}

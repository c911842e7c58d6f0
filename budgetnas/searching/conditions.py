"""`Conditions`: what all trainings of a study have in common; for workers, too, who know no study.

They import neither Optuna nor spaces, which would take them as long as torch does.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from budgetnas.recipe import Numerics

if TYPE_CHECKING:
    from budgetnas.study.config import StudyConfig
    from budgetnas.study.metric import Metric


FEW_CLASSES = 20
"""Of so many, which class is taken for which is kept of each trial, asked for or not."""


@dataclass(frozen=True)
class Conditions:
    """What is the same for all trainings of a study."""

    definition: dict[str, Any]
    """Everything that its trials depend on."""
    metric: "Metric"
    """What trials are compared by."""
    best: bool
    """Whether a trial counts by its best epoch, not by its last."""
    confusion: bool
    """Whether to keep which class is taken for which."""
    numerics: Numerics
    """In which arithmetic."""

    @classmethod
    def of(cls, config: "StudyConfig") -> Self:
        """Take them from what defines a study."""
        best = config.select == "best"
        confusion = config.confusion or len(config.facts.classes) <= FEW_CLASSES
        return cls(config.definition(), config.metric, best, confusion, config.numerics)

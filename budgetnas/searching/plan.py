"""`Plan`: a new study, settled but for what only the images tell."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from budgetnas.arch import Budget
from budgetnas.data import DataSource
from budgetnas.metric import DEFAULT_METRIC, Metric
from budgetnas.plugins import Plugin
from budgetnas.recipe import Recipe
from budgetnas.space import Proposal
from budgetnas.study import About, DataFacts, Selection


class Settled(NamedTuple):
    """What the images decide."""

    recipe: Recipe
    """Fitted to them."""
    proposal: Proposal
    """Of networks for them."""
    notices: list[str]
    """What had to adapt."""


@dataclass(frozen=True)
class Plan:
    """What a study shall be, asked for by a command or a study file."""

    name: str
    source: DataSource
    seed: int
    train_samples: int | None
    """Train on so many images only."""
    at_most: bool
    """Whether `train_samples` may be more than there are."""
    budget: Budget
    pruner: str
    settle: Callable[[DataFacts], Settled]
    metric: Metric = DEFAULT_METRIC
    select: Selection = "last"
    confusion: bool = False
    about: About = field(default_factory=About)
    plugins: tuple[Plugin, ...] = ()
    """Plugins that are asked for."""
    limits: tuple[Budget, ...] = ()
    """What is not exceeded beside the budget."""
    smaller: tuple[Budget, ...] = ()
    """Smaller budgets that are searched for, too."""

    @property
    def all_limits(self) -> tuple[Budget, ...]:
        """Everything that the smallest network must fit: the smallest budget, and the limits."""
        return (self.smaller[-1] if self.smaller else self.budget), *self.limits

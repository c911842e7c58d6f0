"""`Free`: a sampler draws from a space; what is over the budget is counted and put aside."""

from typing import Literal

from budgetnas.space._space import Space
from budgetnas.spec import Spec

DEFAULT_SAMPLER = "random"
"""No other was better than it at equal epochs (studies/small-networks/results)."""


class Free(Spec):
    """Every trial is drawn by one of Optuna's samplers."""

    name: Literal["free"] = "free"
    sampler: str = DEFAULT_SAMPLER
    """Which of Optuna's samplers draws."""
    space: Space = Space()
    """What it draws from."""
    presets: bool = True
    """Begin with the published networks that fit."""

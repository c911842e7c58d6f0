"""`Free`: a sampler draws from a space; what is over the budget is counted and put aside."""

from typing import Literal

from budgetnas.space.space import Space
from budgetnas.spec import Spec


class Free(Spec):
    """Every trial is drawn by one of Optuna's samplers."""

    name: Literal["free"] = "free"
    sampler: str = "tpe"
    """Which of Optuna's samplers draws."""
    space: Space = Space()
    """What it draws from."""
    presets: bool = True
    """Begin with the published networks that fit."""

"""What a study may draw: architectures and recipe fields. No torch, no Optuna in this room."""

from typing import Annotated

from pydantic import Field

from budgetnas.space.domains import RandomSuggester, Suggester
from budgetnas.space.free import Free
from budgetnas.space.grid import Axis, Cell, Grid
from budgetnas.space.overrides import Overrides
from budgetnas.space.space import Draw, Space

# add yours here, and a case in budgetnas.searching.proposers.proposer
Proposal = Annotated[Free | Grid, Field(discriminator="name")]

__all__ = [
    "Axis",
    "Cell",
    "Draw",
    "Free",
    "Grid",
    "Overrides",
    "Proposal",
    "RandomSuggester",
    "Space",
    "Suggester",
]

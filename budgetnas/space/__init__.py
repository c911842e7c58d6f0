"""What a study may draw: architectures and recipe fields. No torch, no Optuna in this room."""

from typing import Annotated

from pydantic import Field

from budgetnas.space.domains import RandomSuggester, Suggester
from budgetnas.space.fill import Fill
from budgetnas.space.free import DEFAULT_SAMPLER, Free
from budgetnas.space.grid import Axis, Cell, Grid, Race
from budgetnas.space.overrides import Overrides
from budgetnas.space.space import Draw, Space

# add yours here, and a case in budgetnas.searching.proposers.proposer
Proposal = Annotated[Free | Fill | Grid, Field(discriminator="name")]

PROPOSALS: dict[str, type[Free] | type[Fill]] = {"fill": Fill, "free": Free}
"""How a search may draw, by name."""

DEFAULT_PROPOSAL = "fill"

__all__ = [
    "DEFAULT_PROPOSAL",
    "DEFAULT_SAMPLER",
    "PROPOSALS",
    "Axis",
    "Cell",
    "Draw",
    "Fill",
    "Free",
    "Grid",
    "Overrides",
    "Proposal",
    "Race",
    "RandomSuggester",
    "Space",
    "Suggester",
]

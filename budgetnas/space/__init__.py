"""What a study may draw: architectures and recipe fields. No torch, no Optuna in this room."""

from typing import Annotated

from pydantic import Field

from budgetnas.space._domains import RandomSuggester, Suggester, draw, least, values
from budgetnas.space._fill import Fill
from budgetnas.space._free import DEFAULT_SAMPLER, Free
from budgetnas.space._grid import MARGIN, MAX_SEEDS, SEED, Axis, Cell, Grid, Race, Seeds
from budgetnas.space._overrides import Overrides
from budgetnas.space._space import ArchSpace, Draw, RecipeSpace, Space, StageSpace

# add yours here, and a case in budgetnas.searching.proposers.proposer
Proposal = Annotated[Free | Fill | Grid, Field(discriminator="name")]

PROPOSALS: dict[str, type[Free] | type[Fill]] = {"fill": Fill, "free": Free}
"""How a search may draw, by name."""

DEFAULT_PROPOSAL = "fill"

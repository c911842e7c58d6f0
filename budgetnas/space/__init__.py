"""What a study may draw: architectures and recipe fields. No torch, no Optuna in this room."""

from budgetnas.space._domains import RandomSuggester, Suggester, draw, least, values
from budgetnas.space._proposals import (
    DEFAULT_PROPOSAL,
    DEFAULT_SAMPLER,
    MARGIN,
    MAX_SEEDS,
    PROPOSALS,
    SEED,
    Axis,
    Cell,
    Fill,
    Free,
    Grid,
    Proposal,
    Race,
    Seeds,
)
from budgetnas.space._space import ArchSpace, Draw, Overrides, RecipeSpace, Space, StageSpace

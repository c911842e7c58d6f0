"""What a study may draw: architectures and recipe fields. No torch, no Optuna in this room."""

from budgetnas.space.domains import RandomSuggester, Suggester
from budgetnas.space.overrides import Overrides
from budgetnas.space.space import Draw, Space

__all__ = ["Draw", "Overrides", "RandomSuggester", "Space", "Suggester"]

"""How to train: descriptions, never optimizers. No torch in this room."""

from budgetnas.recipe.named import RECIPES, as_recipe, load_recipe
from budgetnas.recipe.numerics import Numerics
from budgetnas.recipe.recipe import Recipe

__all__ = ["RECIPES", "Numerics", "Recipe", "as_recipe", "load_recipe"]

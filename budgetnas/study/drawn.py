"""What a trial has drawn, and how it is trained again: longer, with what it had drawn."""

from dataclasses import dataclass

from budgetnas.arch import Arch
from budgetnas.recipe import Recipe
from budgetnas.space import Overrides


@dataclass(frozen=True)
class Drawn:
    """What a trial has drawn."""

    trial: int
    """Its number."""
    arch: Arch
    """The network."""
    overrides: Overrides
    """Recipe fields."""


def training_key(arch: Arch, recipe: Recipe, images: int) -> str:
    """Identify what is trained on so many images, but for the seed."""
    return f"{arch.digest()}/{recipe.canonical(images).model_dump_json()}"

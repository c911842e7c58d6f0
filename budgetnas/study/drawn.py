"""What a trial has drawn, and how it is trained again: longer, with what it had drawn."""

from dataclasses import dataclass

from optuna.trial import FrozenTrial

from budgetnas.arch import Arch
from budgetnas.recipe import Recipe
from budgetnas.space import Overrides
from budgetnas.spec import parse_json


@dataclass(frozen=True)
class Drawn:
    """What a trial has drawn."""

    trial: int
    """Its number."""
    arch: Arch
    """The network."""
    overrides: Overrides
    """Recipe fields."""


def drawn_by(trial: FrozenTrial) -> Drawn:
    """Read what a trial has drawn.

    Raises:
        InputError: If its storage says something that can't be.
    """
    where = f"trial {trial.number}"
    fields = parse_json(trial.user_attrs.get("recipe", "{}"), where)
    return Drawn(
        trial.number,
        Arch.from_json(trial.user_attrs["arch"], where),
        Overrides.parse(fields, where),
    )


def training_key(arch: Arch, recipe: Recipe, images: int) -> str:
    """Identify what is trained on so many images, but for the seed."""
    return f"{arch.digest()}/{recipe.canonical(images).model_dump_json()}"

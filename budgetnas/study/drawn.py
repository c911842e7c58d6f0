"""What a trial has drawn, and how it is trained again: longer, with what it had drawn."""

from dataclasses import dataclass

from optuna.trial import FrozenTrial

from budgetnas.arch import Arch
from budgetnas.data import DataSource
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


def fitted_recipe(
    recipe: Recipe, overrides: Overrides, source: DataSource, channels: int, trial: int | None
) -> tuple[Recipe, list[str]]:
    """Fit a named recipe to images, and lay over it what a trial has drawn.

    Args:
        recipe: How to train.
        overrides: Recipe fields that the trial has drawn.
        source: The images.
        channels: Their channels.
        trial: The trial's number, if it is one's.

    Returns:
        The recipe, and a notice for each thing that had to change.
    """
    recipe, notices = recipe.adapted(channels, source.info.mirror, source.image_size)
    drawn = overrides.model_dump(exclude_none=True)
    if drawn:
        listed = ", ".join(f"{name} {value}" for name, value in drawn.items())
        notices.append(f"as drawn by trial {trial}: {listed}")
    return overrides.apply(recipe), notices

"""`AskedRecipe`: the recipe that a user asks for, and what it is on some images."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from budgetnas.data import DataSource
from budgetnas.recipe import RECIPES, Recipe, as_recipe
from budgetnas.space import Overrides

if TYPE_CHECKING:
    from budgetnas.study.drawn import Drawn  # which imports Optuna


@dataclass(frozen=True)
class AskedRecipe:
    """A recipe, for no images yet. A named one adapts to them; any other is taken at its word."""

    recipe: Recipe
    """As it is written, with the epochs that are asked for."""
    adapts: bool
    """Whether it is a named one."""
    given: bool = True
    """Whether the user said which; else it is the default."""

    @classmethod
    def of(
        cls, asked: Recipe | str | dict[str, Any] | None, default: str, epochs: int | None = None
    ) -> Self:
        """Look up what a user says.

        Args:
            asked: A recipe's name, a recipe file, a dict like one, a recipe, or None.
            default: The name where nothing is said.
            epochs: Instead of the recipe's.

        Raises:
            InputError: If there is no such recipe, or its file is not what it should be.
        """
        said = default if asked is None else asked
        recipe = as_recipe(said)
        adapts = isinstance(said, str) and said in RECIPES
        changed = recipe if epochs is None else recipe.changed(epochs=epochs)
        return cls(changed, adapts, asked is not None)

    def fitted(
        self, source: DataSource, channels: int, images: int | None, drawn: "Drawn | None" = None
    ) -> tuple[Recipe, list[str]]:
        """Fit it to images, and lay over it what a trial has drawn; a notice for each change.

        Args:
            source: The images.
            channels: Their channels.
            images: How many are trained on; None where the batch is settled.
            drawn: What the trial drew that is trained again.
        """
        if not self.adapts:
            return self.recipe, []
        size = source.image_size
        recipe, notices = self.recipe.adapted(channels, source.info.mirror, size, images)
        overrides = drawn.overrides if drawn else Overrides()
        fields = overrides.model_dump(exclude_none=True)
        if drawn and fields:
            listed = ", ".join(f"{name} {value}" for name, value in fields.items())
            notices.append(f"as drawn by trial {drawn.trial}: {listed}")
        return overrides.apply(recipe), notices

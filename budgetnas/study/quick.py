"""What `--quick` makes of a study file's recipes and networks."""

from budgetnas.arch import Arch
from budgetnas.recipe import Recipe
from budgetnas.space import Cell
from budgetnas.spec import overlay
from budgetnas.study.file_tables import Quick


def quick_recipe(
    recipe: Recipe, quick: Quick, full_epochs: int, source: str, *, batch: bool = True
) -> Recipe:
    """Shorten a recipe.

    Args:
        recipe: In full.
        quick: What to make smaller.
        full_epochs: What `quick.epochs` stands for; other numbers of epochs keep the proportion.
        source: Names the file in errors.
        batch: Whether its batches may be made smaller, too.

    Raises:
        InputError: If the fields that `quick` changes can't be.
    """
    changed = overlay(recipe.model_dump(), quick.recipe)
    shorter = Recipe.parse(changed, f"{source}: quick.recipe")
    epochs = max(1, round(recipe.epochs * quick.epochs / full_epochs))
    size = min(recipe.batch_size, quick.batch_size) if batch else recipe.batch_size
    return shorter.changed(epochs=epochs, batch_size=size)


def quick_cells(
    cells: tuple[Cell, ...], quick: Quick, full_epochs: int, source: str
) -> tuple[Cell, ...]:
    """Shorten and narrow configurations; batches stay as they are where they are the question."""
    batch = len({cell.recipe.batch_size for cell in cells}) == 1
    return tuple(
        cell.changed(
            arch=narrowed(cell.arch, quick.width),
            recipe=quick_recipe(cell.recipe, quick, full_epochs, source, batch=batch),
        )
        for cell in cells
    )


def narrowed(arch: Arch, factor: float) -> Arch:
    """Multiply every width by a factor, to multiples of 4, at least 4."""

    def narrow(width: int) -> int:
        return max(4, round(width * factor / 4) * 4)

    stages = tuple(stage.changed(width=narrow(stage.width)) for stage in arch.stages)
    return arch.changed(stem_width=narrow(arch.stem_width), stages=stages)

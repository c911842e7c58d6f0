"""The tables of a study file: on which images, what `--quick` makes smaller, axes, a search."""

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from budgetnas.arch import Arch
from budgetnas.data import Background, Fit, Side
from budgetnas.errors import InputError
from budgetnas.recipe import BatchSize, Epochs, Recipe
from budgetnas.space import SEED, Cell, Seeds
from budgetnas.spec import Maybe, Spec, overlay, shorten

Samples = Annotated[int, Field(ge=1)]

LONGEST = 100
"""Characters of a name in tables and figures."""

Changes = dict[str, Any]
"""A configuration's changes: tables `arch` and `recipe`."""


class Data(Spec):
    """On which images; `--dataset` and `--data-dir` replace them."""

    dataset: str = "cifar10"
    """Name of the data set."""
    data_dir: Maybe[str] = None
    """Where data sets are kept; for `folder`, the folder itself."""
    image_size: Maybe[Side] = None
    """Side of an image in pixels; if absent, the data set's own."""
    fit: Fit = "crop"
    """How pictures that are not square become so: `crop`, `pad` or `squash`."""
    background: Background = "white"
    """Colour behind transparent pixels and around padded pictures: a name, or #rrggbb."""
    skip_unreadable: bool = False
    """Whether unreadable files of `folder` are left out, instead of an error."""
    train_samples: Maybe[Samples] = None
    """Number of images to train on; if absent, all."""


class Quick(Spec):
    """The scale of `--quick`, with which a CPU needs a minute or two."""

    epochs: Epochs = 6
    """Epochs of the study's recipe; configurations with others keep the proportion."""
    seeds: Seeds = 3
    """Seeds of a grid, at most."""
    trials: Annotated[int, Field(ge=1)] = 8
    """Trained trials of a search, at most."""
    batch_size: BatchSize = 32
    """Images a step, at most, so that few images still make many steps."""
    train_samples: Samples = 1_000
    """Training images, at most."""
    image_size: Side = 16
    """Side of an image in pixels, at most."""
    width: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Factor of the widths of a grid's networks; a search's budget has its square."""
    recipe: dict[str, Any] = {}
    """Fields of the recipe that must differ in a short training."""

    @field_validator("recipe", mode="after")
    @classmethod
    def _says_nothing_twice(cls, recipe: dict[str, Any]) -> dict[str, Any]:
        twice = sorted(recipe.keys() & {"epochs", "batch_size"})
        if twice:
            raise ValueError(f"{twice[0]} is a key of its own here, beside recipe")
        return recipe


class Time(Spec):
    """How long a run takes."""

    cpu: str
    """Scaled down by `--quick`, on a CPU."""
    gpu: str
    """In full, on a GPU."""


class AxisFile(Spec):
    """One thing that configurations differ in."""

    name: str
    """Its name."""
    field: Maybe[str] = None
    """Which field the values are of: `recipe.optimizer.lr`, `arch.dropout`, `arch`; if absent,
    each value is a table with `arch`, `recipe` or both."""
    values: dict[str, Any] | tuple[Any, ...]
    """The values; a table names them."""

    @model_validator(mode="after")
    def _is_a_choice(self) -> Self:
        for name in (self.name, *self.named()):
            if not (name.isprintable() and 0 < len(name) <= LONGEST):
                rule = f"a name has 1 to {LONGEST} characters that can be printed"
                raise ValueError(f"{rule}, got {shorten(name)}")
        if self.name == SEED:
            raise ValueError(f"name: {SEED!r} is what the seeds are called, another is needed")
        if self.field is not None and self.field.partition(".")[0] not in ("arch", "recipe"):
            raise ValueError(
                f"field: must be arch, recipe or a field of one of them, got {self.field!r}"
            )
        if isinstance(self.values, tuple) and any(isinstance(v, dict) for v in self.values):
            raise ValueError("values: tables need names: values = { one = {...}, two = {...} }")
        if not self.values:
            raise ValueError("values: at least 1 needed, got none")
        if len(set(self.named())) != len(self.values):
            raise ValueError(f"values: must differ, got {shorten(self.values)}")
        return self

    def named(self) -> dict[str, Any]:
        if isinstance(self.values, dict):
            return self.values
        return {_as_written(value): value for value in self.values}

    def places(self) -> set[tuple[str, ...]]:
        """Return the fields that the values set: `("recipe", "optimizer", "lr")`."""
        if self.field is not None:
            return {tuple(self.field.split("."))}
        tables = [value for value in self.named().values() if isinstance(value, dict)]
        return {
            (part, key) if isinstance(change, dict) else (part,)
            for table in tables
            for part, change in table.items()
            for key in (change if isinstance(change, dict) else ("",))
        }

    def changes(self, name: str, source: str) -> Changes:
        change = self.named()[name]
        for word in reversed(self.field.split(".") if self.field else []):
            change = {word: change}
        if not isinstance(change, dict) or not change or change.keys() - {"arch", "recipe"}:
            raise InputError(
                f"{source}: without a field, a value must be a table of arch, recipe or both, "
                f"got {shorten(change)}"
            )
        return change


def _as_written(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return f"[{', '.join(map(_as_written, value))}]"
        case _:
            return str(value)


def quick_recipe(
    recipe: Recipe, quick: Quick, full_epochs: int, source: str, *, batch: bool = True
) -> Recipe:
    """Shorten a recipe.

    Args:
        recipe: In full.
        quick: What to make smaller.
        full_epochs: What `quick.epochs` stands for; other numbers of epochs keep the proportion.
        source: Names the file in errors.
        batch: Whether its batches are made smaller as well.

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

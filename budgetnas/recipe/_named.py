"""The named recipes, and recipe files that change any of their fields."""

import os
from pathlib import Path
from typing import Any

from budgetnas.errors import InputError
from budgetnas.recipe._images import Crop, Cutout, FixedStatistics, Flip, Rotate
from budgetnas.recipe._optimizer import SGD, ClipValue, Lookahead
from budgetnas.recipe._recipe import Recipe
from budgetnas.recipe._schedule import Cosine, CosineAnnealingLR, CyclicLR
from budgetnas.spec import overlay, printable, read_toml, shorten

# add yours here
RECIPES: dict[str, Recipe] = {
    # For trials: ranks architectures in a few epochs, of which halving trains 1, 3 or all 9.
    "short": Recipe(
        epochs=9,
        optimizer=SGD(lr=0.1, weight_decay=5e-4),
        schedule=Cosine(warmup=0.2),
        lookahead=Lookahead(),
        augment=(Crop(), Flip()),
    ),
    # For the winner: regularised enough for a long training.
    "full": Recipe(
        epochs=200,
        optimizer=SGD(lr=0.1, weight_decay=5e-4),
        schedule=Cosine(warmup=0.05),
        lookahead=Lookahead(),
        label_smoothing=0.1,
        augment=(Crop(), Flip(), Cutout()),
    ),
    # The published program of Efficient ResNets: values clipped, where the text says norms.
    "efficient-resnets": Recipe(
        epochs=200,
        batch_size=128,
        optimizer=SGD(
            lr=0.1, momentum=0.9, nesterov=False, weight_decay=5e-4, decay_norm_and_bias=True
        ),
        schedule=CosineAnnealingLR(),
        lookahead=Lookahead(k=5, alpha=0.5, evaluate="fast", phase="efficient-resnets"),
        clip=ClipValue(limit=0.1),
        augment=(Crop(padding=4), Flip()),
        normalize=FixedStatistics(mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010)),
    ),
    # Modified ResNet. Batch size and the cycle's length are not published: the usual 128 and
    # torch's own 2,000 steps.
    "modified-resnet": Recipe(
        epochs=30,
        batch_size=128,
        optimizer=SGD(lr=0.01, momentum=0.9, nesterov=True),
        schedule=CyclicLR(base_lr=1e-6, max_lr=1e-2, cycle_momentum=False, per="step"),
        augment=(Rotate(degrees=5), Flip(), Crop(padding=2)),
    ),
}


def load_recipe(name: str) -> Recipe:
    """Look up a named recipe, or read a recipe file.

    A file is TOML: `base` names the recipe it starts from (`short`, if absent), every other key
    replaces a field.

    Raises:
        InputError: With every problem of the file on one line, or with the names that are known.
    """
    if name in RECIPES:
        return RECIPES[name]
    path = Path(name)
    if path.suffix != ".toml" and not os.path.isfile(path):  # noqa: PTH113  # Path raises
        known = ", ".join([*RECIPES, "or a recipe file (.toml)"])
        raise InputError(f"unknown recipe {shorten(name)}, known: {known}")
    return recipe_from(read_toml(path), printable(path))


def as_recipe(given: "Recipe | str | dict[str, Any]") -> Recipe:
    """Read a recipe in any form that Python functions take: as it is, by name or file, as a dict.

    Raises:
        InputError: As for a recipe file; a dict has the same keys.
    """
    if isinstance(given, dict):
        return recipe_from(given, "recipe")
    return load_recipe(given) if isinstance(given, str) else given


def recipe_from(table: dict[str, Any], source: str) -> Recipe:
    """Lay what a file says over the named recipe that it says is its `base`.

    Args:
        table: The file's keys.
        source: Names the file in the error.

    Raises:
        InputError: With every problem of the file on one line.
    """
    given = dict(table)
    base = given.pop("base", "short")
    if not isinstance(base, str) or base not in RECIPES:
        raise InputError(
            f"{source}: base: unknown recipe {shorten(base)}, known: {', '.join(RECIPES)}"
        )
    return Recipe.parse(overlay(RECIPES[base].model_dump(), given), source)

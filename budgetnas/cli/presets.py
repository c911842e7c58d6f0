"""``budgetnas presets``: what is known by name."""

import typer

from budgetnas.arch import PRESETS, count_macs, count_params


def presets() -> None:
    """List the named architectures and recipes."""
    from budgetnas.cli.console import print_table
    from budgetnas.recipe import RECIPES

    print_table(
        ["Architecture", ">Params", ">MACs at 32x32", "Description"],
        [
            (name, f"{count_params(arch):,}", f"{count_macs(arch):,}", str(arch))
            for name, arch in PRESETS.items()
        ],
    )
    typer.echo()
    print_table(
        ["Recipe", ">Epochs", ">Batch", "Optimizer", "Schedule", "Augmentation"],
        [
            (
                name,
                str(recipe.epochs),
                str(recipe.batch_size),
                f"{recipe.optimizer.name}, lr {recipe.optimizer.lr:g}"
                + (", Lookahead" if recipe.lookahead else "")
                + (", averaged weights" if recipe.average else ""),
                recipe.schedule.name,
                ", ".join(step.name for step in recipe.augment),
            )
            for name, recipe in RECIPES.items()
        ],
    )

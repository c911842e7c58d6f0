"""Measure what each option of a recipe gives, and for how much time.

    python studies/recipe_options.py --data-dir data/cifar10 [--epochs 30] [--seeds 3]

trains one network with a recipe like `full`, and with every option added to it or taken from it
alone, on the training split; validation images say what is better, test images are never seen. All
are trained with one seed before any is with the next. Interrupted, the same call goes on; with
more seeds it adds to them. Writes options.md to studies/recipe-options/results.
"""

import argparse
import shlex
import sys
from pathlib import Path

import pandas as pd
from program import provenance, read, train

from budgetnas.arch import PRESETS, Budget, count_params
from budgetnas.data import DataSource
from budgetnas.errors import InputError
from budgetnas.recipe import (
    RECIPES,
    SAM,
    Average,
    Crop,
    CutMix,
    Cutout,
    Flip,
    Lookahead,
    Mixup,
    Recipe,
    TrivialAugment,
)
from budgetnas.report import Report, read_report
from budgetnas.space import Axis, Cell, Grid
from budgetnas.train import choose_device, hardware
from budgetnas.workflows.begin import fitted

NAME = "recipe-options/trained"
RESULTS = Path("studies/recipe-options/results")
BASE = "base"
COLUMNS = (
    "recipe", "n", "validation accuracy", "difference to base", "seconds", "seconds over base's",
    "points a second over base's",
)  # fmt: skip


def options(base: Recipe) -> dict[str, Recipe]:
    """Name the recipes that are compared: the base, and each that differs from it by one thing."""
    return {
        BASE: base,
        "trivial instead of cutout": base.changed(augment=(Crop(), Flip(), TrivialAugment())),
        "trivial before cutout": base.changed(
            augment=(Crop(), Flip(), TrivialAugment(), Cutout())
        ),
        "mixup": base.changed(mix=Mixup()),
        "cutmix": base.changed(mix=CutMix()),
        "SAM": base.changed(sharpness=SAM()),
        "ASAM": base.changed(sharpness=SAM(adaptive=True)),
        "averaged weights instead of Lookahead": base.changed(lookahead=None, average=Average()),
        "no cutout": base.changed(augment=(Crop(), Flip())),
        "no label smoothing": base.changed(label_smoothing=0.0),
    }


def base_recipe(epochs: int) -> Recipe:
    """Return `full` as it was when the options came, whatever it takes over of them later."""
    return RECIPES["full"].changed(
        epochs=epochs, lookahead=Lookahead(), average=None, label_smoothing=0.1,
        augment=(Crop(), Flip(), Cutout()), mix=None, sharpness=None,
    )  # fmt: skip


def main() -> None:
    """Train what is still missing, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--arch", choices=PRESETS, default="modified-resnet-small")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--train-samples", type=int)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--dataset", default="folder")
    parser.add_argument("--data-dir", help="a folder of images")
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    try:
        measure(asked)
    except InputError as error:
        sys.exit(f"recipe_options.py: {error}")
    text = describe(read_report(NAME))
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "options.md").write_text(text)
    sys.stdout.write(text)


def measure(asked: argparse.Namespace) -> None:
    """Train what is missing."""
    source = DataSource.choose(asked.dataset, asked.data_dir, asked.image_size)
    recipes = options(base_recipe(asked.epochs))
    preset = PRESETS[asked.arch]
    images = read(NAME, source, asked.train_samples)
    facts = images.facts
    arch = preset.adapted(facts.channels, len(facts.classes))
    cells = tuple(
        Cell(values={"recipe": name}, arch=arch, recipe=recipe) for name, recipe in recipes.items()
    )
    axes = (Axis(name="recipe", values=tuple(recipes)),)
    grid = Grid(axes=axes, cells=cells, seeds=asked.seeds)
    recipe, grid, adapted = fitted(recipes[BASE], grid, source, facts.channels)
    budget = Budget(limit=10 * count_params(preset))  # which nothing exceeds
    question = "What does each option of a recipe give, and for how much time?"
    train(NAME, images, recipe, grid, budget, question, asked.workers, adapted=adapted)


def describe(report: Report) -> str:
    """Put the command, the setting and the reading beside the table."""
    config = report.config
    command = shlex.join(["python", "studies/recipe_options.py", *sys.argv[1:]])
    origin = provenance(hardware(choose_device("auto")), config.seed, "n is in the table")
    setting = (
        f"{config.recipe.epochs} epochs on {config.facts.train:,} images of {config.data.title}, "
        f"{config.data.image_size} pixels a side; accuracy on {config.facts.val:,} validation "
        "images after the last epoch. ± is half of a 95 % interval: of a mean, over seeds; of a "
        "difference, over seeds and images. A difference that is not above it is not shown. The "
        "last two columns are ratios to the base: of a training's seconds, and of accuracy by "
        "seconds."
    )
    head = ["# What each option of a recipe gives", "", f"    {command}", "", origin, "", setting]
    return "\n".join([*head, "", *markdown(compared(report)), ""])


def compared(report: Report) -> pd.DataFrame:
    """Compare every recipe with the base.

    Returns:
        A row a recipe that was trained, columns as in the table: accuracies and differences as
        text, in percent.
    """
    summary = report.summary.set_index("configuration")
    summary.index = [str(name).removeprefix("recipe ") for name in summary.index]
    base, repeats = summary.loc[BASE], report.repeats
    rows = []
    for name, row in summary[summary["n"] > 0].iterrows():
        noise = report.noise.between(repeats[row["cell"]], repeats[base["cell"]])
        difference, longer = row["mean"] - base["mean"], row["seconds"] / base["seconds"]
        accuracy = f"{row['mean']:.2%}"
        if report.noise.df:  # something was repeated
            accuracy += f" ± {row['margin']:.2%}"
        rows.append(
            (
                name, f"{row['n']}", accuracy,
                f"{100 * difference:+.2f} ± {100 * noise:.2f}" if name != BASE else "",
                f"{row['seconds']:,.1f}", f"{longer:.2f}x",
                f"{row['mean'] / base['mean'] / longer:.2f}x",
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def markdown(table: pd.DataFrame) -> list[str]:
    """Write a table of texts as lines of markdown."""
    rows = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return [f"| {' | '.join(row)} |" for row in rows]


if __name__ == "__main__":
    Path("studies").mkdir(exist_ok=True)
    main()

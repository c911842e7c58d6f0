"""``budgetnas count`` and ``presets``: what architectures cost, without building them."""

import json
import sys
from typing import Annotated

import typer

from budgetnas.arch import (
    PRESETS,
    Arch,
    Row,
    count_macs,
    count_params,
    find_arch,
    fit_arch,
    layer_table,
)
from budgetnas.cli._command import Output, command, print_table
from budgetnas.data import DATASETS, Side
from budgetnas.errors import InputError
from budgetnas.plugins import Plugins
from budgetnas.recipe import RECIPES
from budgetnas.spec import decoded
from budgetnas.study.options import Limit, Options, Shown, WhichDataset

MIB = 2**20


class CountOptions(Options):
    """What may be asked of a count."""

    panel = "What to count"

    arch: Annotated[str, Shown("ARCH", argument=True)]
    """A preset, a JSON file, or - for stdin."""
    budget: Annotated[Limit | None, Shown("N")] = None
    """Show whether it fits this number of parameters."""
    dataset: Annotated[WhichDataset | None, Shown("NAME")] = None
    """Count it for this data set's channels and classes."""
    image_size: Annotated[Side | None, Shown("PIXELS")] = None
    """Side of an image. The data set's own unless given; 32 for folder."""
    plugins: Annotated[Plugins, Shown("NAMES")] = ()
    """Modules or .py files, separated by commas, that register its block."""


@command(CountOptions, Output)
def count(options: CountOptions, output: Output) -> None:
    """Count an architecture: layers, parameters, multiply-adds.

    Nothing is built or run: the numbers come from the description. Example:
    `budgetnas count efficient-resnet --budget 5M`
    """
    limit, dataset = options.budget, options.dataset
    described = _read(options.arch)
    if dataset is not None:
        described = _fit(described, options.arch, dataset)
    size = options.image_size or (DATASETS[dataset].image_size if dataset else 32)
    rows = layer_table(described, size)
    params, macs = count_params(described), count_macs(described, size)
    excess = limit.excess(described, size) if limit else None
    if output.as_json:
        layers = [{**row._asdict(), "output": list(row.output)} for row in rows]
        answer = {"params": params, "macs": macs, "layers": layers}
        answer |= {
            "budget": limit.limit if limit else None,
            "feasible": None if excess is None else excess <= 0,
        }
        typer.echo(json.dumps(answer))
        return
    _print_table(rows, params, macs, size)
    if limit and excess is not None:
        verdict = f"over by {excess:,}" if excess > 0 else f"fits, {-excess:,} to spare"
        typer.echo(f"Budget {limit.limit:,} parameters: {verdict}")


def _read(name: str) -> Arch:
    if name != "-":
        return find_arch(name, also="- for stdin")
    if sys.stdin is None:
        raise InputError("stdin: is closed")
    return Arch.from_json(decoded(sys.stdin.buffer, "stdin"), "stdin")


def _fit(described: Arch, name: str, dataset: str) -> Arch:
    """Count a preset as it would be on a data set; anything else must fit already."""
    info = DATASETS[dataset]
    if info.channels is None or info.num_classes is None:
        raise InputError(f"--dataset {dataset}: only its images tell channels and classes")
    fitted, notice = fit_arch(described, name, info.channels, info.num_classes)
    if notice:
        typer.echo(notice, err=True)
    return fitted


def _print_table(rows: list[Row], params: int, macs: int, size: int) -> None:
    shapes = [f"[{', '.join(map(str, row.output))}]" for row in rows]
    cells = [
        (row.name, row.type, shape, f"{row.params:,}", f"{row.macs:,}")
        for row, shape in zip(rows, shapes, strict=True)
    ]
    print_table(["Layer", "Type", "Output shape", ">Params", ">MACs"], cells)
    typer.echo(f"\nTotal params: {params:,}")
    typer.echo(f"Total MACs:   {macs:,} for one image of {size}x{size}")
    typer.echo(f"Weights:      {params * 4 / MIB:.2f} MiB (4 bytes a parameter)")


def presets() -> None:
    """List the named architectures and recipes."""
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

"""``budgetnas count``: what an architecture costs, without building it."""

import json
import sys
from typing import Annotated

import typer

from budgetnas.arch import (
    Arch,
    Budget,
    Row,
    count_macs,
    count_params,
    find_arch,
    fit_arch,
    layer_table,
)
from budgetnas.cli.options import ImageSizeOption, JsonOption, some
from budgetnas.data import DATASETS
from budgetnas.errors import InputError
from budgetnas.plugins import load
from budgetnas.spec import decoded

MIB = 2**20


def count(
    arch: Annotated[
        str, typer.Argument(metavar="ARCH", help="A preset, a JSON file, or - for stdin.")
    ],
    budget: Annotated[
        str | None,
        typer.Option(metavar="N", help="Show whether it fits this number of parameters."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            parser=some, metavar="NAME", help="Count it for this data set's channels and classes."
        ),
    ] = None,
    image_size: ImageSizeOption = None,
    plugins: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Modules or .py files that register its block."),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Count an architecture: layers, parameters, multiply-adds.

    Nothing is built or run: the numbers come from the description. Example:
    `budgetnas count efficient-resnet --budget 5M`
    """
    for name in filter(None, plugins.split(",")):
        load(name)
    limit = Budget.from_text(budget) if budget is not None else None
    described = _read(arch)
    if dataset is not None:
        described = _fit(described, arch, dataset)
    size = image_size or (DATASETS[dataset].image_size if dataset else 32)
    rows = layer_table(described, size)
    params, macs = count_params(described), count_macs(described, size)
    excess = limit.excess(described, size) if limit else None
    if as_json:
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
    if dataset not in DATASETS:
        raise InputError(f"--dataset: unknown data set {dataset!r}, known: {', '.join(DATASETS)}")
    info = DATASETS[dataset]
    if info.channels is None or info.num_classes is None:
        raise InputError(f"--dataset {dataset}: only its images tell channels and classes")
    fitted, notice = fit_arch(described, name, info.channels, info.num_classes)
    if notice:
        typer.echo(notice, err=True)
    return fitted


def _print_table(rows: list[Row], params: int, macs: int, size: int) -> None:
    from budgetnas.cli.console import print_table

    shapes = [f"[{', '.join(map(str, row.output))}]" for row in rows]
    cells = [
        (row.name, row.type, shape, f"{row.params:,}", f"{row.macs:,}")
        for row, shape in zip(rows, shapes, strict=True)
    ]
    print_table(["Layer", "Type", "Output shape", ">Params", ">MACs"], cells)
    typer.echo(f"\nTotal params: {params:,}")
    typer.echo(f"Total MACs:   {macs:,} for one image of {size}x{size}")
    typer.echo(f"Weights:      {params * 4 / MIB:.2f} MiB (4 bytes a parameter)")

"""Printing that commands share: tables on stdout, progress on stderr."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import typer

from budgetnas.cli import signals
from budgetnas.cli._command import LongOutput
from budgetnas.metric import Metric, beside_accuracy, title_of
from budgetnas.spec import Spec
from budgetnas.study.options import Options


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on stdout; a heading that begins with > is of a right-aligned column."""
    cells = [[heading.lstrip(">") for heading in headings], *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    sides = [">" if heading.startswith(">") else "<" for heading in headings]
    lines = (
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        )
        for row in cells
    )
    typer.echo("\n".join(line.rstrip() for line in lines))


def heading_of(metric: Metric, largest_class: float | None) -> str:
    """Head the column of a metric on validation images, with the largest class's share."""
    name = title_of(metric).replace("validation ", "")
    return f">{name}{beside_accuracy(largest_class, metric)}"


def spread(share: float | None) -> str:
    """Write half an interval in points, after what it is around."""
    return "" if share is None else f" ± {100 * share:.2f}"


def run_shown(
    verb: Callable[..., Any], options: Options, output: LongOutput, show: Callable[[Any], None]
) -> None:
    """Show a search, or trainings like those of one; then print its result."""
    from budgetnas.progress import SearchProgress

    watch = SearchProgress(quiet=output.quiet, verbose=output.verbose)
    with signals.ending(watch):
        result = verb(options, watch=watch)
    if not output.as_json:
        show(result)
    elif isinstance(result, Spec):
        typer.echo(result.model_dump_json())
    else:
        typer.echo(json.dumps(result.as_json()))

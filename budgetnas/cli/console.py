"""Printing for people: tables on stdout."""

from collections.abc import Iterable, Sequence

import typer

from budgetnas.metric import Metric, beside_accuracy, title_of


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

"""``budgetnas compare``: what gave the accuracy of a search's winner."""

from typing import TYPE_CHECKING

import typer

from budgetnas.cli.command import LongOutput, command
from budgetnas.cli.console import heading_of, print_table
from budgetnas.workflows.options import CompareOptions

if TYPE_CHECKING:
    from budgetnas.study import Compared, Comparison


@command(CompareOptions, LongOutput)
def compare(options: CompareOptions, output: LongOutput) -> None:
    """Measure what gave the accuracy: the recipe, the architecture, the search, or luck.

    Trains the winner of a search, the papers' networks, two of them scaled until they fill the
    budget, and the best of as many random networks, all by one recipe (`full` for 30 epochs unless
    given), with the same seeds in turns, on the same images. Validation images only. Stored with
    the study and shown in its report; the same command again continues. Example:
    `budgetnas compare --study digits-100k --seeds 3`
    """
    from budgetnas.study.begun import find_begun

    find_begun(options.study).space()  # what is not there needs no torch to be refused
    from budgetnas.cli.watch import shown
    from budgetnas.progress import SearchProgress
    from budgetnas.workflows.compare import compare as run

    watch = SearchProgress(quiet=output.quiet, verbose=output.verbose)
    with shown(watch):
        found = run(options, watch=watch)
    if output.as_json:
        typer.echo(found.model_dump_json())
    else:
        _print_result(found)


def _print_result(found: "Comparison") -> None:
    """Print a row a network, then what gave the accuracy."""
    if found.rows:
        measured = heading_of(found.metric, found.largest_class)
        headings = ["network", "recipe", ">params", ">MACs", ">n", measured, ">below the best"]
        print_table([*headings, "verdict", ">s"], map(_row, found.rows))
    for line in found.lines:
        typer.echo(line)
    typer.echo(f"Next: budgetnas report studies/{found.study}")


def _row(row: "Compared") -> list[str]:
    from budgetnas.analysis import VERDICTS, Verdict
    from budgetnas.report.page import hundredths, percent, whole

    verdict = VERDICTS[row.verdict]
    if row.failures:
        verdict += f", {row.failures} failed"
    below = hundredths(None if row.verdict == Verdict.BEST else row.difference)
    return [
        row.network, row.recipe, whole(row.params), whole(row.macs), f"{row.n}",
        f"{percent(row.mean)}{_spread(row.margin)}",
        f"{below}{'' if row.verdict == Verdict.BEST else _spread(row.noise)}", verdict,
        whole(row.seconds),
    ]  # fmt: skip


def _spread(share: float | None) -> str:
    return "" if share is None else f" ± {100 * share:.2f}"

"""``budgetnas fidelity``: how far a study's short trainings can be trusted."""

from typing import TYPE_CHECKING

import typer

from budgetnas.cli.command import LongOutput, command
from budgetnas.cli.console import print_table
from budgetnas.workflows.options import FidelityOptions

if TYPE_CHECKING:
    from budgetnas.study import Fidelity


@command(FidelityOptions, LongOutput)
def fidelity(options: FidelityOptions, output: LongOutput) -> None:
    """Measure how few epochs rank architectures as a full training does.

    Trains architectures of a study's space, spread over its sizes, short and in full, and reports
    how well the rankings agree (Kendall's tau, top-k regret), by several criteria, each with a
    bootstrap interval. Validation images only. Stored with the study and shown in its report; the
    same command again continues. Example:
    `budgetnas fidelity --study digits-100k --archs 12 --short 1,3,9 --epochs 30`
    """
    from budgetnas.study.begun import find_begun

    find_begun(options.study).space()  # what is not there needs no torch to be refused
    from budgetnas.cli.watch import shown
    from budgetnas.progress import SearchProgress
    from budgetnas.workflows.fidelity import fidelity as run

    watch = SearchProgress(quiet=output.quiet, verbose=output.verbose)
    with shown(watch):
        found = run(options, watch=watch)
    if output.as_json:
        typer.echo(found.model_dump_json())
    else:
        _print_result(found)


def _print_result(found: "Fidelity") -> None:
    """Print a row a candidate and criterion, then what follows from them."""
    seeds = f"n = {found.seeds} seed{'s' * (found.seeds > 1)} each"
    typer.echo(
        f"Study {found.study}: {found.counted} measured short and in full "
        f"({found.epochs} epochs of {found.recipe}), {seeds}"
    )
    if found.rows:
        regret = f">top-{found.top} regret, points (95 %)"
        print_table(
            [">epochs", ">of full", "criterion", ">tau (95 % interval)", regret],
            [
                [
                    str(row.epochs), f"{row.cost:.1%}", row.criterion, row.tau.words(),
                    row.regret.words(100),
                ]
                for row in found.rows
            ],
        )  # fmt: skip
        typer.echo(f"Rule: {found.rule}.")
    typer.echo(found.advice)
    typer.echo(f"Next: budgetnas report studies/{found.study}")

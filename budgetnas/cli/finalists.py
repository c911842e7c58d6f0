"""``budgetnas finalists``: the best trials of a search, trained longer, until one wins."""

import json
from typing import TYPE_CHECKING

import typer

from budgetnas.cli.command import LongOutput, command
from budgetnas.cli.console import heading_of, print_table
from budgetnas.workflows.options import FinalistsOptions

if TYPE_CHECKING:
    from budgetnas.workflows.finalists import Finalist, Finalists

UNKNOWN = "\N{EN DASH}"


@command(FinalistsOptions, LongOutput)
def finalists(options: FinalistsOptions, output: LongOutput) -> None:
    """Train the best trials of a search longer, with several seeds each, and name the winner.

    It is a race: all are trained with the first seed, then all with the second, and so on. From
    the second round on, finalists that are significantly worse than the leader are eliminated.
    The smallest network wins that is shown to be less than --margin below the best mean, over
    seeds and image by image. If none is, the best mean wins; networks not distinguished from it
    are named, with the number of seeds that would tell. The recipe is `full` for 30 epochs unless
    given; no test image is used. The same command again continues. `budgetnas retrain best` then
    uses the winner. Example:
    `budgetnas finalists --study digits-100k --top 5 --seeds 3`
    """  # fmt: skip
    from budgetnas.study.begun import find_begun

    find_begun(options.study)  # what is not there needs no torch to be refused
    from budgetnas.cli.watch import shown
    from budgetnas.progress import SearchProgress
    from budgetnas.workflows.finalists import finalists as run

    watch = SearchProgress(quiet=output.quiet, verbose=output.verbose)
    with shown(watch):
        result = run(options, watch=watch)
    if output.as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        _print_result(result)


def _print_result(result: "Finalists") -> None:
    measured = heading_of(result.metric, result.largest_class)
    headings = ["finalist", ">params", ">MACs", ">n", measured, ">below the best", "verdict"]
    print_table(headings, map(_row, result.rows))
    winner = result.winner
    if winner is None:
        late = "stopped at the timeout; the same command continues"
        failed = "none, no finalist could be trained"
        typer.echo(f"Winner: {late if result.stopped == 'timeout' else failed}")
        return
    (arch,) = (row.arch for row in result.rows if row.trial == winner.trial)
    what = f"trial {winner.trial}, {winner.params:,} parameters, {arch}"
    typer.echo(f"Winner: {what}: {winner.rule}")
    if winner.advice:
        typer.echo(winner.advice)
    typer.echo(f"Next: budgetnas retrain best --study {result.search}")
    typer.echo(f"      budgetnas report {result.study}")


def _row(row: "Finalist") -> list[str]:
    from budgetnas.analysis import ELIMINATED, VERDICTS, Verdict

    verdict = VERDICTS[row.verdict]
    if row.verdict == ELIMINATED:
        verdict = f"out after round {row.out_after}"
    if row.failures:
        verdict += f", {row.failures} failed"
    accuracy = UNKNOWN if row.mean is None else f"{row.mean:.2%}{_spread(row.margin)}"
    below = UNKNOWN
    if row.difference is not None and row.verdict != Verdict.BEST:
        below = f"{100 * row.difference:.2f}{_spread(row.noise)}"
    return [
        f"trial {row.trial}", _whole(row.params), _whole(row.macs), f"{row.n}", accuracy, below,
        verdict,
    ]  # fmt: skip


def _spread(share: float | None) -> str:
    return "" if share is None else f" ± {100 * share:.2f}"


def _whole(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"

"""``budgetnas run``: a study file's question answered, in full or scaled down."""

import json
from typing import TYPE_CHECKING

import typer

from budgetnas.cli.command import LongOutput, command
from budgetnas.cli.console import print_table
from budgetnas.cli.options import EXHAUSTED
from budgetnas.study.options import RunOptions

if TYPE_CHECKING:
    from budgetnas.workflows.work import SearchResult


@command(RunOptions, LongOutput)
def run(options: RunOptions, output: LongOutput) -> None:
    """Run a study file: a search, a grid of configurations, or a list of networks.

    Networks are compared on validation images only. The same command again continues where it
    stopped. The study in full, scaled down and on other data are separate studies, in folders
    beside the file. Example: `budgetnas run studies/er-09-schedules --quick --dataset digits`
    """
    from budgetnas.study import StudyFile, find_file

    path, _ = find_file(options.study)
    if not StudyFile.read(path).train:
        _count(options, output)
        return
    from budgetnas.cli.watch import shown
    from budgetnas.progress import SearchProgress
    from budgetnas.workflows.run import run_study

    watch = SearchProgress(quiet=output.quiet, verbose=output.verbose)
    with shown(watch):
        result = run_study(options, watch=watch)
    if output.as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        _print_result(result)


def _count(options: RunOptions, output: LongOutput) -> None:
    """Print which networks of a study that trains nothing fit the budget."""
    from budgetnas.analysis import count_study

    counted = count_study(options.study, dataset=options.dataset, data_dir=options.data_dir)
    if output.as_json:
        typer.echo(json.dumps(counted.as_json()))
        return
    print_table(
        ["network", ">params", ">MACs", f"at most {counted.budget:,}"],
        [
            [net.network, f"{net.params:,}", f"{net.macs:,}", "fits" if net.feasible else "no"]
            for net in counted.networks
        ],
    )


def _print_result(result: "SearchResult") -> None:
    """Print what the study answers so far."""
    stopped = {
        "trials": "",
        "timeout": "; stopped at the timeout",
        "exhausted": EXHAUSTED,
    }[result.stopped]
    typer.echo(
        f"Study {result.study}: {result.trained} trials trained ({result.pruned} stopped early), "
        f"{result.over_budget} over budget, {result.duplicates} duplicates, "
        f"{result.failed} failed{stopped}"
    )
    if not result.trained + result.failed:
        typer.echo("Nothing has been trained yet.")
        return
    from budgetnas.report.answer import answer_lines
    from budgetnas.report.read import read_report

    for line in answer_lines(read_report(result.study, None)):
        typer.echo(line)
    typer.echo(f"Next: budgetnas report studies/{result.study}")

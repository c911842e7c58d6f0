"""``budgetnas run``: a study file's question answered, in full or scaled down."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budgetnas.cli.console import print_table
from budgetnas.cli.options import (
    EXHAUSTED,
    DataDirOption,
    DatasetOption,
    DeviceOption,
    JsonOption,
    SkipUnreadableOption,
    TimeoutOption,
    WorkersOption,
    some,
)

if TYPE_CHECKING:
    from budgetnas.searching.work import SearchResult


def run(
    study: Annotated[
        str,
        typer.Argument(
            parser=some,
            metavar="STUDY",
            help="A study file, its folder, or its name in ./studies.",
        ),
    ],
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Scale it down to a minute or two on a CPU; results are labelled so."
        ),
    ] = False,
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    skip_unreadable: SkipUnreadableOption = None,
    device: DeviceOption = "auto",
    timeout: TimeoutOption = None,
    workers: WorkersOption = "1",
    as_json: JsonOption = False,
) -> None:
    """Run a study file: a search, a grid of configurations, or a list of networks.

    Networks are compared on validation images only. The same command again continues where it
    stopped. The study in full, scaled down and on other data are separate studies, in folders
    beside the file. Example: `budgetnas run studies/er-09-schedules --quick --dataset digits`
    """
    from budgetnas.study.file import StudyFile, find_file

    path, _ = find_file(study)
    if not StudyFile.read(path).train:
        _count(study, dataset, data_dir, as_json)
        return
    from budgetnas.cli.watch import shown
    from budgetnas.progress import SearchProgress
    from budgetnas.searching.run_study import run_study

    watch = SearchProgress()
    with shown(watch):
        result = run_study(
            study, quick=quick, dataset=dataset, data_dir=data_dir,
            skip_unreadable=skip_unreadable, device=device,
            timeout=timeout, workers=workers, watch=watch,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        _print_result(result)


def _count(study: str, dataset: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Print which networks of a study that trains nothing fit the budget."""
    from budgetnas.analysis import count_study

    counted = count_study(study, dataset=dataset, data_dir=data_dir)
    if as_json:
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

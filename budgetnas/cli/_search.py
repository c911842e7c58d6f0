"""``budgetnas search`` and ``run``: a study of trained trials, from a budget or a study file."""

import json
from typing import TYPE_CHECKING

import typer

from budgetnas.cli._command import LongOutput, command
from budgetnas.cli._console import print_table, run_shown
from budgetnas.metric import beside_accuracy, title_of
from budgetnas.study.options import RunOptions, SearchOptions

if TYPE_CHECKING:
    from budgetnas.workflows.work import SearchResult


@command(SearchOptions, LongOutput)
def search(options: SearchOptions, output: LongOutput) -> None:
    """Search for the best network under a parameter budget.

    Draws architectures, counts them, and trains those that fit for a few epochs. The same command
    again continues where it stopped, up to N trained trials. No test image is looked at. Example:
    `budgetnas search --budget 100k --dataset digits --trials 20`
    """
    _look_up(options)
    from budgetnas.workflows.search import search as run

    run_shown(run, options, output, lambda result: _print_search(result, options.trials))


def _look_up(options: SearchOptions) -> None:
    """Find mistakes about the study before torch is imported, which takes seconds."""
    from budgetnas.study import budget_needed, config_path, study_folder

    folder = None if options.study is None else study_folder(options.study)
    begun = folder is not None and config_path(folder).is_file()
    if options.budget is None and not begun:
        raise budget_needed(options.study)
    if folder and begun:
        from budgetnas.study import StudyConfig

        StudyConfig.read(folder)


def _print_trials(result: "SearchResult", asked: str = "") -> None:
    """Print what became of a study's trials, and why no more were trained."""
    why = {
        "trials": "",
        "timeout": f"; stopped at the timeout{asked}",
        "exhausted": "; stopped after 1,000 draws in a row without a new network that fits",
        "callback": "; stopped by a callback",
    }[result.stopped]
    typer.echo(
        f"Study {result.study}: {result.trained} trials trained ({result.pruned} stopped early), "
        f"{result.over_budget} over budget, {result.duplicates} duplicates, "
        f"{result.failed} failed{why}"
    )


def _print_search(result: "SearchResult", trials: int) -> None:
    _print_trials(result, f", {trials} were asked for")
    typer.echo(
        f"Epochs: {result.epochs:,} of {result.epochs_in_full:,}; stopping early has saved "
        f"{1 - result.epochs / max(1, result.epochs_in_full):.0%}"
    )
    if result.best is None:
        typer.echo("No trial was completed yet.")
        return
    from budgetnas.arch import Arch

    best = result.best
    arch = Arch.model_validate(best.arch)
    typer.echo(
        f"Best: trial {best.number}, {best.value:.2%} {title_of(result.metric)}"
        f"{beside_accuracy(result.largest_class, result.metric)}, "
        f"{best.params:,} parameters: {arch}"
    )
    if result.only_guesses:
        typer.echo(
            f"No trial is better than guessing: the luckiest of as many that guess may have "
            f"{result.guessing:.2%}. More --epochs or more images are needed."
        )
    typer.echo(f"Next: budgetnas retrain best --study {result.study}")
    typer.echo(f"      budgetnas dashboard --study {result.study}")


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
    from budgetnas.workflows.run import run_study

    run_shown(run_study, options, output, _print_run)


def _count(options: RunOptions, output: LongOutput) -> None:
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


def _print_run(result: "SearchResult") -> None:
    _print_trials(result)
    if not result.trained + result.failed:
        typer.echo("Nothing has been trained yet.")
        return
    from budgetnas.report import answer_lines, read_report

    for line in answer_lines(read_report(result.study, None)):
        typer.echo(line)
    typer.echo(f"Next: budgetnas report studies/{result.study}")

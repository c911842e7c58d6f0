"""``budgetnas search``: from a budget to a study of trained trials."""

import json
from typing import TYPE_CHECKING

import typer

from budgetnas.cli.command import LongOutput, command
from budgetnas.cli.options import EXHAUSTED
from budgetnas.metric import beside_accuracy, title_of
from budgetnas.study.options import SearchOptions

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
    from budgetnas.cli.watch import shown
    from budgetnas.progress import SearchProgress
    from budgetnas.workflows.search import search as run

    watch = SearchProgress(quiet=output.quiet, verbose=output.verbose)
    with shown(watch):
        result = run(options, watch=watch)
    if output.as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        _print_result(result, options.trials)


def _look_up(options: SearchOptions) -> None:
    """Look for what is wrong with the study before torch is imported, which takes seconds."""
    from budgetnas.study import budget_needed, config_path, study_folder

    folder = None if options.study is None else study_folder(options.study)
    begun = folder is not None and config_path(folder).is_file()
    if options.budget is None and not begun:
        raise budget_needed(options.study)
    if folder and begun:
        from budgetnas.study import StudyConfig

        StudyConfig.read(folder)


def _print_result(result: "SearchResult", trials: int) -> None:
    why = {
        "trials": "",
        "timeout": f"; stopped at the timeout, {trials} were asked for",
        "exhausted": EXHAUSTED,
    }[result.stopped]
    typer.echo(
        f"Study {result.study}: {result.trained} trials trained ({result.pruned} stopped early), "
        f"{result.over_budget} over budget, {result.duplicates} duplicates, "
        f"{result.failed} failed{why}"
    )
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
            f"No trial is better than guessing: the luckiest of so many that guess may have "
            f"{result.guessing:.2%}. More --epochs or more images are needed."
        )
    typer.echo(f"Next: budgetnas retrain best --study {result.study}")
    typer.echo(f"      budgetnas dashboard --study {result.study}")

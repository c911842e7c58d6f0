"""``budgetnas retrain``: one architecture trained in full, and tested once."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from budgetnas.arch import find_arch
from budgetnas.cli import signals
from budgetnas.cli._command import LongOutput, command
from budgetnas.metric import beside_accuracy
from budgetnas.study import find_study
from budgetnas.workflows.options import SeedsOptions

if TYPE_CHECKING:
    from budgetnas.runs import RunResult
    from budgetnas.workflows.retrain import SeedsResult


@command(SeedsOptions, LongOutput)
def retrain(options: SeedsOptions, output: LongOutput) -> None:
    """Retrain an architecture in full, and test it once.

    Trains on all training images and opens the test set after the last epoch, unless --select
    or --test-curves is given. Data and seed are the study's unless given; the recipe is `full`,
    or of a grid's trial its own. `best` is the winner of the study's finalists if there are any,
    else the best trial of its search. The run's folder is written after every epoch.
    Example: `budgetnas retrain best --epochs 100`
    """
    if not (options.resume and options.out):
        _look_up(options)
    from budgetnas.progress import RetrainProgress
    from budgetnas.workflows.retrain import retrain as run
    from budgetnas.workflows.retrain import retrain_seeds

    watch = RetrainProgress(quiet=output.quiet, verbose=output.verbose)
    several = None
    try:
        with signals.raised(), watch:
            if options.seeds > 1:
                several = retrain_seeds(options, watch=watch)
            result = several.runs[0] if several else run(options, watch=watch)
            again = _again(options, Path(result.run))
            signals.change_last_words(f"Interrupted. To see the result: {again}")
    except KeyboardInterrupt:
        again = _again(options, watch.folder)
        signals.change_last_words(f"Interrupted. To continue: {again}")
        watch.interrupted(again)
        raise typer.Exit(130) from None
    if output.as_json:
        typer.echo(json.dumps((several or result).as_json()))
    elif several:
        _print_several(several)
    else:
        typer.echo(_test_line(result))
        typer.echo(f"{result.params:,} parameters, {result.macs:,} MACs, {result.seconds:.0f} s")
        typer.echo(f"Run: {result.run}")


def _print_several(several: "SeedsResult") -> None:
    for result in several.runs:
        typer.echo(_test_line(result))
        typer.echo(f"Run: {result.run}")
    first, n = several.runs[0], len(several.runs)
    selected = " (test-selected)" if first.test_selected else ""
    typer.echo(
        f"Mean of n = {n} seeds: test accuracy {several.mean:.2%} ± {100 * several.margin:.2f} "
        f"(95 % interval over seeds){beside_accuracy(first.largest_class)}{selected}"
    )
    seconds = sum(result.seconds for result in several.runs)
    typer.echo(f"{first.params:,} parameters, {first.macs:,} MACs, {seconds:.0f} s")


def _test_line(result: "RunResult") -> str:
    beside = beside_accuracy(result.largest_class)
    accuracy = f"Test accuracy {result.test_accuracy:.2%}{beside}"
    balanced = f"balanced {result.test_balanced_accuracy:.2%}"
    loss = f"test loss {result.test_loss:.4f}"
    if result.test_selected:
        looked = f"the test set was looked at after each of {result.epochs} epochs"
        if result.select != "last":
            looked = f"epoch {result.selected_epoch} of {result.epochs}, the best on the test set"
        return (
            f"{accuracy} (test-selected: {looked}; after the last epoch "
            f"{result.last_test_accuracy:.2%}), {balanced}, {result.test_images:,} images, {loss}"
        )
    opened = f"opened after the last of {result.epochs} epochs"
    if result.select != "last":
        opened += f", weights of epoch {result.selected_epoch}, the best on validation images"
    return f"{accuracy}, {balanced} ({result.test_images:,} images, {opened}), {loss}"


def _look_up(options: SeedsOptions) -> None:
    """Raise for what is invalid without torch, which takes seconds to import."""
    if options.study is not None:
        find_study(options.study)
    if options.study is not None or options.is_of_a_study:
        from budgetnas.study.begun import find_begun

        find_begun(options.study)
    if not options.is_of_a_study:
        find_arch(options.target, also="best, a trial's number")


def _again(options: SeedsOptions, folder: Path | None) -> str:
    """Return the command that continues this very run, or begins it if it had not begun."""
    if folder is None:
        return signals.repeated(sys.argv[1:])
    if options.seeds > 1:
        from budgetnas.runs import first_of

        folder = first_of(folder)
    where = ["--resume", "--out", str(folder), *options.words("device", "seeds")]
    return shlex.join(["budgetnas", "retrain", options.target, *where])

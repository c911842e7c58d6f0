"""``budgetnas retrain``: one architecture trained in full, and tested once."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from budgetnas.arch import find_arch
from budgetnas.cli import signals
from budgetnas.cli.options import (
    BackgroundOption,
    DataDirOption,
    DatasetOption,
    DeviceOption,
    EpochsOption,
    FitOption,
    ImageSizeOption,
    JsonOption,
    RecipeOption,
    SeedOption,
    SkipUnreadableOption,
    StorageOption,
    StudyOption,
    metric_name,
    path,
)
from budgetnas.errors import InputError
from budgetnas.recipe import load_recipe
from budgetnas.retraining.selection import selection_problem
from budgetnas.study.metric import beside_accuracy

if TYPE_CHECKING:
    from budgetnas.retraining.run import RunResult
    from budgetnas.retraining.series import SeedsResult


def retrain(
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="best, a trial's number, a preset, or a JSON file."),
    ] = "best",
    study: StudyOption = None,
    storage: StorageOption = None,
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    image_size: ImageSizeOption = None,
    fit: FitOption = None,
    background: BackgroundOption = None,
    skip_unreadable: SkipUnreadableOption = None,
    epochs: EpochsOption = None,
    recipe: RecipeOption = None,
    seed: SeedOption = None,
    select: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Keep the weights of the epoch that is last (default), best-val (on your "
            "validation part or a tenth of the training images, held out) or best-test "
            "(on the test set: test-selected).",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            parser=metric_name,
            metavar="NAME",
            help="By what best-val and best-test choose the epoch: accuracy, or balanced, the "
            "mean over classes of the share classified correctly; the study's unless given.",
        ),
    ] = None,
    test_curves: Annotated[
        bool,
        typer.Option(
            "--test-curves", help="Also test after every epoch; the result is test-selected."
        ),
    ] = False,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Use torch.compile if a few timed steps show that the run is faster with it.",
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the newest unfinished run of TARGET.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(parser=path, metavar="DIR", help="The run's folder: new, or to resume."),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            max=1_000,
            metavar="N",
            help="Number of runs with different seeds, a folder each; the result is the mean of "
            "their test accuracies with its 95 % interval.",
        ),
    ] = 1,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Retrain an architecture in full, and test it once.

    Trains on all training images and opens the test set after the last epoch, unless --select
    or --test-curves is given. Data and seed are the study's unless given; the recipe is `full`,
    or of a grid's trial its own. `best` is the winner of the study's finalists if there are any,
    else the best trial of its search. The run's folder is written after every epoch.
    Example: `budgetnas retrain best --epochs 100`
    """
    if recipe is not None:
        load_recipe(recipe)
    if problem := selection_problem("last" if select is None else select, test_curves):
        raise InputError(problem)
    if not (resume and out):
        _look_up(target, study)
    from budgetnas.progress import RetrainProgress
    from budgetnas.retraining.retrain import retrain as run
    from budgetnas.retraining.series import retrain_seeds

    watch = RetrainProgress()
    options: dict[str, Any] = {
        "study": study, "storage": storage, "dataset": dataset, "data_dir": data_dir,
        "image_size": image_size, "fit": fit, "background": background,
        "skip_unreadable": skip_unreadable, "epochs": epochs,
        "recipe": recipe, "seed": seed, "select": select, "metric": metric,
        "test_curves": test_curves,
        "compiled": compiled, "resume": resume, "out": out, "device": device, "watch": watch,
    }  # fmt: skip
    try:
        with signals.raised(), watch:
            several = retrain_seeds(target, seeds=seeds, **options) if seeds > 1 else None
            result = several.runs[0] if several else run(target, **options)
            again = _again(target, Path(result.run), device, seeds)
            signals.change_last_words(f"Interrupted. To see the result: {again}")
    except KeyboardInterrupt:
        again = _again(target, watch.folder, device, seeds)
        signals.change_last_words(f"Interrupted. To continue: {again}")
        watch.interrupted(again)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps((several or result).as_json()))
    elif several:
        _print_several(several)
    else:
        typer.echo(_test_line(result))
        typer.echo(f"{result.params:,} parameters, {result.macs:,} MACs, {result.seconds:.0f} s")
        typer.echo(f"Run: {result.run}")


def _print_several(several: "SeedsResult") -> None:
    """Print each run, then what they have in common."""
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
    """Print the accuracy of the network, and how it was measured."""
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


def _look_up(target: str, study: str | None) -> None:
    """Raise for what is invalid without torch, which takes seconds to import."""
    from budgetnas.study.place import find_study

    if study is not None:
        find_study(study)
    from budgetnas.retraining.target import is_of_a_study
    from budgetnas.study.begun import find_begun

    if study is not None or is_of_a_study(target):
        find_begun(study)
    if not is_of_a_study(target):
        find_arch(target, also="best, a trial's number")


def _again(target: str, folder: Path | None, device: str, seeds: int) -> str:
    """The command that continues this very run, or begins it if it had not begun."""
    if folder is None:
        return signals.repeated(sys.argv[1:])
    where = [] if device == "auto" else ["--device", device]
    if seeds > 1:
        from budgetnas.retraining.series import first_of

        folder, where = first_of(folder), [*where, "--seeds", str(seeds)]
    return shlex.join(["budgetnas", "retrain", target, "--resume", "--out", str(folder), *where])

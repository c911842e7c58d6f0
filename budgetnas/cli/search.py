"""``budgetnas search``: from a budget to a study of trained trials."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budgetnas.cli.options import (
    DataDirOption,
    DatasetOption,
    DeviceOption,
    EpochsOption,
    ImageSizeOption,
    JsonOption,
    RecipeOption,
    SeedOption,
    StorageOption,
    StudyOption,
)

if TYPE_CHECKING:
    from budgetnas.searching.search import SearchResult


def search(
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="The most trainable parameters: 5e6, 5M, 500k. Needed to begin a study.",
        ),
    ] = None,
    trials: Annotated[
        int,
        typer.Option(
            min=1, max=10**9, metavar="N", help="Trained trials that the study shall have."
        ),
    ] = 100,
    study: StudyOption = None,
    storage: StorageOption = None,
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    image_size: ImageSizeOption = None,
    train_samples: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Train on so many images only, stratified; validation stays whole.",
        ),
    ] = None,
    epochs: EpochsOption = None,
    space: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A TOML file that narrows the default space."),
    ] = None,
    recipe: RecipeOption = None,
    sampler: Annotated[
        str | None, typer.Option(metavar="NAME", help="tpe (default), random, gp or nsga2.")
    ] = None,
    pruner: Annotated[
        str | None, typer.Option(metavar="NAME", help="median (default), halving or none.")
    ] = None,
    device: DeviceOption = "auto",
    seed: SeedOption = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Stop at the next epoch once so long has passed."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Search for the best network under a parameter budget.

    Draws architectures, counts them, and trains those that fit for a few epochs. The same command
    again continues where it stopped, up to N trained trials. No test image is looked at. Example:
    `budgetnas search --budget 100k --dataset digits --trials 20`
    """  # fmt: skip
    from budgetnas.cli.watch import SearchWatch
    from budgetnas.searching.search import search as run

    with SearchWatch(trials) as watch:
        try:
            result = run(
                budget, trials=trials, study=study, storage=storage, dataset=dataset,
                data_dir=data_dir, image_size=image_size, train_samples=train_samples,
                epochs=epochs, space=space, recipe=recipe, sampler=sampler, pruner=pruner,
                device=device, seed=seed, timeout=timeout, watch=watch,
            )  # fmt: skip
        except KeyboardInterrupt:
            watch.interrupted(_again())
            raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        _print_result(result, trials)


def _again() -> str:
    """The command that continues: the same once more."""
    words = [_without_password(word) for word in sys.argv[1:]]
    return shlex.join(["budgetnas", *words])


def _without_password(word: str) -> str:
    from budgetnas.study.storage import redacted

    option, equals, url = word.rpartition("=") if word.startswith("--storage=") else ("", "", word)
    return f"{option}{equals}{redacted(url)}" if "://" in url else word


def _print_result(result: "SearchResult", trials: int) -> None:
    why = {
        "trials": "",
        "timeout": f"; stopped at the timeout, {trials} were asked for",
        "exhausted": "; stopped after 1,000 draws in a row without a new network that fits",
    }[result.stopped]
    typer.echo(
        f"Study {result.study}: {result.trained} trials trained ({result.pruned} stopped early), "
        f"{result.over_budget} over budget, {result.duplicates} duplicates, "
        f"{result.failed} failed{why}"
    )
    if result.best is None:
        typer.echo("No trial was completed yet.")
        return
    from budgetnas.arch import Arch

    best = result.best
    arch = Arch.model_validate(best.arch)
    typer.echo(
        f"Best: trial {best.number}, {best.value:.2%} validation accuracy, "
        f"{best.params:,} parameters: {arch}"
    )
    typer.echo(f"Next: budgetnas retrain best --study {result.study}")
    typer.echo(f"      budgetnas dashboard --study {result.study}")

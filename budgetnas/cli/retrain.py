"""``budgetnas retrain``: one architecture trained in full, and tested once."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

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
    epochs: EpochsOption = None,
    recipe: RecipeOption = None,
    seed: SeedOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the newest unfinished run of TARGET.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run's folder: new, or to resume.")
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Retrain an architecture in full, and test it once.

    Trains on all training images and opens the test set after the last epoch. Data and seed
    are the study's unless given; the recipe is `full`. Everything about
    the run is written to its folder, after every epoch. Example:
    `budgetnas retrain best --epochs 100`
    """
    from budgetnas.cli.watch import RetrainWatch
    from budgetnas.retraining.retrain import retrain as run

    with RetrainWatch() as watch:
        try:
            result = run(
                target, study=study, storage=storage, dataset=dataset, data_dir=data_dir,
                image_size=image_size, epochs=epochs, recipe=recipe, seed=seed, resume=resume,
                out=out, device=device, watch=watch,
            )  # fmt: skip
        except KeyboardInterrupt:
            watch.interrupted(_again(target, watch.folder, device))
            raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(result.as_json()))
        return
    typer.echo(
        f"Test accuracy {result.test_accuracy:.2%} ({result.test_images:,} images, opened after "
        f"the last of {result.epochs} epochs), test loss {result.test_loss:.4f}"
    )
    typer.echo(f"{result.params:,} parameters, {result.macs:,} MACs, {result.seconds:.0f} s")
    typer.echo(f"Run: {result.run}")


def _again(target: str, folder: Path | None, device: str) -> str:
    """The command that continues this very run, or begins it if it had not begun."""
    if folder is None:
        return shlex.join(["budgetnas", *sys.argv[1:]])
    where = [] if device == "auto" else ["--device", device]
    return shlex.join(["budgetnas", "retrain", target, "--resume", "--out", str(folder), *where])

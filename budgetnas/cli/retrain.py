"""``budgetnas retrain``: one architecture trained in full, and tested once."""

import json
import shlex
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
            watch.interrupted(_again(target, study, watch.folder))
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


def _again(target: str, study: str | None, folder: Path | None) -> str:
    """The command that continues this very run."""
    words = ["budgetnas", "retrain", target, *(["--study", study] if study else [])]
    if folder is not None:
        words += ["--resume", "--out", str(folder)]
    return shlex.join(words)

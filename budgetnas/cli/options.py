"""Options that several commands have in common, so that they read alike everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from budgetnas.data.view import check_background, check_fit
from budgetnas.recipe.recipe import MAX_EPOCHS
from budgetnas.searching.asked_workers import check_workers
from budgetnas.study.metric import METRICS

EXHAUSTED = "; stopped after 1,000 draws in a row without a new network that fits"


def some(value: str) -> str:
    """Raise for the empty text of a variable that a script forgot to set."""
    if not value:
        raise typer.BadParameter("must not be empty")
    return value


def path(value: str) -> Path:
    """Raise for an empty path, which to `Path` is this folder."""
    return Path(some(value))


def positive(seconds: float | None) -> float | None:
    """Raise for a time that is not positive."""
    if seconds is not None and not seconds > 0:
        raise typer.BadParameter("must be greater than 0")
    return seconds


StudyOption = Annotated[
    str | None,
    typer.Option(
        "--study",
        "--study-name",
        parser=some,
        metavar="NAME",
        help="The study, in ./studies/NAME.",
    ),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        parser=some,
        metavar="URL",
        help="SQLAlchemy URL of the study's storage; study.db in its folder unless given.",
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        parser=some,
        metavar="NAME",
        help="cifar10, cifar100, svhn, fashion-mnist, digits (embedded), or folder (your images "
        "in --data-dir: train/<class>/*, optionally test/<class>/*).",
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        parser=path,
        metavar="DIR",
        help="Where data sets are kept (./data); for folder, the folder itself.",
    ),
]
ImageSizeOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=4096, metavar="PIXELS",
        help="Side of an image. The data set's own unless given; 32 for folder.",
    ),
]  # fmt: skip
FitOption = Annotated[
    str | None,
    typer.Option(
        parser=check_fit,
        metavar="NAME",
        help="How images are made square: crop (default: the short side resized, the centre "
        "kept), pad (the long side resized, the rest background) or squash (both sides resized). "
        "Only pad and squash keep what lies at an edge.",
    ),
]
BackgroundOption = Annotated[
    str | None,
    typer.Option(
        parser=check_background,
        metavar="COLOUR",
        help="Colour behind transparent pixels and around padded images: white (default), black, "
        "grey or #rrggbb.",
    ),
]
SkipUnreadableOption = Annotated[
    bool | None,
    typer.Option(
        "--skip-unreadable",
        help="Leave out unreadable files of --dataset folder instead of stopping; they are "
        "counted, and listed in unreadable.txt.",
        show_default=False,
    ),
]
EpochsOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=MAX_EPOCHS, metavar="N", help="Number of epochs, instead of the recipe's."
    ),
]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        parser=some,
        metavar="NAME|FILE",
        help="A named recipe (budgetnas presets lists them) or a TOML file that changes one.",
    ),
]
DeviceOption = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.")]
SeedOption = Annotated[
    int | None,
    typer.Option(min=0, max=2**63 - 1, metavar="N", help="Seed of every random choice."),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        callback=positive,
        metavar="SECONDS",
        help="Seconds after which to stop, at the end of an epoch.",
    ),
]
WorkersOption = Annotated[
    str,  # typer knows no `int | str`; `check_workers` returns either
    typer.Option(
        parser=check_workers,
        metavar="N|auto",
        help="Number of trials trained at once, each in a process of its own; auto measures for "
        "some seconds which number is fastest. With more than one, the proposals depend on "
        "timing; each training stays reproducible.",
    ),
]


def metric_name(value: str) -> str:
    """Raise for an unknown metric."""
    if value not in METRICS:
        raise typer.BadParameter(f"unknown metric {value!r}, known: {', '.join(METRICS)}")
    return value


MetricOption = Annotated[
    str | None,
    typer.Option(
        parser=metric_name,
        metavar="NAME",
        help="What networks are compared by: accuracy (default of a new study) is the share of "
        "validation images classified correctly; balanced is the mean of that share over "
        "classes, so that a small class counts as much as a large one.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, all else on stderr.")
]

"""Options that several commands have in common, so that they read alike everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from budgetnas.data.view import check_background, check_fit
from budgetnas.recipe.recipe import MAX_EPOCHS
from budgetnas.searching.asked_workers import check_workers
from budgetnas.space import PROPOSALS
from budgetnas.study.metric import METRICS

EXHAUSTED = "; stopped after 1,000 draws in a row without a new network that fits"


def some(value: str) -> str:
    """Refuse what a script writes for a variable that it forgot to set."""
    if not value:
        raise typer.BadParameter("must not be empty")
    return value


def path(value: str) -> Path:
    """Refuse no path at all, which to `Path` is this folder."""
    return Path(some(value))


def positive(seconds: float | None) -> float | None:
    """Refuse no time at all."""
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
        help="How pictures that are not square become so: crop (default: the short side resized, "
        "the centre kept), pad (the long side resized, the rest background) or squash (both "
        "sides resized). What lies at an edge is seen only with pad or squash.",
    ),
]
BackgroundOption = Annotated[
    str | None,
    typer.Option(
        parser=check_background,
        metavar="COLOUR",
        help="What is behind transparent pixels, and around padded pictures: white (default), "
        "black, grey or #rrggbb.",
    ),
]
SkipUnreadableOption = Annotated[
    bool | None,
    typer.Option(
        "--skip-unreadable",
        help="Leave out files of --dataset folder that can't be read, instead of refusing them; "
        "they are counted, and listed in unreadable.txt.",
        show_default=False,
    ),
]
EpochsOption = Annotated[
    int | None,
    typer.Option(min=1, max=MAX_EPOCHS, metavar="N", help="Epochs, instead of the recipe's."),
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
    typer.Option(
        min=0, max=2**63 - 1, metavar="N", help="What every random choice is derived from."
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        callback=positive,
        metavar="SECONDS",
        help="Stop at the next epoch once so long has passed.",
    ),
]
WorkersOption = Annotated[
    str,  # typer knows no `int | str`; `check_workers` returns either
    typer.Option(
        parser=check_workers,
        metavar="N|auto",
        help="Trials that are trained at once, each in a process of its own; auto measures for a "
        "few seconds how many are fastest together. With more than one, what is drawn depends on "
        "which trials had ended; each training can be replayed all the same.",
    ),
]
MaxMacsOption = Annotated[
    str | None,
    typer.Option(
        parser=some, metavar="N", help="The most multiply-adds for one image, too: 100M."
    ),
]
MaxBytesOption = Annotated[
    str | None,
    typer.Option(parser=some, metavar="N", help="The most bytes of stored weights, too: 1M."),
]
BitsOption = Annotated[
    int | None,
    typer.Option(metavar="8|16|32", help="In how many bits --max-bytes stores each weight (32)."),
]


TrainSamplesOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Train on so many images only, stratified; validation stays whole.",
    ),
]
SpaceOption = Annotated[
    Path | None,
    typer.Option(parser=path, metavar="FILE", help="A TOML file that narrows the default space."),
]
PrunerOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="halving (default), median or none.")
]


def proposal_name(value: str) -> str:
    """Refuse a proposal that is none."""
    if value not in PROPOSALS:
        known = ", ".join(PROPOSALS)
        raise typer.BadParameter(f"unknown proposal {value!r}, known: {known}")
    return value


ProposalOption = Annotated[
    str | None,
    typer.Option(
        parser=proposal_name,
        metavar="NAME",
        help="fill (default) draws a shape and widens it until it fills the budget; free draws "
        "whatever the space holds, and puts aside what is over.",
    ),
]


def metric_name(value: str) -> str:
    """Refuse a metric that is none."""
    if value not in METRICS:
        raise typer.BadParameter(f"unknown metric {value!r}, known: {', '.join(METRICS)}")
    return value


MetricOption = Annotated[
    str | None,
    typer.Option(
        parser=metric_name,
        metavar="NAME",
        help="What networks are compared by: accuracy (default of a new study) is the share of "
        "the validation images that is right; balanced is the mean over classes of that share, "
        "so that a small class counts as much as a large one.",
    ),
]
PresetsOption = Annotated[
    bool | None,
    typer.Option(
        "--presets/--no-presets",
        help="Begin with the published networks that fit (default), or without.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, all else on stderr.")
]

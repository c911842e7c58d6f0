"""Options that several commands have in common, so that they read alike everywhere."""

from pathlib import Path
from typing import Annotated

import typer

EXHAUSTED = "; stopped after 1,000 draws in a row without a new network that fits"


def some(value: str) -> str:
    """Raise for the empty text of a variable that a script forgot to set."""
    if not value:
        raise typer.BadParameter("must not be empty")
    return value


def path(value: str) -> Path:
    """Raise for an empty path, which to `Path` is this folder."""
    return Path(some(value))


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
ImageSizeOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=4096, metavar="PIXELS",
        help="Side of an image. The data set's own unless given; 32 for folder.",
    ),
]  # fmt: skip
DeviceOption = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.")]
SeedOption = Annotated[
    int | None,
    typer.Option(min=0, max=2**63 - 1, metavar="N", help="Seed of every random choice."),
]


MetricOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What networks are compared by: accuracy (default of a new study) is the share of "
        "validation images classified correctly; balanced is the mean of that share over "
        "classes, so that a small class counts as much as a large one.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, all else on stderr.")
]

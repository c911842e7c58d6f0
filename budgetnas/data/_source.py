"""The data sets by name, which images are meant, and how pictures become images of one size.

The log of test-set accesses has a line for every time that a test part was opened.

No torch and no numpy here: what a study or a run keeps of this is part of its description.
"""

import contextlib
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeAlias, cast, get_args

from pydantic import AfterValidator, Field, model_validator

from budgetnas.errors import InputError
from budgetnas.files import append_line
from budgetnas.spec import MAX_BYTES, Maybe, Spec, printable, shorten

Fit: TypeAlias = Literal["crop", "pad", "squash"]
"""crop: the short side resized, the centre cropped. pad: the long side resized, the rest filled
with the background. squash: both sides resized, whatever the proportions."""

COLOURS = {"white": "#ffffff", "black": "#000000", "grey": "#808080"}
"""The colours that have names."""

BITS = 16
"""Whole numbers and floats above 1 are read up to 2 ** 16 - 1."""

Kind: TypeAlias = Literal["integer", "float"]
KINDS: dict[Kind, str] = {"integer": "whole numbers", "float": "floats"}


def check_fit(fit: str) -> Fit:
    """Return what a user calls a fit; raise if there is no such."""
    if fit not in get_args(Fit):
        raise InputError(f"--fit must be crop, pad or squash, got {shorten(fit)}")
    return cast(Fit, fit)


def check_background(colour: str) -> str:
    """Return the one way to write a colour: its name if it has one, else `#rrggbb`."""
    lower = COLOURS.get(colour.lower(), colour.lower())
    if not re.fullmatch("#[0-9a-f]{6}", lower):
        known = ", ".join(COLOURS)
        raise InputError(f"--background must be {known} or #rrggbb, got {shorten(colour)}")
    return next((name for name, code in COLOURS.items() if code == lower), lower)


def _background(colour: str) -> str:
    try:
        return check_background(colour)
    except InputError as error:
        raise ValueError(str(error).removeprefix("--background ")) from None


Background = Annotated[str, AfterValidator(_background)]
Side = Annotated[int, Field(ge=1, le=4096)]


@dataclass(frozen=True)
class View:
    """How a picture is brought to its image."""

    size: int
    """Side of an image in pixels."""
    fit: Fit = "crop"
    """How other shapes become square."""
    background: str = "white"
    """What is behind transparent pixels, and around padded pictures."""

    @property
    def colour(self) -> tuple[int, int, int]:
        """Red, green and blue of the background."""
        code = COLOURS.get(self.background, self.background)
        return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


class Depth(Spec):
    """How pixels of more than 8 bits become 8: 0 stays black, `white` becomes 255.

    One rule for a set. The files say whether they hold bytes, whole numbers or floats; bytes stay
    as they are. Of whole numbers white is the largest number of the fewest bits (1, 3, 7, ...,
    65535) that hold the largest value of the training part; of floats, too, but for those up to 1,
    where it is the smallest of 1, 1/2, 1/4, ... that is not below the largest. Beside pictures of
    bytes it is at least 255 (1 for floats up to 1). So it follows what the set uses, whatever the
    files could hold, and one more picture seldom changes it. Larger values in later
    pictures are white. What can't be known is refused: negative values, NaN, infinity, more than
    65,535, whole numbers beside floats, and depth in a later picture where training had none.
    """

    kind: Kind
    """Whole numbers or floats."""
    white: Annotated[float, Field(gt=0)]
    """The value that becomes 255."""

    def __str__(self) -> str:
        return f"{KINDS[self.kind]}, white at {self.white:,.5g}"


@dataclass(frozen=True)
class ImageFormat:
    """What the training part is like, so that other images are made like it."""

    channels: int
    """1 for grey, 3 for colour."""
    depth: Depth | None = None
    """How pixels of more than 8 bits become 8; None where the training part had none."""


def white_level(kind: Kind, peak: float, beside_bytes: bool = False) -> float:
    """Return the value that becomes white, by the rule of `Depth`, of values up to `peak`.

    `beside_bytes` says whether the set has pictures of 8 bits, too.
    """
    if kind == "float" and peak <= 1:
        mantissa, exponent = math.frexp(peak)
        least = exponent - (mantissa == 0.5)  # of all powers of 2 the first that is not below
        return 1.0 if beside_bytes or not peak else math.ldexp(1.0, least)
    bits = max(1, math.ceil(peak).bit_length(), 8 * beside_bytes)
    return float(2**bits - 1)


def depth_problem(kind: Kind, depth: Depth | None) -> str | None:
    """Return why values can't be read as the training part's were; None if they can."""
    if depth and depth.kind == kind:
        return None
    return (
        f"it holds {KINDS[kind]} of more than 8 bits, the training images "
        f"{KINDS[depth.kind] if depth else 'have 8 bits'}: which value is white can't be known, "
        "save it as those are"
    )


def decide_depth(facts: Iterable[tuple[str, Kind | None, float]]) -> Depth | None:
    """Decide how a training part's pictures become 8 bits; raise for whole numbers and floats.

    Args:
        facts: Of each picture: its name, what it holds (None: bytes), its largest value.
    """
    first: dict[Kind, str] = {}
    peak, beside_bytes = 0.0, False
    for name, kind, largest in facts:
        if kind is None:
            beside_bytes = True
        else:
            first.setdefault(kind, name)
            peak = max(peak, largest)
    if not first:
        return None
    if len(first) > 1:
        raise InputError(
            f"{first['integer']} holds whole numbers of more than 8 bits, {first['float']} floats:"
            " which values are equally bright can't be known, save all in one way"
        )
    (kind,) = first
    return Depth(kind=kind, white=white_level(kind, peak, beside_bytes))


Part: TypeAlias = Literal["train", "test"]
Progress: TypeAlias = Callable[[str, int, int], object]
"""Receives what is being done, how much of it is done, and how much there is in all."""

VALIDATION_SHARE = 10
"""One in N images of each class validates."""

SET_ASIDE_SHARE = 5
"""One in N images is the test part, where the data has none of its own."""


@dataclass(frozen=True)
class Dataset:
    """What is known of a data set before it is opened."""

    about: str
    """One line for people."""
    channels: int | None
    """1 for grey, 3 for colour; None where only the images tell."""
    num_classes: int | None
    """Number of classes; None where only the folders tell."""
    image_size: int
    """Side of an image in pixels, unless --image-size says."""
    mirror: bool
    """Whether a mirrored image still shows its class."""
    images: int | None
    """Images of the training part; None where only the files tell."""


DATASETS: dict[str, Dataset] = {
    "cifar10": Dataset("CIFAR-10: 60,000 colour photos", 3, 10, 32, True, 50_000),
    "cifar100": Dataset("CIFAR-100: 60,000 colour photos", 3, 100, 32, True, 50_000),
    "svhn": Dataset("SVHN: 99,289 house numbers", 3, 10, 32, False, 73_257),
    "fashion-mnist": Dataset("Fashion-MNIST: 70,000 grey clothes", 1, 10, 28, True, 60_000),
    "digits": Dataset("scikit-learn's 1,797 grey digits, embedded", 1, 10, 8, False, 1_443),
    "folder": Dataset(
        "your images in --data-dir: train/<class>/*, optionally val/... and test/...",
        None, None, 32, True, None,
    ),
    "arrays": Dataset(
        "images from memory, in the file --data-dir that budgetnas.ImageData wrote",
        None, None, 32, True, None,
    ),
}  # fmt: skip
"""The data sets by name; their readers are in `budgetnas.data.load`."""


def _known_dataset(name: str) -> str:
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}, known: {', '.join(DATASETS)}")
    return name


def data_dir_text(data_dir: str | Path) -> str:
    """Write a folder as text that a study's file can hold; raise for no text."""
    text = os.path.expanduser(data_dir)  # noqa: PTH111  # Path's raises for unknown users
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"--data-dir must be valid UTF-8, got {text!r}") from None
    if not text:
        raise InputError("--data-dir must name a folder, got ''")
    return f"./{text}" if text == "none" else text  # "none" is how files say that there is none


class Stored(NamedTuple):
    """What the header of a file of `arrays` says of it."""

    classes: tuple[str, ...]
    shape: tuple[int, ...]
    """Of the images to train on: [n, h, w, c]."""
    validation: int
    """Images to validate on."""
    has_test: bool

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a header; raise if there is no such file."""
        try:
            with path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(min(size, MAX_BYTES)))
            classes = tuple(json.loads(header["__metadata__"]["classes"]))
            validation = header.get("validation.labels", {"shape": [0]})["shape"][0]
            shape = tuple(header["train.images"]["shape"])
            return cls(classes, shape, validation, "test.labels" in header)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise InputError(
                f"{printable(path)} must be a file that budgetnas.ImageData wrote; --data-dir "
                "names where it is"
            ) from None


class DataSource(Spec):
    """Which images: a data set, where it is, and the size to bring them to."""

    dataset: Annotated[str, AfterValidator(_known_dataset)] = "cifar10"
    """Name of the data set."""

    data_dir: Maybe[str] = None
    """Where data sets are kept (./data if absent); of `folder`, the folder itself; of `arrays`,
    the file itself."""

    image_size: Side
    """Side of an image in pixels."""

    fit: Fit = "crop"
    """How pictures that are not square become so: cropped, padded or squashed."""

    background: Background = "white"
    """What is behind transparent pixels, and around padded pictures: a name, or #rrggbb."""

    skip_unreadable: bool = False
    """Whether files of `folder` that can't be read are left out, instead of refused."""

    @model_validator(mode="after")
    def _folder_is_given(self) -> Self:
        wanted = {
            "folder": "a folder with train/<class>/*",
            "arrays": "a file of budgetnas.ImageData",
        }
        if self.dataset in wanted and self.data_dir is None:
            raise ValueError(
                f"the data set {self.dataset} needs --data-dir, {wanted[self.dataset]}, got none"
            )
        return self

    @classmethod
    def choose(
        cls,
        dataset: str,
        data_dir: str | Path | None = None,
        image_size: int | None = None,
        fit: str | None = None,
        background: str | None = None,
        skip_unreadable: bool | None = None,
    ) -> Self:
        """Fill in what is not asked for: the data set's own size, cropped, on white, all files."""
        known = DATASETS.get(dataset)
        size = image_size if image_size is not None or known is None else known.image_size
        place = None if data_dir is None else data_dir_text(data_dir)
        if dataset == "arrays" and place and image_size is None:
            with contextlib.suppress(InputError):  # its reader raises it
                size = min(Stored.read(Path(place)).shape[1:3])
        given = {
            "dataset": dataset,
            "data_dir": place,
            "image_size": size if known else 32,
            "fit": check_fit(fit or "crop"),
            "background": check_background(background or "white"),
            "skip_unreadable": skip_unreadable or False,
        }
        try:
            return cls.parse(given, "--dataset")
        except InputError as error:
            raise InputError(str(error).replace("--dataset: dataset: ", "--dataset: ")) from None

    @property
    def view(self) -> View:
        return View(self.image_size, self.fit, self.background)

    def at(self, data_dir: str | Path) -> Self:
        """Return the same images in another place."""
        return self.changed(data_dir=data_dir_text(data_dir))

    @property
    def info(self) -> Dataset:
        return DATASETS[self.dataset]

    @property
    def root(self) -> Path:
        """The folder that the data set is in, or is downloaded to."""
        return Path(self.data_dir) if self.data_dir is not None else Path("data")

    @property
    def title(self) -> str:
        """A name for the data in names of studies: `cifar10`, `folder-<basename>`."""
        if self.dataset == "arrays":
            return self.root.stem.rpartition("-")[0] or self.dataset
        if self.dataset != "folder":
            return self.dataset
        return f"folder-{self.root.resolve().name}"


TEST_LOG = "test-openings.jsonl"


def record_opening(
    log: Path, run: str, source: DataSource, fingerprint: str, *, every_epoch: bool
) -> None:
    """Append a line to the log in a folder.

    With `every_epoch`, the test part is evaluated after every epoch of the run.
    """
    opening = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "run": run,
        **_identity(source),
        "fingerprint": fingerprint,
        **({"every_epoch": True} if every_epoch else {}),
    }
    append_line(log / TEST_LOG, json.dumps(opening))


def count_openings(log: Path) -> int:
    """Count how often the test part has been opened, by the log in this folder."""
    return len(_read_log(log))


def count_uses(logs: Iterable[Path], source: DataSource, fingerprint: str) -> int:
    """Count how often the test part of the same data has been opened, by the logs of all studies.

    Data are the same if they have the same name and place, or the same content. A line that can't
    be read may have been of any data, so it counts.
    """
    openings = [opening for log in logs for opening in _read_log(log)]
    here = _identity(source)
    return sum(
        not opening
        or opening.get("fingerprint") == fingerprint
        or all(opening.get(key) == value for key, value in here.items())
        for opening in openings
    )


def _identity(source: DataSource) -> dict[str, str]:
    return {"dataset": source.title, "data_dir": str(source.root.resolve())}


def _read_log(log: Path) -> list[dict[str, Any]]:
    """Read the openings in a folder's log; an empty one for each line that is damaged."""
    path = log / TEST_LOG
    if not path.is_file():
        return []
    openings = []
    for line in path.read_text("utf-8-sig", errors="replace").splitlines():
        try:
            opening = json.loads(line)
        except (ValueError, RecursionError):
            opening = {}
        openings.append(opening if isinstance(opening, dict) else {})
    return openings

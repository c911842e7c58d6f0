"""The data sets by name: facts that need no torch. `DataSource` says which images are meant."""

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self, TypeAlias

from pydantic import AfterValidator, model_validator

from budgetnas.data._view import Background, Fit, Side, View, check_background, check_fit
from budgetnas.errors import InputError
from budgetnas.spec import MAX_BYTES, Maybe, Spec, printable

Part: TypeAlias = Literal["train", "test"]
Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and of how much in all."""

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
    """Write a folder as text that a study's file can hold.

    Raises:
        InputError: If it is empty, or no text at all.
    """
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
        """Read a header.

        Raises:
            InputError: If there is no such file.
        """
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
        """How a picture is brought to its image."""
        return View(self.image_size, self.fit, self.background)

    def at(self, data_dir: str | Path) -> Self:
        """Return the same images in another place."""
        return self.changed(data_dir=data_dir_text(data_dir))

    @property
    def info(self) -> Dataset:
        """The facts of the data set."""
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

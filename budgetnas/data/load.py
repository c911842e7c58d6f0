"""The data sets' readers by name, and opening the training part: all that a search ever sees."""

from collections.abc import Callable
from dataclasses import dataclass

from budgetnas.data._arrays import ImageData as ImageData
from budgetnas.data._arrays import read_arrays
from budgetnas.data._decode import Pixels as Pixels
from budgetnas.data._folder import check_folder_test, read_folder
from budgetnas.data._gather import UNREADABLE as UNREADABLE
from budgetnas.data._gather import decoded_file as decoded_file
from budgetnas.data._gather import write_unreadable as write_unreadable
from budgetnas.data._listing import Inventory as Inventory
from budgetnas.data._picture import preprocessed as preprocessed
from budgetnas.data._picture import to_channels as to_channels
from budgetnas.data._public import (
    check_fashion_mnist_test,
    check_svhn_test,
    read_digits,
    read_public,
)
from budgetnas.data._source import DataSource, Part, Progress
from budgetnas.data._view import ImageFormat
from budgetnas.data.images import ImageSet
from budgetnas.errors import InputError

MOST = 5
"""How many classes a refusal lists."""


@dataclass(frozen=True)
class Reader:
    """How a data set is opened."""

    read: Callable[[DataSource, Part, ImageFormat | None, Progress], ImageSet]
    """Read a part, like the training part (None: find out what that is like)."""
    check_test: Callable[[DataSource, tuple[str, ...]], str | None] = lambda source, classes: None
    """Check, by its names alone and these classes, that the test part will be there to be read,
    and sum it up in one line if its names tell more; no check where it comes with the training
    part."""


READERS: dict[str, Reader] = {
    "cifar10": Reader(read_public),
    "cifar100": Reader(read_public),
    "svhn": Reader(read_public, check_svhn_test),
    "fashion-mnist": Reader(read_public, check_fashion_mnist_test),
    "digits": Reader(read_digits),
    "folder": Reader(read_folder, check_folder_test),
    "arrays": Reader(read_arrays),
}
"""A reader for each of `DATASETS`."""


def silent(what: str, done: int, total: int) -> None:
    """Report progress to nobody."""


def load_train(source: DataSource, progress: Progress = silent) -> ImageSet:
    """Read the training part; where the data has no test part, without what is set aside.

    Raises:
        InputError: If the data is not there, not what it should be, or nothing to learn from.
    """
    images = READERS[source.dataset].read(source, "train", None, progress)
    _refuse_identical(images, source)
    return images


def _refuse_identical(images: ImageSet, source: DataSource) -> None:
    """Raise if there is nothing to distinguish: one image in all of the set, or in classes.

    One class may be of one picture: all others can still be told from it, and from each other.
    """
    how = f"at {source.image_size} x {source.image_size} pixels (--fit {source.fit})"
    if not images.groups.any():
        raise InputError(
            f"{source.title}: at least 2 different training images are needed, all {len(images):,}"
            f" are identical {how}"
        )
    same = []
    for label, name in enumerate(images.classes):
        members = images.groups[images.labels == label]
        if len(members) > 1 and bool((members == members[0]).all()):
            same.append(f"{name!r} ({len(members):,} images)")
    if len(same) > 1:
        shown = ", ".join(same[:MOST]) + f" and {len(same) - MOST} more" * (len(same) > MOST)
        raise InputError(
            f"{source.title}: at most 1 class may consist of copies of one image, got {len(same)} "
            f"{how}: {shown}"
        )

"""The data sets' readers by name, a user's own folder, and opening the training part.

That is all that a search ever sees. A folder is train/<class>/* and, optionally, val/<class>/* and
test/<class>/*.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from budgetnas.data._arrays import ImageData as ImageData
from budgetnas.data._arrays import read_arrays
from budgetnas.data._decode import Pixels as Pixels
from budgetnas.data._gather import UNREADABLE as UNREADABLE
from budgetnas.data._gather import decoded_file as decoded_file
from budgetnas.data._gather import gather, raise_unreadable, unreadable_notice
from budgetnas.data._gather import write_unreadable as write_unreadable
from budgetnas.data._listing import (
    TO_SPLIT,
    TO_TRAIN,
    Files,
    Layout,
    access,
    describe_test,
    list_files,
    require_file,
    require_same_classes,
)
from budgetnas.data._listing import Inventory as Inventory
from budgetnas.data._picture import preprocessed as preprocessed
from budgetnas.data._picture import to_channels as to_channels
from budgetnas.data._public import (
    check_fashion_mnist_test,
    check_svhn_test,
    read_digits,
    read_public,
)
from budgetnas.data._source import DataSource, ImageFormat, Part, Progress
from budgetnas.data.images import ImageSet
from budgetnas.errors import InputError


def read_folder(
    source: DataSource, part: Part, like: ImageFormat | None, progress: Progress
) -> ImageSet:
    """Read a part; where there is no test folder, one in five of all images is the test part.

    The training part is what is in the folders to train and to validate on.

    Args:
        source: The folder, and how pictures are brought to their images.
        part: Which part.
        like: What the training part is like; None to find out.
        progress: Receives the number of images read.

    Raises:
        InputError: With the file or class that is wrong.
    """
    layout = Layout.find(source.root)
    if part == "test" and layout.test is not None:
        files = list_files(layout.test, 1)
        read = _gathered(files.images, files.classes, source, None, like, progress)
        _require_left(files, read.readable, 1)
        return read.images
    found = Inventory.take(source.root)
    only = part if layout.test is None else None
    read = _gathered(found.images, found.train.classes, source, only, like, progress)
    trained = len(found.train.images)
    _require_left(found.train, read.readable[:trained], TO_TRAIN)
    if found.val:
        _require_left(found.val, read.readable[trained:], 1)
    if layout.test is None:
        _check_set_aside(found, read, part)
    if part == "test":
        return replace(read.images, unreadable=())  # which are those of the training part
    own = (read.places >= trained).nonzero().flatten()
    aside = int(read.readable.sum()) - len(read.images) if only else None
    notices = (found.describe(aside), *read.images.notices)
    return replace(read.images, notices=notices, validation=own if found.val else None)


@dataclass(frozen=True)
class _Read:
    """Images of a list."""

    images: ImageSet
    places: Tensor
    """Where in the list each of them is."""
    readable: Tensor
    """Which images of the list can be read, bool [n]."""


def _gathered(
    files: Sequence[tuple[Path, int]],
    classes: tuple[str, ...],
    source: DataSource,
    only: Part | None,
    like: ImageFormat | None,
    progress: Progress,
) -> _Read:
    """Read images of a list: those set aside to test on, the others, or, without `only`, all."""
    gathered = gather(
        [path for path, _ in files],
        source.view,
        lambda image: only is None or image.set_aside == (only == "test"),
        like,
        progress,
        source.skip_unreadable,
    )
    places = torch.tensor(gathered.places, dtype=torch.int64)
    readable = torch.ones(len(files), dtype=torch.bool)
    readable[list(gathered.unreadable)] = False
    problems = tuple(gathered.unreadable.values())
    names = (files[index][0].relative_to(source.root).as_posix() for index in gathered.places)
    images = ImageSet(
        torch.from_numpy(gathered.images),
        torch.tensor([label for _, label in files])[places],
        classes,
        depth=gathered.depth,
        notices=(
            *([unreadable_notice(problems, len(files))] if problems else []),
            *gathered.notices,
        ),
        files=tuple(names),
        unreadable=problems,
    )
    return _Read(images, places, readable)


def _require_left(files: Files, readable: Tensor, at_least: int) -> None:
    """Raise if, without unreadable files, too little of a class is left."""
    labels = torch.tensor(files.labels)[readable]
    counts = labels.bincount(minlength=len(files.classes)).tolist()
    for name, number in zip(files.classes, counts, strict=True):
        if number < at_least:
            raise InputError(
                f"class {name!r} has {number} readable images in {files.folder / name}, "
                f"at least {at_least} are needed"
            )


def _check_set_aside(found: Inventory, read: _Read, part: Part) -> None:
    """Raise if a part, or a class of the training part, would be empty."""
    here = torch.zeros(len(found.images), dtype=torch.bool)
    here[read.places] = True
    left = here if part == "train" else read.readable & ~here
    folder, total = found.train.folder, len(found.train.images)
    if torch.equal(left, read.readable):
        raise InputError(
            f"{folder}: of {int(left.sum())} images none is set aside to test on, add some"
        )
    if found.val and not left[total:].any():
        raise InputError(
            f"{found.val.folder}: all of its {int(read.readable[total:].sum())} images are set "
            "aside to test on, add some to validate on"
        )
    needed, to_do = (1, "train on") if found.val else (TO_SPLIT, "train and validate on")
    labels = torch.tensor(found.train.labels)
    every, stay = (
        labels[some[:total]].bincount(minlength=len(found.train.classes)).tolist()
        for some in (read.readable, left)
    )
    for name, all_of_it, stays in zip(found.train.classes, every, stay, strict=True):
        if stays < needed:
            raise InputError(
                f"class {name!r} has {all_of_it} images in {folder / name}, of which "
                f"{all_of_it - stays} are set aside to test on: at least {needed} must be "
                f"left to {to_do}, got {stays}"
            )


def check_folder_test(source: DataSource, classes: tuple[str, ...]) -> str | None:
    """Raise if the test part's classes are not those of the training part; no image is opened.

    Returns:
        What is in the test part, in one line; None where it is set aside of the training part.
    """
    test = Layout.find(source.root).test
    if test is None:
        return None
    files = list_files(test, at_least=1)
    if not source.skip_unreadable:
        raise_unreadable(list(_no_files(files)))
    require_same_classes(files, classes)
    return describe_test(files)


def _no_files(files: Files) -> Iterator[str]:
    """Return, for each image that is no file, what it is."""
    for path, _ in files.images:
        try:
            with access(path):
                require_file(path)
        except InputError as error:
            yield str(error)


MOST = 5
"""How many classes an error lists."""


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
    """Report no progress."""


def load_train(source: DataSource, progress: Progress = silent) -> ImageSet:
    """Read the training part; where the data has no test part, without what is set aside.

    Raises:
        InputError: If the data is not there, not what it should be, or nothing to learn from.
    """
    images = READERS[source.dataset].read(source, "train", None, progress)
    _require_different(images, source)
    return images


def _require_different(images: ImageSet, source: DataSource) -> None:
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

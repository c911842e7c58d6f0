"""A user's own images: train/<class>/* and, optionally, val/<class>/* and test/<class>/*."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from budgetnas.data._gather import gather, refuse_unreadable, unreadable_notice
from budgetnas.data._listing import (
    TO_TRAIN,
    Files,
    Inventory,
    Layout,
    access,
    describe_test,
    list_files,
    require_file,
    require_same_classes,
)
from budgetnas.data._source import DataSource, Part, Progress
from budgetnas.data._view import ImageFormat
from budgetnas.data.images import ImageSet
from budgetnas.errors import InputError

TO_SPLIT = 2
"""Minimum of a class beside its set-aside images: one to train on, and one to validate."""


def read_folder(
    source: DataSource, part: Part, like: ImageFormat | None, progress: Progress
) -> ImageSet:
    """Read a part; where there is no test folder, one in five of all images is the test part.

    The training part is what is in the folders to train and to validate on.

    Args:
        source: The folder, and how pictures are brought to their images.
        part: Which part.
        like: What the training part is like; None to find out.
        progress: Told of images read.

    Raises:
        InputError: With the file or class that is wrong.
    """
    layout = Layout.find(source.root)
    if part == "test" and layout.test is not None:
        files = list_files(layout.test, 1)
        read = _gathered(files.images, files.classes, source, None, like, progress)
        _require_left(layout.test, files, read.readable, 1)
        return read.images
    found = Inventory.take(source.root)
    only = part if layout.test is None else None
    read = _gathered(found.images, found.train.classes, source, only, like, progress)
    _check_left(found, read)
    if layout.test is None:
        _check_set_aside(found, read, part)
    if part == "test":
        return replace(read.images, unreadable=())  # which are those of the training part
    own = (read.places >= len(found.train.images)).nonzero().flatten()
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
    """Read images of a list.

    Args:
        files: The list, with labels.
        classes: The classes' names.
        source: How pictures are brought to their images.
        only: Which of them: those that are set aside to test on, the others, or, if None, all.
        like: As `read_folder` has it.
        progress: Told of images read.
    """
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


def _check_left(found: Inventory, read: _Read) -> None:
    """Raise if, without unreadable files, too little of the training part is left."""
    total = len(found.train.images)
    _require_left(found.layout.train, found.train, read.readable[:total], TO_TRAIN)
    if found.val and found.layout.val:
        _require_left(found.layout.val, found.val, read.readable[total:], 1)


def _require_left(folder: Path, files: Files, readable: Tensor, at_least: int) -> None:
    """Raise if, without unreadable files, too little of a class is left."""
    labels = torch.tensor(files.labels)[readable]
    counts = labels.bincount(minlength=len(files.classes)).tolist()
    for name, number in zip(files.classes, counts, strict=True):
        if number < at_least:
            raise InputError(
                f"class {name!r} has {number} readable images in {folder / name}, "
                f"at least {at_least} are needed"
            )


def _check_set_aside(found: Inventory, read: _Read, part: Part) -> None:
    """Raise if a part, or a class of the training part, would be empty."""
    here = torch.zeros(len(found.images), dtype=torch.bool)
    here[read.places] = True
    left = here if part == "train" else read.readable & ~here
    folder, total = found.layout.train, len(found.train.images)
    if torch.equal(left, read.readable):
        raise InputError(
            f"{folder}: of {int(left.sum())} images none is set aside to test on, add some"
        )
    if found.val and not left[total:].any():
        raise InputError(
            f"{found.layout.val}: all of its {int(read.readable[total:].sum())} images are set "
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

    Raises:
        InputError: With the class that is empty, or in one part only.
    """
    test = Layout.find(source.root).test
    if test is None:
        return None
    files = list_files(test, at_least=1)
    if not source.skip_unreadable:
        refuse_unreadable(list(_no_files(files)))
    require_same_classes(test, files.classes, classes)
    return describe_test(files)


def _no_files(files: Files) -> Iterator[str]:
    """Return, for each image that is no file, what it is."""
    for path, _ in files.images:
        try:
            with access(path):
                require_file(path)
        except InputError as error:
            yield str(error)

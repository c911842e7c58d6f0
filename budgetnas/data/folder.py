"""A user's own images: train/<class>/* and, optionally, val/<class>/* and test/<class>/*."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from budgetnas.data.datasets import DataSource, Part, Progress
from budgetnas.data.gather import gather
from budgetnas.data.images import ImageSet
from budgetnas.data.inventory import Inventory, describe_test, require_same_classes
from budgetnas.data.layout import Layout
from budgetnas.data.listing import list_files
from budgetnas.data.view import ImageFormat
from budgetnas.errors import InputError

TO_SPLIT = 2
"""Beside its set-aside images a class needs so many: one to train on, and one to validate."""


def read(source: DataSource, part: Part, like: ImageFormat | None, progress: Progress) -> ImageSet:
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
    test = Layout.find(source.root).test
    if part == "test" and test is not None:
        files = list_files(test, 1)
        images, _ = _gathered(files.images, files.classes, source, None, like, progress)
        return images
    found = Inventory.take(source.root)
    only = part if test is None else None
    images, places = _gathered(found.images, found.train.classes, source, only, like, progress)
    if test is None:
        _check_set_aside(found, places, part)
    if part == "test":
        return images
    own = (places >= len(found.train.images)).nonzero().flatten()
    aside = None if test is not None else len(found.images) - len(images)
    notices = (found.describe(aside), *images.notices)
    return replace(images, notices=notices, validation=own if found.val else None)


def _gathered(
    files: Sequence[tuple[Path, int]],
    classes: tuple[str, ...],
    source: DataSource,
    only: Part | None,
    like: ImageFormat | None,
    progress: Progress,
) -> tuple[ImageSet, Tensor]:
    """Read images of a list, and say where in it they are.

    Args:
        files: The list, with labels.
        classes: The classes' names.
        source: How pictures are brought to their images.
        only: Which of them: those that are set aside to test on, the others, or, if None, all.
        like: As `read` has it.
        progress: Told of images read.
    """
    gathered = gather(
        [path for path, _ in files],
        source.view,
        lambda image: only is None or image.set_aside == (only == "test"),
        like,
        progress,
    )
    places = torch.tensor(gathered.places, dtype=torch.int64)
    labels = torch.tensor([label for _, label in files])[places]
    names = (files[index][0].relative_to(source.root).as_posix() for index in gathered.places)
    images = ImageSet(
        torch.from_numpy(gathered.images), labels, classes,
        depth=gathered.depth, notices=gathered.notices, files=tuple(names),
    )  # fmt: skip
    return images, places


def _check_set_aside(found: Inventory, places: Tensor, part: Part) -> None:
    """Refuse a set of which a part, or a class of the training part, would be empty."""
    read = torch.zeros(len(found.images), dtype=torch.bool)
    read[places] = True
    left, total = read if part == "train" else ~read, len(found.train.images)
    folder = found.layout.train
    if bool(left.all()):
        raise InputError(f"{folder}: of {len(left)} images none is set aside to test on, add some")
    if found.val and not left[total:].any():
        raise InputError(
            f"{found.layout.val}: all of its {len(left) - total} images are set aside to test on, "
            "add some to validate on"
        )
    needed, to_do = (1, "train on") if found.val else (TO_SPLIT, "train and validate on")
    labels = torch.tensor(found.train.labels)
    stay = labels[left[:total]].bincount(minlength=len(found.train.classes)).tolist()
    for name, all_of_it, stays in zip(found.train.classes, found.train.counts, stay, strict=True):
        if stays < needed:
            raise InputError(
                f"class {name!r} has {all_of_it} images in {folder / name}, of which "
                f"{all_of_it - stays} are set aside to test on: at least {needed} must be "
                f"left to {to_do}, got {stays}"
            )


def check_test(root: Path, classes: tuple[str, ...]) -> str | None:
    """Refuse a test part whose classes are not those of the training part; no image is opened.

    Returns:
        What is in the test part, in one line; None where it is set aside of the training part.

    Raises:
        InputError: With the class that is empty, or in one part only.
    """
    test = Layout.find(root).test
    if test is None:
        return None
    files = list_files(test, at_least=1)
    require_same_classes(test, files.classes, classes)
    return describe_test(files)

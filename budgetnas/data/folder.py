"""A user's own images: train/<class>/* and, optionally, test/<class>/*."""

from pathlib import Path

import torch
from torch import Tensor

from budgetnas.data.datasets import DataSource, Part, Progress
from budgetnas.data.gather import gather
from budgetnas.data.images import ImageSet
from budgetnas.data.listing import TO_TRAIN, class_names, has_test_part, list_files
from budgetnas.data.view import ImageFormat
from budgetnas.errors import InputError

TO_SPLIT = 2
"""Beside its set-aside images a class needs so many: one to train on, and one to validate."""


def read(source: DataSource, part: Part, like: ImageFormat | None, progress: Progress) -> ImageSet:
    """Read a part; where there is no test folder, one in five of train's images is the test part.

    Args:
        source: The folder, and how pictures are brought to their images.
        part: Which part.
        like: What the training part is like; None to find out.
        progress: Told of images read.

    Raises:
        InputError: With the file or class that is wrong.
    """
    own_test = has_test_part(source.root)
    classes = class_names(source.root, "train")
    place: Part = part if own_test else "train"
    files = list_files(source.root / place, classes, TO_TRAIN if place == "train" else 1)
    gathered = gather(
        [path for path, _ in files],
        source.view,
        lambda image: own_test or image.set_aside == (part == "test"),
        like,
        progress,
    )
    every = torch.tensor([label for _, label in files])
    labels = every[gathered.places]
    if not own_test:
        _check_set_aside(source.root / "train", classes, every, labels, part)
    return ImageSet(
        torch.from_numpy(gathered.images), labels, classes,
        depth=gathered.depth, notices=gathered.notices,
    )  # fmt: skip


def _check_set_aside(
    folder: Path, classes: tuple[str, ...], every: Tensor, labels: Tensor, part: Part
) -> None:
    """Refuse a set of which a part, or a class of the training part, would be empty."""
    total, read = (each.bincount(minlength=len(classes)) for each in (every, labels))
    left = read if part == "train" else total - read
    if bool((left == total).all()):
        raise InputError(
            f"{folder}: of {len(every)} images none is set aside to test on, add some"
        )
    for name, all_of_it, to_train in zip(classes, total.tolist(), left.tolist(), strict=True):
        if to_train < TO_SPLIT:
            raise InputError(
                f"class {name!r} has {all_of_it} images in {folder / name}, of which "
                f"{all_of_it - to_train} are set aside to test on: at least {TO_SPLIT} must be "
                f"left to train and validate on, got {to_train}"
            )


def check_test(root: Path, classes: tuple[str, ...]) -> None:
    """Refuse a test part whose classes are not those of the training part; no image is opened.

    Raises:
        InputError: With the class that is empty, or in one part only.
    """
    if not has_test_part(root):
        return
    found = class_names(root, "test")
    list_files(root / "test", found, at_least=1)
    for name in sorted(set(found) ^ set(classes)):
        where = "test only" if name in found else "train only"
        raise InputError(f"{root}: train and test need the same classes, {name!r} is in {where}")

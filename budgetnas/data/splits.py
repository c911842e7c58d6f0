"""Which images train, which validate, and which are set aside for the test."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from budgetnas.data.images import ImageSet
from budgetnas.errors import InputError
from budgetnas.seeds import derive_seed

VALIDATION_SHARE = 10
"""One in N images of each class validates."""

SET_ASIDE_SHARE = 5
"""One in N images is the test part, where the data has none of its own."""


@dataclass(frozen=True, eq=False)
class Split:
    """Indices into a training part."""

    train: Tensor
    """int64: what trials train on."""
    val: Tensor
    """int64: what trials are compared on."""


def split(
    labels: Tensor,
    seed: int,
    train_samples: int | None = None,
    groups: Tensor | None = None,
    validation: Tensor | None = None,
) -> Split:
    """Split a training part into train and val, stratified: a tenth of each class validates.

    A class always keeps at least one image to train on, and gives at least one to validate on
    where it has two different ones. Identical images stay on one side. Where the data has images
    to validate on, those do, and no image is trained on that is one of them.

    Args:
        labels: int64 [n].
        seed: The study's.
        train_samples: Keep only N of train, stratified too; val is never made smaller.
        groups: For each image the index of the first identical one, int64 [n]; None: all differ.
        validation: Which images its owner has put aside to validate on, int64 [k].
    """
    order = _order(len(labels), derive_seed(seed, "split"))
    if groups is None:
        groups = torch.arange(len(labels))
    if validation is None:
        validation = _drawn(labels, order, groups).nonzero().flatten()
    trains = ~torch.isin(groups, groups[validation])
    train = _by_class(labels, order[trains[order]])
    if train_samples is not None:
        train = _subset(train, train_samples)
    return Split(torch.cat(train).sort().values, validation)


def split_images(images: ImageSet, seed: int, train_samples: int | None = None) -> Split:
    """Split a training part as `split` does, keeping identical images on one side.

    Raises:
        InputError: If all images of a class are those that its owner validates on.
    """
    parts = split(images.labels, seed, train_samples, images.groups, images.validation)
    trained = images.labels[parts.train].bincount(minlength=len(images.classes))
    for name, number in zip(images.classes, trained.tolist(), strict=True):
        if images.validation is not None and not number:
            raise InputError(
                f"class {name!r}: all of its training images are also in the validation part, "
                "remove them from one of the parts"
            )
    return parts


def _drawn(labels: Tensor, order: Tensor, groups: Tensor) -> Tensor:
    """Draw the images that validate, bool [n]."""
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    if torch.equal(groups, torch.arange(len(groups))):
        for members in _by_class(labels, order):
            chosen[members[: _share(len(members))]] = True
    else:
        _Groups(labels, groups, order).choose(chosen)
    return chosen


def _share(members: int) -> int:
    """Return how many images of a class validate."""
    return max(round(members / VALIDATION_SHARE), 1) if members > 1 else 0


class _Groups:
    """Groups of identical images, each of which is on one side as a whole.

    A group is of the class that most of its images have. A class gives its groups in the order of
    the seed, leaving out those that are larger than what is still to be given; where all are, it
    gives its smallest.
    """

    def __init__(self, labels: Tensor, groups: Tensor, order: Tensor) -> None:
        self._members: dict[int, list[int]] = {}
        for image, group in zip(order.tolist(), groups[order].tolist(), strict=True):
            self._members.setdefault(group, []).append(image)
        self._labels: list[int] = labels.tolist()
        self._left = Counter(self._labels)

    def choose(self, validates: Tensor) -> None:
        """Set True for the images that validate."""
        classes: dict[int, list[list[int]]] = {}
        for members in self._members.values():
            classes.setdefault(self._label(members), []).append(members)
        for label in sorted(classes):
            for members in self._chosen(classes[label]):
                validates[members] = True

    def _label(self, members: list[int]) -> int:
        counts = Counter(self._labels[image] for image in members)
        return min((-count, label) for label, count in counts.items())[1]

    def _chosen(self, groups: list[list[int]]) -> list[list[int]]:
        room = _share(sum(map(len, groups)))
        chosen = []
        for members in groups:
            if len(members) <= room and self._take(members):
                chosen.append(members)
                room -= len(members)
            if not room:
                break
        if not chosen and len(groups) > 1:
            chosen = [min(groups, key=len)] if self._take(min(groups, key=len)) else []
        return chosen

    def _take(self, members: list[int]) -> bool:
        """Remove a group from training, unless one of its classes would have nothing left."""
        counts = Counter(self._labels[image] for image in members)
        if any(self._left[label] <= count for label, count in counts.items()):
            return False
        self._left -= counts
        return True


def _order(n: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


def _by_class(labels: Tensor, order: Tensor) -> list[Tensor]:
    return [order[labels[order] == label] for label in torch.unique(labels).tolist()]


def _subset(classes: list[Tensor], total: int) -> list[Tensor]:
    """Keep `total` images, each class its share of them and at least one."""
    available = sum(map(len, classes))
    total = min(total, available)
    kept, taken, seen = [], 0, 0
    for members in classes:
        seen += len(members)
        share = max(1, total * seen // available - taken)
        kept.append(members[:share])
        taken += share
    return kept


def content_digest(image: npt.NDArray[np.uint8]) -> bytes:
    """Identify a decoded image [h, w, c] by its pixels, grey or colour alike."""
    colour = np.broadcast_to(image, (*image.shape[:2], 3))
    digest = hashlib.sha256(repr(colour.shape).encode())
    digest.update(np.ascontiguousarray(colour).tobytes())
    return digest.digest()


def is_set_aside(digest: bytes) -> bool:
    """Return whether the image with this content digest belongs to the test part.

    What it returns is cached: raise `budgetnas.data.decode._VERSION` with any change. It depends
    on the image alone, so copies stay on one side, renaming changes nothing and added
    images move nobody.
    """
    return int.from_bytes(digest[:8], "big") % SET_ASIDE_SHARE == 0


def describe_split(parts: Split) -> dict[str, Any]:
    """Sum up a split for the record: sizes, and a digest of the very indices."""
    digest = hashlib.sha256(parts.train.numpy().tobytes() + b"/" + parts.val.numpy().tobytes())
    return {
        "train": len(parts.train),
        "val": len(parts.val),
        "digest": digest.hexdigest()[:16],
    }

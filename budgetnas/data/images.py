"""`ImageSet`, labelled images in memory: what is computed from them, and which of them validate.

Identical images are found by their pixels, and stay on one side of every split.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from budgetnas.data._source import VALIDATION_SHARE, Depth, ImageFormat
from budgetnas.errors import InputError
from budgetnas.seeds import derive_seed

VALUES_AT_ONCE = 2**24
"""Pixels of a channel that are counted at once."""


def digests_of(images: Tensor) -> list[bytes]:
    """Return a digest of each of the uint8 images [n, h, w, c]: equal pixels, equal digests."""
    rows = images.reshape(len(images), -1).contiguous().numpy()
    return [hashlib.sha256(row.data).digest() for row in rows]


def groups_of(digests: Sequence[bytes]) -> Tensor:
    """Return the index of the first image with the same digest, int64 [n], for each image."""
    first: dict[bytes, int] = {}
    return torch.tensor([first.setdefault(each, n) for n, each in enumerate(digests)])


def count_common(digests: Iterable[bytes], others: Set[bytes]) -> int:
    """Count the images that are also among the others."""
    return sum(digest in others for digest in digests)


@dataclass(frozen=True)
class Copies:
    """How many images of a set are there more than once."""

    images: int
    """Images in all."""
    copies: int
    """Images that repeat one before them."""
    ambiguous: int
    """Pictures that lie under two classes or more."""

    @property
    def notice(self) -> str | None:
        """One line about them; None where there are none."""
        if not self.copies:
            return None
        line = (
            f"{self.copies:,} of {self.images:,} training images are copies of others: "
            "identical images stay on one side of training and validation"
        )
        if not self.ambiguous:
            return line
        lie = "picture lies" if self.ambiguous == 1 else "pictures lie"
        return f"{line}; {self.ambiguous:,} {lie} under two classes or more: correct the labels"


def count_copies(groups: Tensor, labels: Tensor) -> Copies:
    """Count copies, and pictures with several labels, by the groups of `groups_of`."""
    pictures = torch.unique(groups)
    named = torch.unique(torch.stack([groups, labels]), dim=1)[0]
    ambiguous = int((torch.unique(named, return_counts=True)[1] > 1).sum())
    return Copies(len(groups), len(groups) - len(pictures), ambiguous)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images, all of one size."""

    images: Tensor
    """uint8 [n, size, size, channels]."""
    labels: Tensor
    """int64 [n], indices into `classes`."""
    classes: tuple[str, ...]
    """The classes' names."""
    pixels: Tensor | None = None
    """uint8 [1 + n * size * size + 1, channels], see `packed_pixels`; None until it is packed."""
    notices: tuple[str, ...] = ()
    """What the reader of its files has to say of it, a line each."""
    depth: Depth | None = None
    """How pictures of more than 8 bits became 8; None if there was none."""
    validation: Tensor | None = None
    """Of a training part, which images its owner has put aside to validate on, int64 [k]; None
    where nobody has."""
    files: tuple[str, ...] | None = None
    """The images' files, as seen from the data set's folder; None where they have none."""

    unreadable: tuple[str, ...] = ()
    """Of each file of the part that can't be read and was left out, its path and why."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> int:
        """Side of an image in pixels."""
        return self.images.shape[1]

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return self.images.shape[3]

    @cached_property
    def digests(self) -> list[bytes]:
        """A digest of each image's pixels."""
        return digests_of(self.images)

    @cached_property
    def groups(self) -> Tensor:
        """For each image the index of the first identical one, int64 [n]."""
        return groups_of(self.digests)

    @property
    def copies(self) -> Copies:
        """How many of the images are there more than once."""
        return count_copies(self.groups, self.labels)

    @property
    def all_notices(self) -> tuple[str, ...]:
        """What people should know of a training part, a line each."""
        found = [self.copies.notice, self._in_both_notice()]
        return (*self.notices, *filter(None, found))

    def _in_both_notice(self) -> str | None:
        """Return a notice of the images that are in both parts; None if there are none."""
        if self.validation is None:
            return None
        number = int(torch.isin(self.groups, self.groups[self.validation]).sum())
        if number == len(self.validation):
            return None
        return (
            f"{number - len(self.validation):,} training images are also in the validation part: "
            "where that is used, they are not trained on"
        )

    @property
    def format(self) -> ImageFormat:
        """What other images must be like."""
        return ImageFormat(self.channels, self.depth)

    def take(self, indices: Tensor) -> Self:
        """Return the images at these indices, in this order."""
        files = None if self.files is None else tuple(self.files[i] for i in indices.tolist())
        return replace(
            self, images=self.images[indices], labels=self.labels[indices], files=files,
            pixels=None, notices=(), validation=None, unreadable=(),
        )  # fmt: skip

    def to(self, device: torch.device) -> Self:
        """Return the set with its tensors on a device."""
        moved = replace(self, labels=self.labels.to(device))
        if self.pixels is None:
            return replace(moved, images=self.images.to(device))
        return moved._within(self.pixels.to(device))

    def packed(self) -> Self:
        """Return the set as batches are gathered from it, its images a part of `pixels`."""
        return self if self.pixels is not None else self._within(packed_pixels(self.images))

    def _within(self, pixels: Tensor) -> Self:
        return replace(self, images=pixels[1:-1].view(self.images.shape), pixels=pixels)

    def confusion(self, predictions: Tensor) -> Tensor:
        """Count images by class (rows) and prediction (columns): int64 [classes, classes].

        Args:
            predictions: int64 [n], on the CPU.
        """
        classes = len(self.classes)
        pairs = self.labels.cpu() * classes + predictions
        return torch.bincount(pairs, minlength=classes**2).view(classes, classes)

    def fingerprint(self) -> str:
        """Identify the content: images, labels, order and names of the classes."""
        digest = hashlib.sha256(repr((self.classes, tuple(self.images.shape))).encode())
        digest.update(self.images.contiguous().numpy().data)
        digest.update(self.labels.contiguous().numpy().data)
        if self.validation is not None:
            digest.update(b"validation" + self.validation.numpy().tobytes())
        return digest.hexdigest()[:16]


def packed_pixels(images: Tensor) -> Tensor:
    """Put images uint8 [n, h, w, c] into one row of pixels, [1 + n * h * w + 1, c].

    Before them is a black pixel, behind them one that a gather can write to.
    """
    edge = images.new_zeros(1, images.shape[3])
    return torch.cat([edge, images.reshape(-1, images.shape[3]), edge])


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel, of values in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def measure_statistics(images: Tensor) -> Statistics:
    """Measure each channel's mean and standard deviation over uint8 images [n, h, w, c].

    Counts of the 256 values are exact, whatever the number of images and wherever they are: the
    same images have the same statistics on every device. A channel of one single value gets a
    standard deviation of 1.
    """
    means, deviations = [], []
    levels = torch.arange(256, dtype=torch.float64) / 255
    for channel in range(images.shape[3]):
        counts = _value_counts(images[..., channel])
        mean = (counts * levels).sum() / counts.sum()
        variance = (counts * (levels - mean) ** 2).sum() / counts.sum()
        means.append(float(mean))
        deviations.append(float(variance.sqrt()) or 1.0)
    return Statistics(tuple(means), tuple(deviations))


def _value_counts(channel: Tensor) -> Tensor:
    """Count each of the 256 values of uint8 [n, h, w], as float64 [256] on the CPU."""
    some = max(1, VALUES_AT_ONCE // channel.shape[1:].numel())  # counting takes 4 bytes a value
    parts = [
        torch.bincount(part.flatten().int(), minlength=256) for part in torch.split(channel, some)
    ]
    return torch.stack(parts).sum(0).cpu().double()


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


def describe_split(parts: Split) -> dict[str, Any]:
    """Sum up a split for the record: sizes, and a digest of the very indices."""
    digest = hashlib.sha256(parts.train.numpy().tobytes() + b"/" + parts.val.numpy().tobytes())
    return {
        "train": len(parts.train),
        "val": len(parts.val),
        "digest": digest.hexdigest()[:16],
    }

"""Which images train, which validate, and which are set aside for the test."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from budgetnas.seeds import derive_seed

VALIDATION_SHARE = 10
"""One in so many images of each class validates."""

SET_ASIDE_SHARE = 5
"""One in so many images is the test part, where the data has none of its own."""


@dataclass(frozen=True, eq=False)
class Split:
    """Indices into a training part."""

    train: Tensor
    """int64: what trials train on."""
    val: Tensor
    """int64: what trials are compared on."""


def split(labels: Tensor, seed: int, train_samples: int | None = None) -> Split:
    """Split a training part into train and val, stratified: a tenth of each class validates.

    A class always keeps at least one image to train on, and gives at least one to validate on
    where it has two.

    Args:
        labels: int64 [n].
        seed: The study's.
        train_samples: Keep only so many of train, stratified too; val is never made smaller.
    """
    order = _order(len(labels), derive_seed(seed, "split"))
    val, train = [], []
    for members in _by_class(labels, order):
        share = max(round(len(members) / VALIDATION_SHARE), 1) if len(members) > 1 else 0
        val.append(members[:share])
        train.append(members[share:])
    if train_samples is not None:
        train = _subset(train, train_samples)
    return Split(torch.cat(train).sort().values, torch.cat(val).sort().values)


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
    """Say whether the image with this content digest belongs to the test part.

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

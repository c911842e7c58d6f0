"""Identical images: they are found by their pixels, and stay on one side of every split."""

import hashlib
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

import torch
from torch import Tensor


def digests_of(images: Tensor) -> list[bytes]:
    """Return a digest of each of the uint8 images [n, h, w, c]: equal pixels, equal digests."""
    rows = images.reshape(len(images), -1).contiguous().numpy()
    return [hashlib.sha256(row.data).digest() for row in rows]


def groups_of(digests: Sequence[bytes]) -> Tensor:
    """Return the index of the first image with the same digest, int64 [n], for each image."""
    first: dict[bytes, int] = {}
    return torch.tensor([first.setdefault(each, n) for n, each in enumerate(digests)])


def count_common(digests: Iterable[bytes], others: Set[bytes]) -> int:
    """Count the images that are among the others, too."""
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
    """Count copies, and pictures with several labels.

    Args:
        groups: As `groups_of` returns them.
        labels: int64 [n].
    """
    pictures = torch.unique(groups)
    named = torch.unique(torch.stack([groups, labels]), dim=1)[0]
    ambiguous = int((torch.unique(named, return_counts=True)[1] > 1).sum())
    return Copies(len(groups), len(groups) - len(pictures), ambiguous)

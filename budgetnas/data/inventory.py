"""What a user's own data set holds: its parts, classes and images, and what is left out."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from budgetnas.data.layout import Layout
from budgetnas.data.listing import TO_TRAIN, Files, by_kind, list_files
from budgetnas.data.splits import SET_ASIDE_SHARE, VALIDATION_SHARE
from budgetnas.errors import InputError
from budgetnas.spec import printable

MOST_NAMES = 5
"""Folders and classes that a line names."""


@dataclass(frozen=True)
class Inventory:
    """The training part of a data set, by names alone: no image is opened, no test part listed."""

    layout: Layout
    train: Files
    val: Files | None
    """The validation part; None where that is split off the training images."""

    @classmethod
    def take(cls, root: Path) -> Self:
        """List the images that are trained and validated on.

        Raises:
            InputError: With the folder or class that is wrong.
        """
        layout = Layout.find(root)
        train = list_files(layout.train, TO_TRAIN)
        val = None
        if layout.val is not None:
            val = list_files(layout.val, 1)
            require_same_classes(layout.val, val.classes, train.classes)
        return cls(layout, train, val)

    @property
    def images(self) -> tuple[tuple[Path, int], ...]:
        """All of its images with their labels: those to train on, then those to validate on."""
        return (*self.train.images, *(self.val.images if self.val else ()))

    def describe(self, set_aside: int | None = None) -> str:
        """Sum it up in one line.

        Args:
            set_aside: How many images are set aside to test on; None where nobody knows yet.
        """
        left_out = self._left_out()
        said = [self._classes(), self._parts(set_aside)]
        said += [f"left out: {', '.join(left_out)}"] if left_out else []
        return f"images: {'; '.join([*said, *self._lost()])}"

    def _classes(self) -> str:
        counts = self.train.counts
        few, many = (counts.index(each(counts)) for each in (min, max))
        names = [f"{counts[label]:,} ({self.train.classes[label]!r})" for label in (few, many)]
        each = f"{counts[few]:,}" if counts[few] == counts[many] else " to ".join(names)
        return f"{len(counts):,} classes of {each} training images"

    def _parts(self, set_aside: int | None) -> str:
        train, val = self.layout.train.name, self.layout.val
        parts = [f"{printable(train)} {len(self.train.images):,}"]
        if self.val and val:
            parts.append(f"{printable(val.name)} {len(self.val.images):,} (the validation part)")
        else:
            parts.append(f"one in {VALIDATION_SHARE} of each class validates")
        if self.layout.test:
            parts.append(f"{printable(self.layout.test.name)} is not opened yet")
        elif set_aside is None:
            parts.append(f"about one in {SET_ASIDE_SHARE} of them set aside to test on")
        else:
            parts.append(f"{set_aside:,} of them set aside to test on")
        return ", ".join(parts)

    def _left_out(self) -> list[str]:
        words = []
        if files := sum((part.left_out for part in self._files()), Counter[str]()):
            words.append(by_kind(files))
        if others := self.layout.others:
            names = _names(list(others))
            words.append(f"folder{'s' * (len(others) > 1)} {names} (not named train, val or test)")
        return words

    def _lost(self) -> list[str]:
        """Name the classes most of whose files are left out."""
        words = []
        for part in self._files():
            for name, lost, kept in zip(part.classes, part.lost, part.counts, strict=True):
                if lost > kept:
                    words.append(f"{lost:,} of the {lost + kept:,} files of {name!r}")
        if not words:
            return []
        more = len(words) - MOST_NAMES
        shown = words[:MOST_NAMES] + [f"most of {more:,} more classes"] * (more > 0)
        return [f"that is {', '.join(shown)}"]

    def _files(self) -> list[Files]:
        return [part for part in (self.train, self.val) if part]


def describe_test(files: Files) -> str:
    """Sum up a test part of the user's own in one line."""
    more = f"; left out: {by_kind(files.left_out)}" if files.left_out else ""
    return f"test part: {len(files.images):,} images{more}"


def require_same_classes(folder: Path, found: tuple[str, ...], classes: tuple[str, ...]) -> None:
    """Refuse a part whose classes are not those of the training part.

    Raises:
        InputError: With the class that is in one part only.
    """
    for name in sorted(set(found) ^ set(classes)):
        where = f"{folder.name} only" if name in found else "train only"
        raise InputError(
            f"{printable(folder.parent)}: train and {printable(folder.name)} need the same "
            f"classes, {name!r} is in {where}"
        )


def _names(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    shown = ", ".join(repr(name) for name in names[:MOST_NAMES])
    return f"{shown} and {more:,} more" if more > 0 else shown

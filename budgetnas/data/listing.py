"""What is in a part of a folder data set, by its names alone: no image is opened here.

Images of a class are in its folder and, as torchvision's `ImageFolder` has it, in all folders
below it, links followed. Hidden files and what by its suffix is no image are left out and counted;
what has the name of an image and can't be one is for whoever reads it to refuse.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from budgetnas.data.decode import readable_suffixes
from budgetnas.errors import InputError
from budgetnas.spec import printable

TO_TRAIN = 3
"""A class of the training part needs so many images: to train, to validate, and to test on."""

HIDDEN = "hidden"
OUTSIDE = "outside of a class"

LONGEST = 30
"""Characters of a suffix that are shown."""

MOST_KINDS = 8
"""Kinds of files that a line lists."""


@dataclass(frozen=True)
class Files:
    """The images of a part, and what was left out of it."""

    classes: tuple[str, ...]
    """The classes' names."""
    images: tuple[tuple[Path, int], ...]
    """Each image with its label, in a fixed order."""
    left_out: Counter[str]
    """How many files were left out, by their suffix or what else they are."""
    lost: tuple[int, ...]
    """Of each class, how many of its files were left out by their suffix."""

    @property
    def labels(self) -> list[int]:
        """The images' labels."""
        return [label for _, label in self.images]

    @property
    def counts(self) -> list[int]:
        """How many images each class has."""
        found = Counter(self.labels)
        return [found[label] for label in range(len(self.classes))]


def list_files(folder: Path, at_least: int) -> Files:
    """List the images of each class of a part: its sorted folders.

    Raises:
        InputError: If there are not two classes, or a class has fewer images than it needs.
    """
    left_out = Counter[str]()
    classes = _class_names(folder, left_out)
    suffixes = readable_suffixes()
    images: list[tuple[Path, int]] = []
    lost = []
    for label, name in enumerate(classes):
        found = _Class(suffixes)
        found.walk(folder / name)
        if len(found.images) < at_least:
            few = f", at least {at_least} are needed" if found.images else ""
            raise InputError(
                f"class {name!r} has {count(found.images)} in {folder / name}{few}{found.why()}"
            )
        images += [(path, label) for path in found.images]
        left_out += found.left_out
        lost.append(found.lost)
    return Files(classes, tuple(images), left_out, tuple(lost))


def count(images: list[Path]) -> str:
    """Say how many images there are."""
    return "1 image" if len(images) == 1 else f"{len(images) or 'no'} image{'s' * bool(images)}"


def by_kind(left_out: Counter[str]) -> str:
    """Say what was left out, most of it first: `50 .HEIC, 3 .jpg_large, 2 hidden`."""
    shown = left_out.most_common(MOST_KINDS)
    words = [f"{number:,} {kind}" for kind, number in shown]
    others = left_out.total() - sum(number for _, number in shown)
    return ", ".join([*words, *([f"{others:,} of other kinds"] if others else [])])


@contextmanager
def access(path: Path) -> Iterator[None]:
    """Name the path that the system gives no access to.

    Raises:
        InputError: For whatever the system refuses.
    """
    try:
        yield
    except PermissionError:
        raise InputError(f"{printable(path)}: no permission to read it") from None
    except OSError as error:
        raise InputError(f"{printable(path)}: can't be read: {error.strerror or error}") from None


def require_file(path: Path) -> None:
    """Refuse what is named like an image and is none.

    Raises:
        InputError: Naming what it is.
    """
    if not path.is_file():
        kind = kind_of_path(path)
        raise InputError(f"{printable(path)}: an image must be a file, it is {kind}")


def kind_of_path(path: Path) -> str:
    """Say what is at a path."""
    if path.is_dir():
        return "a folder"
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    return "a file" if path.is_file() else "a pipe, socket or device"


def _class_names(folder: Path, left_out: Counter[str]) -> tuple[str, ...]:
    """List the classes of a part; count the files beside them."""
    names = []
    for entry in _entries(folder):
        if entry.name.startswith("."):
            left_out[HIDDEN] += 1
        elif _is_class(entry):
            names.append(entry.name)
        else:
            left_out[OUTSIDE] += 1
    for name in names:
        if not name.isprintable():
            raise InputError(f"{folder}: the names of classes must be printable, got {name!r}")
    if len(names) < 2:
        listed = ", ".join(names) or "none"
        raise InputError(f"{folder}: at least 2 classes (folders) are needed, got {listed}")
    return tuple(names)


def _is_class(entry: "os.DirEntry[str]") -> bool:
    """Say whether it is a folder; a class must not get lost with the disk that it links to."""
    path = Path(entry.path)
    if entry.is_symlink() and not path.exists():
        raise InputError(f"{printable(path)} must be a folder, it is {kind_of_path(path)}")
    return _follow(entry.is_dir)


@dataclass
class _Class:
    """The images of one class, while its folder is walked."""

    suffixes: set[str]
    images: list[Path] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def lost(self) -> int:
        """Files that were left out by their suffix."""
        return self.left_out.total() - self.left_out[HIDDEN]

    def why(self) -> str:
        """Say what of a class with too few images was left out."""
        return f" (left out: {by_kind(self.left_out)})" if self.left_out else ""

    def walk(self, folder: Path, above: tuple[tuple[int, int], ...] = ()) -> None:
        """Add what is in a folder, then what is in those below it."""
        with access(folder):
            here = folder.stat()
        place = (here.st_dev, here.st_ino)
        if place in above:
            raise InputError(f"{printable(folder)}: a link to a folder that it is in")
        below = []
        for entry in _entries(folder):
            if entry.name.startswith("."):
                self.left_out[HIDDEN] += 1
            elif _follow(entry.is_dir):
                below.append(folder / entry.name)
            else:
                self._add(folder / entry.name)
        for path in below:
            self.walk(path, (*above, place))

    def _add(self, path: Path) -> None:
        if path.suffix.lower() in self.suffixes:
            self.images.append(path)
        else:
            self.left_out[printable(path.suffix[:LONGEST])] += 1


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    with access(folder), os.scandir(folder) as found:
        return sorted(found, key=_name)


def _follow(test: Callable[[], bool]) -> bool:
    """Test what is behind a link; one to itself leads to nothing."""
    try:
        return test()
    except OSError:
        return False


def _name(entry: "os.DirEntry[str]") -> str:
    return entry.name

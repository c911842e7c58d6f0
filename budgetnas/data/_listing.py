"""What is in a folder data set, by its names alone: no image is opened here.

`Layout` finds its parts, `Files` lists the images of one, `Inventory` sums up the training part.
Images of a class are in its folder and, as torchvision's `ImageFolder` has it, in all folders
below it, links followed. Hidden files and what by its suffix is no image are left out and counted;
a file with an image's name that is no image is an error of its reader.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self, TypeAlias

from budgetnas.data._decode import readable_suffixes
from budgetnas.data._source import SET_ASIDE_SHARE, VALIDATION_SHARE
from budgetnas.errors import InputError
from budgetnas.spec import printable

TO_TRAIN, TO_SPLIT = 3, 2
"""Minimum of images of a class: to train, to validate, and to test on; without those that test."""

MOST_NAMES = 5
"""Folders and classes that a line names."""

Role: TypeAlias = Literal["train", "val", "test"]

NAMES: Mapping[str, Role] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
"""What a folder is by its name, in upper or lower case."""

HIDDEN = "hidden"
OUTSIDE = "outside of a class"

LONGEST = 30
"""Characters of a suffix that are shown."""

MOST_KINDS = 8
"""Kinds of files that a line lists."""


@dataclass(frozen=True)
class Files:
    """The images of a part, and what was left out of it."""

    folder: Path
    """Where the part is."""
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
        return [label for _, label in self.images]

    @property
    def counts(self) -> list[int]:
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
        if (number := len(found.images)) < at_least:
            few = f", at least {at_least} are needed" if number else ""
            raise InputError(
                f"class {name!r} has {number or 'no'} image{'s' * (number > 1)} in "
                f"{folder / name}{few}{found.why()}"
            )
        images += [(path, label) for path in found.images]
        left_out += found.left_out
        lost.append(found.lost)
    return Files(folder, classes, tuple(images), left_out, tuple(lost))


def by_kind(left_out: Counter[str]) -> str:
    """Return what was left out, the most frequent first: `50 .HEIC, 3 .jpg_large, 2 hidden`."""
    shown = left_out.most_common(MOST_KINDS)
    words = [f"{number:,} {kind}" for kind, number in shown]
    others = left_out.total() - sum(number for _, number in shown)
    return ", ".join([*words, *([f"{others:,} of other kinds"] if others else [])])


@contextmanager
def access(path: Path) -> Iterator[None]:
    """Name the path in every error of the system."""
    try:
        yield
    except PermissionError:
        raise InputError(f"{printable(path)}: no permission to read it") from None
    except OSError as error:
        raise InputError(f"{printable(path)}: can't be read: {error.strerror or error}") from None


def require_file(path: Path) -> None:
    """Raise for a path that is named like an image and is none."""
    if not path.is_file():
        kind = kind_of_path(path)
        raise InputError(f"{printable(path)}: an image must be a file, it is {kind}")


def kind_of_path(path: Path) -> str:
    if path.is_dir():
        return "a folder"
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    return "a file" if path.is_file() else "a pipe, socket or device"


def _class_names(folder: Path, left_out: Counter[str]) -> tuple[str, ...]:
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
    """Return whether it is a folder; a class must not get lost with the disk that it links to."""
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
        return self.left_out.total() - self.left_out[HIDDEN]

    def why(self) -> str:
        return f" (left out: {by_kind(self.left_out)})" if self.left_out else ""

    def walk(self, folder: Path, above: tuple[tuple[int, int], ...] = ()) -> None:
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
        return sorted(found, key=lambda entry: entry.name)


def _follow(test: Callable[[], bool]) -> bool:
    """Test what is behind a link; one to itself leads to nothing."""
    try:
        return test()
    except OSError:
        return False


@dataclass(frozen=True)
class Layout:
    """The folders of a data set."""

    train: Path
    """What is trained on."""
    val: Path | None
    """What is validated on; None where that is split off the training images."""
    test: Path | None
    """What is tested on; None where that is set aside of the training images."""
    others: tuple[str, ...]
    """Names of folders beside them, which are left out."""

    @classmethod
    def find(cls, root: Path) -> Self:
        """Find the parts of a data set.

        Raises:
            InputError: If there is no training part, two folders for one part, or something
                with the name of a part that is no folder, such as a link that leads nowhere.
        """
        parts: dict[Role, list[Path]] = {"train": [], "val": [], "test": []}
        others = []
        for path in _parts(root):
            role = NAMES.get(path.name.lower())
            if role is not None:
                parts[role].append(path)
            elif path.is_dir():
                others.append(path.name)
        found = {role: _only(root, role, paths) for role, paths in parts.items()}
        train = found["train"]
        if train is None:
            raise InputError(_without_train(root, others))
        return cls(train, found["val"], found["test"], tuple(others))


def _parts(root: Path) -> list[Path]:
    with access(root):
        if not root.is_dir():
            return []
        return sorted(path for path in root.iterdir() if not path.name.startswith("."))


def _only(root: Path, role: Role, paths: list[Path]) -> Path | None:
    for path in paths:
        with access(path):
            if not path.is_dir():
                raise InputError(f"{printable(path)} must be a folder, it is {kind_of_path(path)}")
    if len(paths) > 1:
        names = " and ".join(printable(path.name) for path in paths)
        raise InputError(
            f"{printable(root)}: at most one folder may be the {role} part, got {names}: "
            "join or rename them"
        )
    return paths[0] if paths else None


def _without_train(root: Path, others: list[str]) -> str:
    text = (
        f"a folder data set needs train/<class>/* in it, {printable(root / 'train')} is no folder"
    )
    alike = [name for name in others if name.lower().startswith("train")]
    if len(alike) == 1:
        return f"{text}: rename {printable(root / alike[0])} to train"
    return text


@dataclass(frozen=True)
class Inventory:
    """The training part of a data set, by names alone: no image is opened, no test part listed."""

    layout: Layout
    train: Files
    val: Files | None
    """The validation part; None where that is split off the training images."""

    @classmethod
    def take(cls, root: Path) -> Self:
        layout = Layout.find(root)
        train = list_files(layout.train, TO_TRAIN)
        val = None
        if layout.val is not None:
            val = list_files(layout.val, 1)
            require_same_classes(val, train.classes)
        return cls(layout, train, val)

    @property
    def images(self) -> tuple[tuple[Path, int], ...]:
        """All of its images with their labels: those to train on, then those to validate on."""
        return (*self.train.images, *(self.val.images if self.val else ()))

    def describe(self, set_aside: int | None = None) -> str:
        """Sum it up in one line; how many images are set aside may not be known yet."""
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
        parts = [f"{printable(self.train.folder.name)} {len(self.train.images):,}"]
        if val := self.val:
            name = printable(val.folder.name)
            parts.append(f"{name} {len(val.images):,} (the validation part)")
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
    more = f"; left out: {by_kind(files.left_out)}" if files.left_out else ""
    return f"test part: {len(files.images):,} images{more}"


def require_same_classes(part: Files, classes: tuple[str, ...]) -> None:
    """Raise if a part's classes are not those of the training part."""
    folder = part.folder
    for name in sorted(set(part.classes) ^ set(classes)):
        where = f"{folder.name} only" if name in part.classes else "train only"
        raise InputError(
            f"{printable(folder.parent)}: train and {printable(folder.name)} need the same "
            f"classes, {name!r} is in {where}"
        )


def _names(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    shown = ", ".join(repr(name) for name in names[:MOST_NAMES])
    return f"{shown} and {more:,} more" if more > 0 else shown

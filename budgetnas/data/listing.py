"""What is in a folder data set, by its names alone: no image is opened here.

What has the name of an image and can't be one is refused, never left out in silence; other files,
by their suffixes, are no images.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from budgetnas.data.datasets import Part
from budgetnas.data.decode import readable_suffixes
from budgetnas.errors import InputError
from budgetnas.spec import printable

TO_TRAIN = 3
"""A class of the training part needs so many images: to train, to validate, and to test on."""


def class_names(root: Path, part: Part) -> tuple[str, ...]:
    """List the classes of a part: its sorted folders.

    Raises:
        InputError: If there are none.
    """
    folder = root / part
    with access(folder):
        if not folder.is_dir():
            raise InputError(
                f"a folder data set needs {part}/<class>/* in it, {printable(folder)} is no folder"
            )
        entries = [path for path in folder.iterdir() if not path.name.startswith(".")]
        names = sorted(path.name for path in entries if _is_class(path))
    for name in names:
        if not name.isprintable():
            raise InputError(f"{folder}: the names of classes must be printable, got {name!r}")
    if len(names) < 2:
        listed = ", ".join(names) or "none"
        raise InputError(f"{folder}: at least 2 classes (folders) are needed, got {listed}")
    return tuple(names)


def has_test_part(root: Path) -> bool:
    """Say whether the data brings its own test part.

    Raises:
        InputError: If there is a `test` that is no folder, such as a link that leads nowhere.
    """
    folder = root / "test"
    with access(folder):
        if folder.is_dir():
            return True
        if os.path.lexists(folder):
            raise InputError(f"{printable(folder)} must be a folder, it is {_kind(folder)}")
    return False


def list_files(folder: Path, classes: Iterable[str], at_least: int) -> list[tuple[Path, int]]:
    """List the images of each class, in a fixed order, with their labels.

    Raises:
        InputError: If a class has fewer images than it needs.
    """
    files: list[tuple[Path, int]] = []
    for label, name in enumerate(classes):
        found = _images(folder / name)
        if len(found) < at_least:
            few = f", at least {at_least} are needed" if found else ""
            raise InputError(f"class {name!r} has {count(found)} in {folder / name}{few}")
        files += [(path, label) for path in found]
    return files


def count(images: list[Path]) -> str:
    """Say how many images there are."""
    return "1 image" if len(images) == 1 else f"{len(images) or 'no'} image{'s' * bool(images)}"


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


def _is_class(path: Path) -> bool:
    """Say whether it is a folder; a class must not get lost with the disk that it links to."""
    if path.is_symlink() and not path.exists():
        raise InputError(f"{printable(path)} must be a folder, it is {_kind(path)}")
    return path.is_dir()


def _images(folder: Path) -> list[Path]:
    with access(folder):
        entries = sorted(folder.iterdir(), key=_name) if folder.is_dir() else []
    suffixes = readable_suffixes()
    found = [p for p in entries if p.suffix.lower() in suffixes and not p.name.startswith(".")]
    for path in found:
        with access(path):
            if not path.is_file():
                raise InputError(
                    f"{printable(path)}: an image must be a file, it is {_kind(path)}"
                )
    return found


def _name(path: Path) -> str:
    return path.name


def _kind(path: Path) -> str:
    if path.is_dir():
        return "a folder"
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    return "a file" if path.is_file() else "a pipe, socket or device"

"""A user's own images: train/<class>/* and, optionally, test/<class>/*."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from budgetnas.data.datasets import DataSource, Part, Progress
from budgetnas.data.decode import Pixels, to_channels, to_colour
from budgetnas.data.images import ImageSet
from budgetnas.data.resize import fit_one
from budgetnas.data.splits import content_digest, is_set_aside
from budgetnas.errors import InputError


@dataclass(frozen=True)
class _Decoded:
    pixels: Pixels
    """[size, size, 3]."""
    grey: bool
    """Whether every pixel of it is grey."""
    set_aside: bool
    """Whether its content puts it into the test part, where the data has none."""


def class_names(root: Path, part: Part) -> tuple[str, ...]:
    """List the classes of a part: its sorted folders.

    Raises:
        InputError: If there are none.
    """
    folder = root / part
    if not folder.is_dir():
        raise InputError(f"a folder data set needs {part}/<class>/* in it, {folder} is no folder")
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    for name in names:
        if not name.isprintable():
            raise InputError(f"{folder}: the names of classes must be printable, got {name!r}")
    if len(names) < 2:
        listed = ", ".join(names) or "none"
        raise InputError(f"{folder}: at least 2 classes (folders) are needed, got {listed}")
    return tuple(names)


def has_test_part(root: Path) -> bool:
    """Say whether the data brings its own test part."""
    return (root / "test").is_dir()


def read(source: DataSource, part: Part, channels: int | None, progress: Progress) -> ImageSet:
    """Read and decode a part; where there is no test folder, one in five of train's images.

    Args:
        source: The folder and the size.
        part: Which part.
        channels: 1 or 3, or None: grey only if every image is.
        progress: Told of images decoded.

    Raises:
        InputError: With the file or class that is wrong.
    """
    own_test = has_test_part(source.root)
    classes = class_names(source.root, "train")
    files = list_files(source.root / (part if own_test else "train"), classes)
    decoded = _decode_all([path for path, _ in files], source.image_size, own_test, progress)
    chosen = [
        (image, label)
        for image, (_, label) in zip(decoded, files, strict=True)
        if own_test or image.set_aside == (part == "test")
    ]
    if not 0 < len(chosen) < len(decoded) + own_test:
        raise InputError(
            f"{source.root}: of {len(decoded)} images none is left for train or for test, add some"
        )
    if channels is None:
        channels = 1 if all(image.grey for image, _ in chosen) else 3
    images = np.stack([image.pixels for image, _ in chosen])
    return ImageSet(
        torch.from_numpy(to_channels(images, channels)),
        torch.tensor([label for _, label in chosen]),
        classes,
    )


def list_files(folder: Path, classes: Iterable[str]) -> list[tuple[Path, int]]:
    """List the images of each class, in a fixed order, with their labels."""
    readable = _readable_suffixes()
    files: list[tuple[Path, int]] = []
    for label, name in enumerate(classes):
        inside = folder / name
        entries = sorted(inside.iterdir()) if inside.is_dir() else []
        found = [p for p in entries if p.suffix.lower() in readable and p.name[0] != "."]
        if not found:
            raise InputError(f"class {name!r} has no image in {inside}")
        files += [(path, label) for path in found]
    return files


def _readable_suffixes() -> set[str]:
    """Suffixes of the formats that Pillow reads; none at all is tried, too."""
    known = Image.registered_extensions()
    return {"", *(suffix for suffix, kind in known.items() if kind in Image.OPEN)}


def _decode_all(
    paths: list[Path], size: int, own_test: bool, progress: Progress
) -> list[_Decoded]:
    def decode(path: Path) -> _Decoded:
        pixels, fitted = _decode(path, size)
        grey = bool((pixels == pixels[..., :1]).all())
        aside = not own_test and is_set_aside(content_digest(pixels))
        return _Decoded(fitted, grey, aside)

    return _in_threads(decode, paths, lambda n: progress("decoding images", n, len(paths)))


def _in_threads(
    work: Callable[[Path], _Decoded], paths: list[Path], done: Callable[[int], None]
) -> list[_Decoded]:
    """Do the work in threads, in order; Pillow lets go of the interpreter while it decodes."""
    results = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for number, result in enumerate(pool.map(work, paths), start=1):
                results.append(result)
                if number % 500 == 0 or number == len(paths):
                    done(number)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return results


def _decode(path: Path, size: int) -> tuple[Pixels, Pixels]:
    """Decode an image, in its own size and fitted to a size."""
    try:
        with Image.open(path) as opened:
            pixels = to_colour(opened)
        return pixels, fit_one(pixels, size)
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        raise InputError(f"{path}: not a readable image: {error}") from None

"""`ImageData`, a data set from memory, and the file in the data folder that it is kept in.

The file is written once, is named after its content, and holds all parts: a study that began with
images from memory is continued and retrained by whatever finds the file.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load, save

from budgetnas.data._decode import content_digest, is_set_aside
from budgetnas.data._listing import TO_SPLIT
from budgetnas.data._picture import fit
from budgetnas.data._source import DataSource, ImageFormat, Part, Progress, Stored
from budgetnas.data.images import ImageSet
from budgetnas.errors import InputError
from budgetnas.files import write_atomic
from budgetnas.spec import shorten

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set in memory, for `dataset=` of `budgetnas.search` and the other verbs."""

    name: str
    """What studies are named after."""
    classes: tuple[str, ...]
    """The classes' names, in the order of the labels."""
    arrays: Arrays
    """`train.images`, uint8 [n, h, w, c], `train.labels`, int64 [n]; the same of `validation` and
    `test`, where there are such parts."""

    @classmethod
    def from_arrays(
        cls,
        images: Any,
        labels: Any,
        *,
        test: tuple[Any, Any] | None = None,
        validation: tuple[Any, Any] | None = None,
        classes: Sequence[str] | None = None,
        name: str = "arrays",
    ) -> Self:
        """Take images from arrays or tensors.

        Args:
            images: uint8 [n, h, w], [n, h, w, c] or [n, c, h, w], with c of 1 or 3.
            labels: Whole numbers [n] from 0.
            test: Images and labels of the test part; a fifth is set aside without one.
            validation: Images and labels to validate on; a tenth is split off without them.
            classes: Their names, in the order of the labels; the labels themselves by default.
            name: What studies are named after.

        Raises:
            InputError: If the arrays are not that, with their shapes.
        """
        given = {"train": (images, labels), "validation": validation, "test": test}
        parts = {part: _part(part, both) for part, both in given.items() if both is not None}
        labels = parts["train"][1]
        numbers = range(min(int(labels.max()), len(labels)) + 1)  # more have no image each
        if isinstance(classes, int):
            raise InputError(f"classes must be a list of names, got {shorten(classes)}")
        known = tuple(map(str, numbers if classes is None else classes))
        arrays: Arrays = {}
        for part, (pixels, named) in parts.items():
            _check(part, pixels, named, parts["train"][0], known)
            arrays |= {f"{part}.images": pixels, f"{part}.labels": named}
        fits = isinstance(name, str) and name.isprintable() and 0 < len(name.encode()) <= 100
        if not fits or name != Path(name).name:
            raise InputError(
                f"name must be one that a file can have, at most 100 bytes, got {shorten(name)}"
            )
        return cls(name, known, arrays)

    @classmethod
    def from_torchvision(cls, train: Any, test: Any = None, *, name: str | None = None) -> Self:
        """Take images from data sets such as torchvision's, without random transforms.

        Args:
            train: A sequence of (image, label); an image is Pillow's, grey or RGB, or a tensor
                [c, h, w], uint8 or as `ToTensor` makes it. `classes` is used, if it has them.
            test: The test part; a fifth of train is set aside without one.
            name: What studies are named after; the class's name in lower case by default.

        Raises:
            InputError: If images are of several sizes, or normalised.
        """
        parts = [_stacked(each) for each in (train, test) if each is not None]
        return cls.from_arrays(
            *parts[0], test=parts[1] if test is not None else None,
            classes=getattr(train, "classes", None), name=name or type(train).__name__.lower(),
        )  # fmt: skip

    def write(self, data_dir: str | Path = "data") -> Path:
        """Write the file that holds all of it, unless it is there; return its path."""
        content = save(self.arrays, {"classes": json.dumps(self.classes)})
        path = Path(data_dir) / "arrays" / f"{self.name}-{_digest(content)}.safetensors"
        if not path.is_file():
            write_atomic(path, content)
        return path


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _part(part: str, both: Any) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return images as uint8 [n, h, w, c], and labels as int64 [n]."""
    if not isinstance(both, tuple | list) or len(both) != 2:
        raise InputError(f"{part}: must be a pair of images and labels, got {shorten(both)}")
    try:
        images, numbers = map(np.asarray, both)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged, on a GPU, with a gradient
        raise InputError(f"{part}: images and labels must be arrays: {error}") from None
    pixels = images
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    elif pixels.ndim == 4 and pixels.shape[3] not in (1, 3):
        pixels = pixels.transpose(0, 2, 3, 1)
    fits = pixels.ndim == 4 and pixels.shape[3] in (1, 3) and pixels.size
    if pixels.dtype != np.uint8 or not fits:
        raise InputError(
            f"{part}: images must be uint8 [n, h, w], [n, h, w, c] or [n, c, h, w] with c of 1 or "
            f"3, got {_shown(images)}"
        )
    if numbers.dtype.kind not in "iu" or numbers.shape != pixels.shape[:1]:
        raise InputError(
            f"{part}: labels must be whole numbers [{len(pixels)}], one for each image, got "
            f"{_shown(numbers)}"
        )
    return np.ascontiguousarray(pixels), numbers.astype(np.int64)


def _shown(array: npt.NDArray[Any]) -> str:
    return f"{array.dtype} {list(array.shape)}"


def _check(
    part: str,
    pixels: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    train: npt.NDArray[np.uint8],
    classes: tuple[str, ...],
) -> None:
    """Raise for a part that is of other classes or channels than there are."""
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise InputError(f"at least 2 classes with different names are needed, got {classes}")
    if labels.min() < 0 or labels.max() >= len(classes):
        raise InputError(
            f"{part}: labels must be from 0 to {len(classes) - 1}, of {len(classes)} classes, "
            f"got {labels.min()} to {labels.max()}"
        )
    if pixels.shape[1:] != train.shape[1:]:
        raise InputError(
            f"{part}: images must be of the shape of those to train on, {list(train.shape[1:])}, "
            f"got {_shown(pixels)}"
        )


def _stacked(data: Any) -> tuple[npt.NDArray[np.uint8], list[int]]:
    """Return the images and labels of a sequence of pairs."""
    pairs = [(_pixels(image), int(label)) for image, label in (data[n] for n in range(len(data)))]
    sizes = sorted({image.shape for image, _ in pairs})
    if len(sizes) != 1:
        raise InputError(
            f"images must be of one size, a transform can resize them, got {shorten(sizes)}"
        )
    return np.stack([image for image, _ in pairs]), [label for _, label in pairs]


def _pixels(image: Any) -> npt.NDArray[np.uint8]:
    if isinstance(image, torch.Tensor):
        array = image.numpy()
        given = f"torch.{_shown(array)}"
        if array.dtype.kind == "f" and array.min() >= 0 and array.max() <= 1:
            array = np.rint(array * 255).astype(np.uint8)
        if array.dtype == np.uint8 and array.ndim == 3:
            return array.transpose(1, 2, 0)
    else:
        given = str(getattr(image, "mode", type(image).__name__))
        if given in ("L", "RGB"):
            return np.asarray(image).reshape(image.height, image.width, -1)
    raise InputError(
        "images must be Pillow's, L or RGB, or tensors [c, h, w] of uint8 or in [0, 1], "
        f"got {given}"
    )


def read_arrays(
    source: DataSource, part: Part, like: ImageFormat | None, progress: Progress
) -> ImageSet:
    """Read a part of a file that `ImageData` wrote.

    Raises:
        InputError: If it is not there, damaged, or too small to be split.
    """
    return part_of(source, part, *_read(source.root))


def part_of(source: DataSource, part: Part, classes: tuple[str, ...], arrays: Arrays) -> ImageSet:
    """Return a part of the arrays of `ImageData`; without a test part, a fifth is set aside."""
    own_test = "test.images" in arrays
    listed = ("test",) if part == "test" and own_test else ("train", "validation")
    images, labels = (
        np.concatenate([arrays[key] for key in (f"{n}.{kind}" for n in listed) if key in arrays])
        for kind in ("images", "labels")
    )
    validates = np.arange(len(labels)) >= len(arrays["train.labels"])
    if not own_test:
        aside = np.array([is_set_aside(content_digest(image)) for image in images])
        chosen = aside if part == "test" else ~aside
        images, labels, validates = images[chosen], labels[chosen], validates[chosen]
    found = ImageSet(torch.from_numpy(fit(images, source.view)), torch.from_numpy(labels), classes)
    if part == "test":
        return found
    own = "validation.images" in arrays
    _check_left(classes, labels[~validates], 1 if own else TO_SPLIT)
    return replace(found, validation=torch.from_numpy(validates.nonzero()[0])) if own else found


def _read(path: Path) -> tuple[tuple[str, ...], Arrays]:
    """Read the classes and the arrays of a file."""
    classes = Stored.read(path).classes
    content = path.read_bytes()
    if not path.stem.endswith(_digest(content)):
        raise InputError(f"{path}: damaged or renamed: its content is not that of its name")
    return classes, load(content)


def _check_left(classes: tuple[str, ...], labels: npt.NDArray[np.int64], needed: int) -> None:
    for name, left in zip(classes, np.bincount(labels, minlength=len(classes)), strict=True):
        if left < needed:
            raise InputError(
                f"class {name!r}: at least {needed} images to train and validate on are needed, "
                f"beside those that test, got {left}"
            )

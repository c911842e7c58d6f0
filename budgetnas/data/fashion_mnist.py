"""Fashion-MNIST's four files: wherever they are, packed or not, they are told by their content.

torchvision's own checks are of the packed files as they were first published, which those that a
Linux distribution packed anew fail, and of an unpacked file it checks nothing.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torchvision.datasets import FashionMNIST as Published

from budgetnas.data.datasets import Part
from budgetnas.data.listing import access
from budgetnas.errors import InputError
from budgetnas.spec import printable

FOLDERS = ("", "FashionMNIST/raw")
"""Where the files may be: in the folder itself, or where torchvision downloads them to."""


@dataclass(frozen=True)
class _File:
    """One of the four files, unpacked."""

    name: str
    digest: str
    """The SHA-256 of its content."""
    shape: tuple[int, ...]

    @property
    def header(self) -> int:
        """Bytes before the values: a magic number, and one number for each dimension."""
        return 4 * (1 + len(self.shape))

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.header + int(np.prod(self.shape))

    def places(self, root: Path) -> Iterator[Path]:
        """Yield where it may be."""
        for folder in FOLDERS:
            for suffix in ("", ".gz"):
                yield root / folder / f"{self.name}{suffix}"


FILES: Mapping[Part, tuple[_File, _File]] = {
    "train": (
        _File(
            "train-images-idx3-ubyte",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            (60_000, 28, 28),
        ),
        _File(
            "train-labels-idx1-ubyte",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            (60_000,),
        ),
    ),
    "test": (
        _File(
            "t10k-images-idx3-ubyte",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            (10_000, 28, 28),
        ),
        _File(
            "t10k-labels-idx1-ubyte",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            (10_000,),
        ),
    ),
}
"""Images and labels of each part."""


@dataclass(frozen=True)
class FashionMNIST:
    """A part, as torchvision's classes have it."""

    data: npt.NDArray[np.uint8]
    """[n, 28, 28]."""
    targets: npt.NDArray[np.uint8]
    classes: tuple[str, ...] = tuple(Published.classes)


def open_fashion_mnist(root: str, part: Part, download: bool) -> FashionMNIST:
    """Read a part from its files.

    Raises:
        FileNotFoundError: If one of them is not there.
        InputError: If one is there, and is not the published one.
    """
    if download:
        Published(root, download=True)
    images, labels = (_read(file, Path(root)) for file in FILES[part])
    return FashionMNIST(images, labels)


def _read(file: _File, root: Path) -> Any:
    """Read the values of a file from the first place where it is what was published."""
    there = [path for path in file.places(root) if path.is_file()]
    for path in there:
        content = _content(path, file.size)
        if hashlib.sha256(content).hexdigest() == file.digest:
            values = np.frombuffer(content, np.uint8, offset=file.header)
            return values.reshape(file.shape).copy()  # what is in `content` can't be written to
    if there:
        raise InputError(
            f"{printable(there[0])}: not the file of Fashion-MNIST: its content is another than "
            f"was published (SHA-256 {file.digest[:12]}... unpacked): remove or replace it"
        )
    raise FileNotFoundError(file.name)


def _content(path: Path, size: int) -> bytes:
    """Read what a file holds, unpacked; nothing of it if it is damaged."""
    with access(path), path.open("rb") as packed:
        if path.suffix != ".gz":
            return packed.read(size + 1)
        try:
            with gzip.open(packed) as file:
                return file.read(size + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            return b""

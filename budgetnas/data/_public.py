"""The public data sets: torchvision's, Fashion-MNIST wherever its files are, and digits.

CIFAR's own files are pickles, which could run anything when read. torchvision reads one only after
its MD5 proved to be the published one, so that what somebody else put there is never unpickled.
Of Fashion-MNIST torchvision checks the packed files as they were first published, which those that
a Linux distribution packed anew fail, and of an unpacked file nothing: its files are read here,
packed or not, and recognized by their content. torchvision takes 1.7 s to import, so functions do.
"""

import contextlib
import gzip
import hashlib
import math
import socket
import sys
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from budgetnas.data._arrays import part_of
from budgetnas.data._listing import access
from budgetnas.data._picture import fit
from budgetnas.data._source import DataSource, ImageFormat, Part, Progress
from budgetnas.data.images import ImageSet
from budgetnas.errors import InputError, first_line
from budgetnas.spec import printable

BROWSER = {"User-Agent": "budgetnas"}
ANSWER_WITHIN = 8.0
"""Seconds in which the first byte must come, or there is no network."""


@dataclass(frozen=True)
class _Public:
    make: Callable[[str, Part, bool], Any]
    """Torchvision's own class, from root, part and whether to download."""
    url: str
    """The first file it would download."""
    archives: dict[Part, tuple[str, ...]]
    """Files below the root from which it can unpack a part without a network."""
    unpacked: tuple[str, ...] = ()
    """The folder that it unpacks them to."""


@cache
def _public(name: str) -> _Public:
    from torchvision import datasets as tv

    if name == "svhn":
        return _Public(
            lambda root, part, get: tv.SVHN(root, split=part, download=get),
            tv.SVHN.split_list["train"][0],
            {part: (tv.SVHN.split_list[part][1],) for part in ("train", "test")},
        )
    if name == "fashion-mnist":
        return _Public(
            _open_fashion_mnist,
            tv.FashionMNIST.mirrors[0] + tv.FashionMNIST.resources[0][0],
            {"train": (), "test": ()},  # which are read unchanged
        )
    cifar = {"cifar10": tv.CIFAR10, "cifar100": tv.CIFAR100}[name]
    return _Public(
        lambda root, part, get: cifar(root, train=part == "train", download=get),
        cifar.url,
        {"train": (cifar.filename,), "test": (cifar.filename,)},
        (cifar.base_folder,),
    )


def read_public(
    source: DataSource, part: Part, like: ImageFormat | None, progress: Progress
) -> ImageSet:
    """Read a part of one of torchvision's sets, from disk if it is there, else from the network.

    Raises:
        InputError: If it is neither on disk nor to be had, within 15 s, with the ways out.
    """
    progress(f"reading {source.dataset}", 0, 1)
    found = _open(source, part)
    images, labels = _arrays(found)
    progress(f"reading {source.dataset}", 1, 1)
    return ImageSet(
        torch.from_numpy(np.array(fit(images, source.view))),
        torch.as_tensor(labels, dtype=torch.int64),
        tuple(map(str, getattr(found, "classes", range(10)))),
    )


def check_svhn_test(source: DataSource, classes: tuple[str, ...]) -> None:
    """Check that the test part of SVHN, a download of its own, will be there."""
    from torchvision.datasets import SVHN
    from torchvision.datasets.utils import check_integrity

    url, name, digest = SVHN.split_list["test"]
    if not check_integrity(source.root / name, digest) and not _answers(url):
        raise _unavailable(source, "test", "no network")


def check_fashion_mnist_test(source: DataSource, classes: tuple[str, ...]) -> None:
    """Check that the test part of Fashion-MNIST, which has files of its own, will be there.

    Its files are compared with their digests, and no image is looked at.
    """
    try:
        _open_fashion_mnist(str(source.root), "test", False)
    except FileNotFoundError:
        if not _answers(_public(source.dataset).url):
            raise _unavailable(source, "test", "no network") from None


def _arrays(found: Any) -> tuple[Any, Any]:
    """Images as uint8 [n, h, w, c] and labels, whichever way torchvision keeps them."""
    images = found.data.numpy() if isinstance(found.data, torch.Tensor) else found.data
    labels = found.targets if hasattr(found, "targets") else found.labels
    if images.ndim == 3:
        return images[..., None], labels
    return (images.transpose(0, 2, 3, 1) if images.shape[1] == 3 else images), labels


def _open(source: DataSource, part: Part) -> Any:
    public = _public(source.dataset)
    root = str(source.root)
    with _quietly():
        # torchvision says "not there" and "damaged" in many ways; downloading mends either
        try:
            return public.make(root, part, False)
        except InputError:
            raise
        except Exception:  # noqa: S110
            pass
        packed = public.archives[part]
        archived = bool(packed) and all((source.root / name).is_file() for name in packed)
        if not archived and not _answers(public.url):
            raise _unavailable(source, part, "no network")
        try:
            return public.make(root, part, True)
        except InputError:
            raise
        except Exception as error:  # damaged files make torchvision raise nearly anything
            reason = f"download failed: {first_line(error)}"
            raise _unavailable(source, part, reason) from None


def _unavailable(source: DataSource, part: Part, reason: str) -> InputError:
    what = source.dataset if part == "train" else f"the test part of {source.dataset}"
    return InputError(
        f"{what} is not in {source.root} and can't be downloaded ({reason}): looked for "
        f"{_looked_for(source, part)}; put it there, give the folder that it is in with "
        "--data-dir, use your own images with --dataset folder --data-dir DIR, or use the "
        "embedded --dataset digits"
    )


def _looked_for(source: DataSource, part: Part) -> str:
    """Name the places where a part is looked for, and what is there and damaged."""
    if source.dataset == "fashion-mnist":
        names = " and ".join(file.name for file in _FILES[part])
        folders = " or ".join(printable(source.root / folder) for folder in _FOLDERS)
        return f"{names} (with .gz or without) in {folders}"
    public = _public(source.dataset)
    places = [source.root / name for name in (*public.unpacked, *public.archives[part])]
    damaged = " (there, but not whole as published)"
    return " and ".join(f"{printable(path)}{damaged * path.exists()}" for path in places)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Send what torchvision prints to stderr, and let no connection hang."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(ANSWER_WITHIN)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _answers(url: str) -> bool:
    """Return whether the server answers in time: name look-ups have no timeout of their own."""
    answered = threading.Event()

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD", headers=BROWSER)  # noqa: S310
        try:
            urllib.request.urlopen(request, timeout=ANSWER_WITHIN).close()  # noqa: S310
        except urllib.error.HTTPError:
            pass  # an answer, if an unfriendly one: let the download say what is wrong
        except (OSError, ValueError):
            return
        answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_WITHIN + 2)
    return answered.is_set()


_FOLDERS = ("", "FashionMNIST/raw")
"""Where the files may be: in the folder itself, or where torchvision downloads them to."""


@dataclass(frozen=True)
class _File:
    """One of the four files, unpacked."""

    name: str
    digest: str
    """The SHA-256 of its content."""
    shape: tuple[int, ...]


_FILES: Mapping[Part, tuple[_File, _File]] = {
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


def _open_fashion_mnist(root: str, part: Part, download: bool) -> Any:
    """Return a part as torchvision's classes have it; raise `FileNotFoundError` without a file."""
    from torchvision.datasets import FashionMNIST

    if download:
        FashionMNIST(root, download=True)
    images, labels = (_read(file, Path(root)) for file in _FILES[part])
    return SimpleNamespace(data=images, targets=labels, classes=FashionMNIST.classes)


def _read(file: _File, root: Path) -> Any:
    """Read the values of a file from the first place where it is what was published."""
    places = (root / folder / (file.name + end) for folder in _FOLDERS for end in ("", ".gz"))
    there = [path for path in places if path.is_file()]
    header = 4 * (1 + len(file.shape))  # a magic number, and one number for each dimension
    for path in there:
        content = _content(path, header + math.prod(file.shape))
        if hashlib.sha256(content).hexdigest() == file.digest:
            values = np.frombuffer(content, np.uint8, offset=header)
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


def read_digits(
    source: DataSource, part: Part, like: ImageFormat | None, progress: Progress
) -> ImageSet:
    """Read a part of scikit-learn's digits (the UCI optical digits' test set).

    The set comes without a test part, so one is set aside by content.
    """
    from sklearn.datasets import load_digits  # a second to import

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    arrays = {"train.images": images, "train.labels": digits.target.astype(np.int64)}
    return part_of(source, part, tuple(map(str, digits.target_names)), arrays)

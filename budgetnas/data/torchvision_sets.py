"""The public data sets, downloaded, verified and found again by torchvision.

CIFAR's own files are pickles, which could run anything when read. torchvision reads one only after
its MD5 proved to be the published one, so that what somebody else put there is never unpickled.
"""

import contextlib
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision import datasets as tv
from torchvision.datasets.utils import check_integrity

from budgetnas.data.datasets import DataSource, Part, Progress
from budgetnas.data.fashion_mnist import FILES, FOLDERS, open_fashion_mnist
from budgetnas.data.images import ImageSet
from budgetnas.data.resize import fit
from budgetnas.errors import InputError
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
    unpacked: str | None = None
    """The folder that it unpacks them to."""

    def places(self, root: Path, part: Part) -> list[Path]:
        """List where a part is looked for."""
        names = [*([self.unpacked] if self.unpacked else []), *self.archives[part]]
        return [root / name for name in names]


_PUBLIC: dict[str, _Public] = {
    "cifar10": _Public(
        lambda root, part, get: tv.CIFAR10(root, train=part == "train", download=get),
        tv.CIFAR10.url,
        {"train": (tv.CIFAR10.filename,), "test": (tv.CIFAR10.filename,)},
        tv.CIFAR10.base_folder,
    ),
    "cifar100": _Public(
        lambda root, part, get: tv.CIFAR100(root, train=part == "train", download=get),
        tv.CIFAR100.url,
        {"train": (tv.CIFAR100.filename,), "test": (tv.CIFAR100.filename,)},
        tv.CIFAR100.base_folder,
    ),
    "svhn": _Public(
        lambda root, part, get: tv.SVHN(root, split=part, download=get),
        tv.SVHN.split_list["train"][0],
        {part: (tv.SVHN.split_list[part][1],) for part in ("train", "test")},
    ),
    "fashion-mnist": _Public(
        open_fashion_mnist,
        tv.FashionMNIST.mirrors[0] + tv.FashionMNIST.resources[0][0],
        {"train": (), "test": ()},  # which are read as they are
    ),
}  # fmt: skip


def read(source: DataSource, part: Part, progress: Progress) -> ImageSet:
    """Read a part, from disk if it is there, else from the network.

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


def check_svhn_test(source: DataSource) -> None:
    """See that the test part of SVHN, a download of its own, will be there; open no image.

    Raises:
        InputError: If it is neither on disk, whole, nor to be had.
    """
    url, name, digest = tv.SVHN.split_list["test"]
    if not check_integrity(source.root / name, digest) and not _answers(url):
        raise _unavailable(source, "test", "no network")


def check_fashion_mnist_test(source: DataSource) -> None:
    """See that the test part of Fashion-MNIST, which has files of its own, will be there.

    Its files are compared with their digests, and no image is looked at.

    Raises:
        InputError: If it is neither on disk, as published, nor to be had.
    """
    try:
        open_fashion_mnist(str(source.root), "test", False)
    except FileNotFoundError:
        if not _answers(_PUBLIC[source.dataset].url):
            raise _unavailable(source, "test", "no network") from None


def _arrays(found: Any) -> tuple[Any, Any]:
    """Images as uint8 [n, h, w, c] and labels, whichever way torchvision keeps them."""
    images = found.data.numpy() if isinstance(found.data, torch.Tensor) else found.data
    labels = found.targets if hasattr(found, "targets") else found.labels
    if images.ndim == 3:
        return images[..., None], labels
    return (images.transpose(0, 2, 3, 1) if images.shape[1] == 3 else images), labels


def _open(source: DataSource, part: Part) -> Any:
    public = _PUBLIC[source.dataset]
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
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise _unavailable(source, part, f"download failed: {reason}") from None


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
        names = " and ".join(file.name for file in FILES[part])
        folders = " or ".join(printable(source.root / folder) for folder in FOLDERS)
        return f"{names} (with .gz or without) in {folders}"
    places = _PUBLIC[source.dataset].places(source.root, part)
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
    """Say whether the server answers in time; name look-ups, which have no timeout, included."""
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

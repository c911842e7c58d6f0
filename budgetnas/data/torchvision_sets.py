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
from typing import Any

import numpy as np
import torch
from torchvision import datasets as tv
from torchvision.datasets.utils import check_integrity

from budgetnas.data.datasets import DataSource, Part, Progress
from budgetnas.data.images import ImageSet
from budgetnas.data.resize import fit
from budgetnas.errors import InputError

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


_FASHION = tuple(f"FashionMNIST/raw/{name}" for name, _ in tv.FashionMNIST.resources)
_PUBLIC: dict[str, _Public] = {
    "cifar10": _Public(
        lambda root, part, get: tv.CIFAR10(root, train=part == "train", download=get),
        tv.CIFAR10.url,
        {"train": (tv.CIFAR10.filename,), "test": (tv.CIFAR10.filename,)},
    ),
    "cifar100": _Public(
        lambda root, part, get: tv.CIFAR100(root, train=part == "train", download=get),
        tv.CIFAR100.url,
        {"train": (tv.CIFAR100.filename,), "test": (tv.CIFAR100.filename,)},
    ),
    "svhn": _Public(
        lambda root, part, get: tv.SVHN(root, split=part, download=get),
        tv.SVHN.split_list["train"][0],
        {part: (tv.SVHN.split_list[part][1],) for part in ("train", "test")},
    ),
    "fashion-mnist": _Public(
        lambda root, part, get: tv.FashionMNIST(root, train=part == "train", download=get),
        tv.FashionMNIST.mirrors[0] + tv.FashionMNIST.resources[0][0],
        # torchvision unpacks all four files at once, whichever part is asked for
        {"train": _FASHION, "test": _FASHION},
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
        with contextlib.suppress(Exception):
            return public.make(root, part, False)
        archived = all((source.root / name).is_file() for name in public.archives[part])
        if not archived and not _answers(public.url):
            raise _unavailable(source, part, "no network")
        try:
            return public.make(root, part, True)
        except Exception as error:  # damaged files make torchvision raise nearly anything
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise _unavailable(source, part, f"download failed: {reason}") from None


def _unavailable(source: DataSource, part: Part, reason: str) -> InputError:
    what = source.dataset if part == "train" else f"the test part of {source.dataset}"
    return InputError(
        f"{what} is not in {source.root} and can't be downloaded ({reason}): give its "
        "folder with --data-dir, use your own images with --dataset folder --data-dir DIR, or "
        "use the embedded --dataset digits"
    )


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

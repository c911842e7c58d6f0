"""Images that several processes work on: in memory once, and on no disk once they have ended."""

import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from budgetnas.data.images import ImageSet


@dataclass(frozen=True)
class _Part:
    """Where a set is in the file."""

    labels: int
    images: int
    shape: tuple[int, ...]
    """Of its images."""
    classes: tuple[str, ...]


@dataclass(frozen=True)
class SharedImages:
    """Sets of images in an open file without a name, which processes inherit by its number."""

    descriptor: int
    parts: tuple[_Part, ...]

    def open(self) -> list[ImageSet]:
        """Map the file into this process's memory, which costs none of its own."""
        # what a process changes is its own; torch warns of memory that can't be written
        mapped = mmap.mmap(self.descriptor, 0, access=mmap.ACCESS_COPY)
        return [
            ImageSet(
                _tensor(mapped, torch.uint8, part.images, part.shape),
                _tensor(mapped, torch.int64, part.labels, part.shape[:1]),
                part.classes,
            )
            for part in self.parts
        ]


def _tensor(mapped: mmap.mmap, dtype: torch.dtype, at: int, shape: tuple[int, ...]) -> Tensor:
    count = torch.Size(shape).numel()
    return torch.frombuffer(mapped, dtype=dtype, count=count, offset=at).view(shape)


@contextmanager
def shared(*sets: ImageSet, folder: Path | None = None) -> Iterator[SharedImages]:
    """Write sets of images, on the CPU, to a file without a name: it goes with who has it open.

    Args:
        sets: None of them empty.
        folder: Where there is room for them; the system's place for such files by default.
    """
    parts = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for each in sets:
            # one after the other, the numbers of eight bytes first
            labels = file.tell()
            file.write(each.labels.contiguous().numpy().data)
            images = file.tell()
            file.write(each.images.contiguous().numpy().data)
            file.write(bytes(-file.tell() % 64))
            parts.append(_Part(labels, images, tuple(each.images.shape), each.classes))
        file.flush()
        yield SharedImages(file.fileno(), tuple(parts))

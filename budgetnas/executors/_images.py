"""Images that several processes work on: in memory once, and on no disk once they have ended."""

import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from budgetnas.data.images import ImageSet, packed_pixels


@dataclass(frozen=True)
class _Part:
    """Where a set is in the file."""

    labels: int
    pixels: int
    shape: tuple[int, ...]
    """Of its images."""
    classes: tuple[str, ...]


@dataclass(frozen=True)
class SharedImages:
    """Sets of images in an open file without a name, which processes inherit by its number."""

    descriptor: int
    parts: tuple[_Part, ...]

    def open(self) -> list[ImageSet]:
        """Map the file into this process's memory, which costs none of its own.

        The sets are packed: batches are gathered from what is mapped.
        """
        # what a process changes is its own; torch warns of memory that can't be written
        mapped = mmap.mmap(self.descriptor, 0, access=mmap.ACCESS_COPY)
        return [_opened(mapped, part) for part in self.parts]


def _opened(mapped: mmap.mmap, part: _Part) -> ImageSet:
    number, *_, channels = part.shape
    size = torch.Size(part.shape).numel() + 2 * channels
    labels = torch.frombuffer(mapped, dtype=torch.int64, count=number, offset=part.labels)
    pixels = torch.frombuffer(mapped, dtype=torch.uint8, count=size, offset=part.pixels)
    pixels = pixels.view(-1, channels)
    return ImageSet(pixels[1:-1].view(part.shape), labels, part.classes, pixels)


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
            pixels = file.tell()
            file.write(packed_pixels(each.images).numpy().data)
            file.write(bytes(-file.tell() % 64))
            parts.append(_Part(labels, pixels, tuple(each.images.shape), each.classes))
        file.flush()
        yield SharedImages(file.fileno(), tuple(parts))

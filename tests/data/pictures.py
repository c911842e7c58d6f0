"""A folder of images to test with: `images/train/<class>/*`, of noise."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from budgetnas.data import DataSource
from budgetnas.data.heldout import open_test
from budgetnas.data.images import ImageSet
from budgetnas.data.load import load_train
from budgetnas.data.splits import content_digest, is_set_aside
from budgetnas.data.view import Depth, ImageFormat


def noise(seed: int, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Image.Image:
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(values, mode=None)


def sided(n: int, aside: bool) -> list[Image.Image]:
    """Images all of which are set aside for the test, or none."""
    some = [noise(seed) for seed in range(20 * n)]
    return [i for i in some if is_set_aside(content_digest(np.asarray(i))) == aside][:n]


def save(image: Image.Image, path: str, **options: object) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)  # type: ignore[arg-type]


GO_ON = " (--skip-unreadable goes on without it)"
"""How it ends that one single file can't be read."""


def fill(part: str = "train", classes: str = "ab", n: int = 20, first: int = 0) -> None:
    for number in range(n):
        for name in classes:
            image = noise(first + 1000 * ord(name) + number)
            save(image, f"images/{part}/{name}/{number:03}.png")


def source(size: int = 8, root: str = "images", **how: Any) -> DataSource:
    return DataSource.choose("folder", root, size, **how)


def train(size: int = 8, root: str = "images", **how: Any) -> ImageSet:
    return load_train(source(size, root, **how))


def held_out(
    channels: int = 3, root: str = "images", depth: Depth | None = None, **how: Any
) -> ImageSet:
    like = ImageFormat(channels, depth)
    return open_test(source(root=root, **how), like, Path("log"), "a test", "a fingerprint")


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def png(
    width: int, height: int, pixels: bytes, *more: bytes, bits: int = 8, kind: int = 0
) -> bytes:
    """A PNG of any kind (0 grey, 2 colour, 4 grey and alpha, 6 colour and alpha)."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    end = chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + end


def deep_png(values: npt.NDArray[np.uint16], *more: bytes) -> bytes:
    """A PNG of 16 bits a channel, [h, w, 1 to 4], which Pillow does not write."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(width, height, rows, *more, bits=16, kind=[0, 4, 2, 6][channels - 1])


def deep_tiff(values: npt.NDArray[np.uint16], order: str) -> bytes:
    """An uncompressed TIFF of 16 bits a channel [h, w, 3], in either byte order (< or >)."""
    height, width, channels = values.shape
    pixels = values.astype(f"{order}u2").tobytes()
    many = 8 + len(pixels)
    tags = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, many), (259, 3, 1, 1),
        (262, 3, 1, 2), (273, 4, 1, 8), (277, 3, 1, channels), (278, 3, 1, height),
        (279, 4, 1, len(pixels)),
    ]  # fmt: skip
    start = {"<": b"II*\0", ">": b"MM\0*"}[order]
    head = start + struct.pack(f"{order}I", many + 2 * channels)
    body = pixels + struct.pack(f"{order}{channels}H", *[16] * channels)
    table = struct.pack(f"{order}H", len(tags))
    for tag, kind, count, value in tags:
        short = kind == 3 and count == 1
        table += struct.pack(
            f"{order}HHI" + ("HH" if short else "I"),
            tag,
            kind,
            count,
            *([value, 0] if short else [value]),
        )
    return head + body + table + bytes(4)


def contents(images: ImageSet) -> set[bytes]:
    return {image.numpy().tobytes() for image in images.images}

"""A folder of images to test with: `images/train/<class>/*`, of noise."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from budgetnas.data import DataSource, Depth, ImageFormat
from budgetnas.data._decode import content_digest, is_set_aside
from budgetnas.data.heldout import open_test
from budgetnas.data.images import ImageSet
from budgetnas.data.load import load_train


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


GO_ON = " (--skip-unreadable leaves it out)"
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


def deep_tiff(
    values: npt.NDArray[np.uint16], order: str, packed: bool = False, planar: bool = False
) -> bytes:
    """A TIFF of 16 bits a channel [h, w, 3], in either byte order (< or >)."""
    height, width, channels = values.shape
    layers = np.moveaxis(values, 2, 0) if planar else values[None]
    strips = [layer.astype(f"{order}u2").tobytes() for layer in layers]
    if packed:
        strips = [zlib.compress(strip) for strip in strips]
    starts = [8 + len(b"".join(strips[:n])) for n in range(len(strips))]
    many = 8 + len(b"".join(strips))  # where what does not fit into a tag is

    tail = b""

    def listed(kind: str, numbers: list[int]) -> tuple[int, bytes]:
        nonlocal tail
        content = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        if len(content) <= 4:
            return len(numbers), content.ljust(4, b"\0")
        tail += content
        return len(numbers), struct.pack(f"{order}I", many + len(tail) - len(content))

    tags = [
        (256, "H", [width]), (257, "H", [height]), (258, "H", [16] * channels),
        (259, "H", [8 if packed else 1]), (262, "H", [2]), (273, "I", starts),
        (277, "H", [channels]), (278, "H", [height]), (279, "I", list(map(len, strips))),
        (284, "H", [2 if planar else 1]),
    ]  # fmt: skip
    table = struct.pack(f"{order}H", len(tags))
    for tag, kind, numbers in tags:
        count, content = listed(kind, numbers)
        table += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[kind], count) + content
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", many + len(tail))
    return head + b"".join(strips) + tail + table + bytes(4)


def contents(images: ImageSet) -> set[bytes]:
    return {image.numpy().tobytes() for image in images.images}

"""A folder of images to test with: `images/train/<class>/*`, of noise."""

from pathlib import Path

import numpy as np
from PIL import Image

from budgetnas.data import DataSource
from budgetnas.data.heldout import open_test
from budgetnas.data.images import ImageSet
from budgetnas.data.load import load_train
from budgetnas.data.splits import content_digest, is_set_aside


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


def fill(part: str = "train", classes: str = "ab", n: int = 20, first: int = 0) -> None:
    for number in range(n):
        for name in classes:
            image = noise(first + 1000 * ord(name) + number)
            save(image, f"images/{part}/{name}/{number:03}.png")


def source(size: int = 8, root: str = "images") -> DataSource:
    return DataSource.choose("folder", root, size)


def train(size: int = 8, root: str = "images") -> ImageSet:
    return load_train(source(size, root))


def held_out(channels: int = 3, root: str = "images") -> ImageSet:
    return open_test(source(root=root), channels, Path("log"), "a test", "a fingerprint")


def contents(images: ImageSet) -> set[bytes]:
    return {image.numpy().tobytes() for image in images.images}

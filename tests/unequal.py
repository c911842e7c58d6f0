"""Pictures of unequal classes, as a folder of PNG files: 150, 10 and 10 digits."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

TRAIN = {"eight": 150, "nine": 10, "six": 10}
TEST = {"eight": 24, "nine": 10, "six": 10}
DIGITS = {"eight": 8, "nine": 9, "six": 6}


def make_folder(path: Path) -> Path:
    """Write `train` and `test`, of which no picture is in both."""
    loaded = load_digits()
    for name, digit in DIGITS.items():
        pictures = (loaded.images[loaded.target == digit] * 15).astype(np.uint8)
        parts = {"train": pictures[: TRAIN[name]], "test": pictures[TRAIN[name] :][: TEST[name]]}
        for part, chosen in parts.items():
            folder = path / part / name
            folder.mkdir(parents=True)
            for number, picture in enumerate(chosen):
                Image.fromarray(picture).save(folder / f"{number:03}.png")
    return path

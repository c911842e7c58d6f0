"""Measure how large batches of few images should be, and after how many steps networks rank.

    python studies/few_images.py batches --data-dir data/cifar10 [--seeds 3]
    python studies/few_images.py ranks --data-dir data/cifar10 [--networks 24]

trains small networks on 90, 300 and about 1,300 images of digits and of a folder of images, at
16 x 16 pixels, and validates on at most 1,000 others. Prints a line of JSON a training. What came
out is in studies/few-images/results; the constants that follow from it are in
budgetnas/recipe/_recipe.py and budgetnas/trials/_samplers.py.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from budgetnas.arch import Arch, Budget, count_macs
from budgetnas.data import DataSource
from budgetnas.data.images import ImageSet
from budgetnas.data.load import load_train
from budgetnas.recipe import RECIPES, Numerics, Recipe
from budgetnas.space import Fill, RandomSuggester, Space
from budgetnas.train import TrainingData
from budgetnas.trials import Limits, networks_of

SIZE, VAL = 16, 1_000
SETS = {"cifar3": (3, 1_000), "cifar10": (10, 300)}
"""Classes of the folder, and how many images of each are read."""
SMALL = (("cifar3", 90), ("digits", 90), ("cifar10", 300), ("digits", 300))
LARGE = (("cifar10", 1_300), ("digits", 1_290))
BATCHES = (8, 16, 32, 64, 128)
RANKED = (("digits", 1_290, 64), ("digits", 1_290, 128), ("cifar10", 1_300, 64),
          ("cifar10", 300, 16), ("cifar3", 90, 16))  # fmt: skip
LIMIT, MOST_MACS = Budget(limit=60_000), 6_000_000
NETWORKS = (
    {"block": "basic", "stages": [{"width": 16, "depth": 1}, {"width": 32, "depth": 1},
                                  {"width": 64, "depth": 1}]},
    {"block": "preact", "stages": [{"width": 16, "depth": 2}, {"width": 32, "depth": 2}]},
)  # fmt: skip


@lru_cache
def images_of(name: str, folder: Path) -> ImageSet:
    """Read digits, or some images of the first classes of a folder."""
    if name == "digits":
        return load_train(DataSource.choose("digits"))
    classes, each = SETS[name]
    names = sorted(path.name for path in (folder / "train").iterdir())[:classes]
    pixels, labels = [], []
    for label, of in enumerate(names):
        files = sorted((folder / "train" / of).iterdir())
        random.Random(0).shuffle(files)
        for path in files[:each]:
            with Image.open(path) as image:
                small = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BOX)
            pixels.append(np.asarray(small))
            labels.append(label)
    return ImageSet(torch.from_numpy(np.stack(pixels)), torch.tensor(labels), tuple(names))


def data_of(name: str, folder: Path, n: int, seed: int) -> TrainingData:
    """Take so many images to train on, equally of each class, and others to validate on."""
    every = images_of(name, folder)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(every), generator=generator)
    classes = [order[every.labels[order] == label] for label in range(len(every.classes))]
    each = n // len(classes)
    left = torch.cat([some[each:] for some in classes])
    val = left[torch.randperm(len(left), generator=generator)][:VAL]
    train = every.take(torch.cat([some[:each] for some in classes]))
    return TrainingData(train.packed(), every.take(val), Numerics(threads=1))


def trained(data: TrainingData, name: str, arch: Arch, recipe: Recipe, seed: int) -> list[float]:
    """Return the validation accuracy after each epoch."""
    mirror = name != "digits"
    how, _ = recipe.adapted(data.images.channels, mirror, data.images.size)
    epochs = data.train(arch, how, seed)
    return [epoch.val_accuracy for epoch in epochs if epoch.val_accuracy is not None]


def batches(folder: Path, seeds: int) -> Iterator[dict[str, object]]:
    """Train with every batch: a trial's training everywhere, the winner's on some."""
    for seed in range(seeds):
        for name, n in (*SMALL, *LARGE):
            data = data_of(name, folder, n, seed)
            facts = {"in_channels": data.images.channels, "num_classes": len(data.images.classes)}
            for place, network in enumerate(NETWORKS[: 1 if (name, n) in LARGE else 2]):
                arch = Arch.parse({"stem_width": 16, **facts, **network}, "network")
                for base, epochs in (("short", 9), ("full", 60 if n <= 300 else 30)):
                    if base == "full" and place:
                        continue
                    for batch in BATCHES:
                        recipe = RECIPES[base].changed(epochs=epochs, batch_size=batch)
                        accuracy = trained(data, name, arch, recipe, seed)[-1]
                        yield {
                            "set": name, "n": n, "network": place, "recipe": base,
                            "epochs": epochs, "batch": batch, "seed": seed, "accuracy": accuracy,
                        }  # fmt: skip


def ranks(folder: Path, networks: int) -> Iterator[dict[str, object]]:
    """Train different networks as trials are; keep every epoch of each."""
    for name, n, batch in RANKED:
        data = data_of(name, folder, n, 0)
        recipe = RECIPES["short"].changed(batch_size=batch)
        for seed, arch in enumerate(_drawn(data, networks)):
            curve = trained(data, name, arch, recipe, seed)
            yield {"set": name, "n": n, "batch": batch, "network": str(arch), "accuracy": curve}


def _drawn(data: TrainingData, networks: int) -> list[Arch]:
    """Draw different networks that fit the limit, none too slow for a CPU."""
    images, found = data.images, list[Arch]()
    limits = Limits((LIMIT,), images.size, images.channels, len(images.classes))
    for arch in networks_of(Fill(space=Space()), RandomSuggester(1), limits):
        quick = images.size <= 8 or count_macs(arch, images.size) <= MOST_MACS
        if quick and arch not in found and limits.fit(arch):
            found.append(arch)
        if len(found) == networks:
            break
    return found


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("batches", "ranks"))
    parser.add_argument("--data-dir", type=Path, required=True, help="a folder of images")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", type=int, default=24)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.what == "batches":
        rows = batches(asked.data_dir, asked.seeds)
    else:
        rows = ranks(asked.data_dir, asked.networks)
    for row in rows:
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

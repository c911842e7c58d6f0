"""Train a table of small networks, which samplers and calibrations can be compared on in seconds.

    python studies/small_networks.py --data-dir data/cifar10-half [--seeds 1] [--workers 2]

draws networks of the default space, as many from each of ten ranges of parameters (evenly spaced
by ratio from 8k to 220k), trains each of them as a trial of a search is trained, and keeps every
epoch. All are trained with one seed before any is with the next. Interrupted, the same call goes
on; with more seeds it adds to them.
"""

import argparse
import sys
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from program import read, train

from budgetnas.arch import Arch, Budget, count_params
from budgetnas.data import DataSource
from budgetnas.recipe import load_recipe
from budgetnas.space import Axis, Cell, Grid, RandomSuggester, Space

NAME = "small-networks/trained"
LEAST, MOST, RANGES, EACH = 8_000, 220_000, 10, 20
SIZE, IMAGES = 12, 2_000
EPOCHS, BATCH = 9, 64


def main() -> None:
    """Train what is still missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-dir", required=True, help="a folder of images")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    recipe = load_recipe("short").changed(epochs=EPOCHS, batch_size=BATCH)
    archs = list(spread(3, 10))
    names = [f"{number:03d}" for number in range(len(archs))]
    cells = tuple(
        Cell(values={"network": name}, arch=arch, recipe=recipe)
        for name, arch in zip(names, archs, strict=True)
    )
    axis = Axis(name="network", values=tuple(names))
    grid = Grid(axes=(axis,), cells=cells, seeds=asked.seeds)
    images = read(NAME, DataSource.choose("folder", asked.data_dir, SIZE), IMAGES)
    question = "How accurate is each of so many small networks?"
    done = train(NAME, images, recipe, grid, Budget(limit=MOST), question, asked.workers)
    sys.stdout.write(f"{done.trained} trained, {done.failed} failed\n")


def spread(in_channels: int, num_classes: int) -> Iterator[Arch]:
    """Draw different networks, `EACH` from every range of parameters, in random order."""
    step = (MOST / LEAST) ** (1 / RANGES)
    edges = [LEAST * step**place for place in range(RANGES + 1)]
    suggester, space = RandomSuggester(0), Space()
    missing, seen = [EACH] * RANGES, set[str]()
    while any(missing):
        arch = space.draw(suggester, in_channels, num_classes).arch
        place = bisect_right(edges, count_params(arch)) - 1
        if 0 <= place < RANGES and missing[place] and arch.digest() not in seen:
            missing[place] -= 1
            seen.add(arch.digest())
            yield arch


if __name__ == "__main__":
    Path("studies").mkdir(exist_ok=True)
    main()

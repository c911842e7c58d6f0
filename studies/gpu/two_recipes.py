"""The first paper's network by the recipe it was published with, and by `full`.

    PYTHONPATH=.:studies python studies/gpu/two_recipes.py --data-dir data/cifar10 --out two.json

Both are shortened to --epochs and trained in turns, seed by seed: accuracy on validation images
after the last epoch; the test part stays closed. At --seconds it stops at the next epoch, and the
table is of the trainings that are done; the same call goes on. With --smoke a small network on
digits.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

from gpu_search import Size, judge
from program import write_table

from budgetnas.report import read_report
from budgetnas.train import choose_device, hardware

COLUMNS = ("params", "macs", "n", "mean", "margin", "seconds")


def main() -> None:
    """Train what there is time for, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-dir", default="data/cifar10", help="images in class folders")
    parser.add_argument("--out", type=Path, required=True, help="the table, a JSON file")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=110.0)
    parser.add_argument("--smoke", action="store_true")
    asked = parser.parse_args()
    until = time.monotonic() + asked.seconds
    data = ["--dataset", "folder", "--data-dir", asked.data_dir]
    few: tuple[str, ...] = ()
    if asked.smoke:
        data, few = ["--dataset", "digits"], ("smoke",)
        asked.epochs, asked.seeds, asked.data_dir = 1, 1, None
    size = Size(tuple(data), "5M", 0, 0, 0, asked.seeds, asked.epochs, "two-recipes", few)
    done = judge(size, until)
    rows = table(size.judged)
    n = f"n in each row, of {asked.seeds} seeds of {asked.epochs} epochs; stopped: {done.stopped}"
    write_table(
        asked.out, rows, device=hardware(choose_device("auto")), seeds=range(asked.seeds), n=n
    )
    print(asked.out.read_text())


def table(study: str) -> list[dict[str, Any]]:
    """Return a row a recipe that a training of is done."""
    summary = read_report(study).summary.to_dict("records")
    return [
        {"what": row["axis: what"]} | {name: plain(row[name]) for name in COLUMNS}
        for row in summary
    ]


def plain(number: Any) -> float | None:
    """Return a number that JSON has; None for what is not known."""
    return None if number is None or math.isnan(number) else number


if __name__ == "__main__":
    main()

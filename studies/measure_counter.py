"""Measure how many three-stage architectures a core counts in a second, in one call.

python studies/measure_counter.py
"""

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from budgetnas.arch import Arch, Budget, Stage, count_macs, count_params
from budgetnas.trials import AT_ONCE, archs_at, loads

N, ROUNDS, SCALAR = 2_000_000, 5, 2_000


def main() -> None:
    """Count two million, five times, each way."""
    random = np.random.default_rng(0)
    stages = tuple(_stage(random) for _ in range(3))
    archs = Arch.model_construct(block="basic", stem_width=stages[0].width, stages=stages)
    one = Arch(
        block="basic", stem_width=64,
        stages=tuple(Stage(width=w, depth=4) for w in (64, 128, 256)),
    )  # fmt: skip
    limits = Budget.from_text("5M"), Budget.from_text("1G", "macs")
    each = median(_seconds(lambda: [count_params(one) for _ in range(SCALAR)]) / SCALAR
                  for _ in range(ROUNDS))  # fmt: skip
    for name, count in (
        ("params", lambda: _all(archs, count_params)),
        ("macs", lambda: _all(archs, count_macs)),
        ("params and macs, against two limits", lambda: loads(archs, None, limits, 32)),
    ):
        seconds = median(_seconds(count) for _ in range(ROUNDS)) / N
        sys.stdout.write(
            f"{name}: {1 / seconds / 1e6:.1f} million a second, {each / seconds:.0f} times as "
            f"many as one by one (params; CPU time, median of {ROUNDS} rounds of {N:,})\n"
        )


def _stage(random: np.random.Generator) -> Stage:
    arrays: dict[str, Any] = {
        "width": 8 * random.integers(1, 65, N),
        "depth": random.integers(1, 6, N),
        "shortcut_kernel": 2 * random.integers(0, 2, N) + 1,
    }
    return Stage.model_construct(**arrays)


def _all(archs: Arch, count: Callable[[Any], Any]) -> None:
    for start in range(0, N, AT_ONCE):
        count(archs_at(archs, slice(start, start + AT_ONCE)))


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()

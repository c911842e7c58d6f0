"""Measure what it costs that strided 1x1 convolutions skip pixels first, on a CPU.

    python studies/convolutions_cost.py

Prints rows of a table: training steps of modified-resnet-small, whose two strided shortcuts are
1x1, as it is built and with torch's own convolutions, in turns.
"""

import argparse
import time
from statistics import median, quantiles

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from budgetnas.arch import PRESETS
from budgetnas.model import StridedConv, build_model

BATCH, SIZE = 128, 32


def main() -> None:
    """Measure in both types."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20, help="steps of each, after 2 to warm up")
    parser.add_argument("--threads", type=int, default=1, help="of an operation")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    for dtype in ("float32", "bfloat16"):
        print(row(dtype, asked.rounds, asked.threads))


def row(dtype: str, rounds: int, threads: int) -> str:
    """Train in turns; describe the images a second of CPU time, and their ratio."""
    models = [made(own=own) for own in (True, False)]
    images = torch.randn(BATCH, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (BATCH,))
    times: list[list[float]] = [[], []]
    for number in range(rounds + 2):
        for which in (0, 1) if number % 2 else (1, 0):
            seconds = step(models[which], images, labels, dtype)
            if number > 1:
                times[which].append(seconds)
    own, built = (BATCH / median(taken) for taken in times)
    ratios = [a / b for a, b in zip(*times, strict=True)]
    low, middle, high = quantiles(ratios, n=4)
    spread = f"quartiles {low:.3f} to {high:.3f}, n = {rounds} steps of {BATCH} images"
    what = f"{dtype}, channels last, threads: {threads}"
    return f"| {what} | {own:,.0f} | {built:,.0f} | {middle:.3f}x ({spread}) |"


def made(*, own: bool) -> nn.Module:
    """Build the network; with torch's own convolutions if that is asked for."""
    model = build_model(PRESETS["modified-resnet-small"]).to(memory_format=torch.channels_last)
    for module in model.modules():
        if own and isinstance(module, StridedConv):
            module.__class__ = nn.Conv2d  # type: ignore[assignment]
    return model


def step(model: nn.Module, images: Tensor, labels: Tensor, dtype: str) -> float:
    """Return the CPU seconds of a step forward and backward: other programs don't count."""
    started = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
        logits = model(images)
    F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
    return time.process_time() - started


if __name__ == "__main__":
    main()

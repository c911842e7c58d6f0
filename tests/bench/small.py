"""The smallest benchmark that is one."""

import torch

from budgetnas.arch import Arch
from budgetnas.bench import Plan, Setup
from budgetnas.recipe import Numerics

TINY = {
    "block": "basic", "stem_width": 8, "in_channels": 1,
    "stages": [{"width": 8, "depth": 1}, {"width": 16, "depth": 1}],
}  # fmt: skip
CPU = torch.device("cpu")


def tiny_plan(
    *, images: int = 40, image_size: int = 8, batch: int = 16, runs: int = 2, workers: int = 0,
    channels: int = 1,
) -> Plan:  # fmt: skip
    """A plan for a tiny network, in plain arithmetic."""
    setup = Setup(batch, Numerics(), workers)
    return Plan(
        CPU, "tiny", Arch.parse(TINY | {"in_channels": channels}, "test"), images, image_size,
        runs, 0, {"usual": setup, "tuned": setup, "engine": setup},
    )  # fmt: skip

"""What the rows of `measure_gpu.py` have in common: where and on what they are measured."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from budgetnas.arch import PRESETS, Arch
from budgetnas.bench import Plan, make_plan
from budgetnas.data.images import ImageSet, Statistics
from budgetnas.recipe import Default, Recipe
from budgetnas.train import Epoch, initial_model, train

RESNET20 = PRESETS["resnet56"].changed(
    stages=tuple(stage.changed(depth=3) for stage in PRESETS["resnet56"].stages)
)


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    what: str
    target: str
    measured: str
    met: bool | None
    """None where nothing is asked, or nothing could be measured."""


@dataclass(frozen=True)
class Setting:
    """Where and on what it is measured."""

    smoke: bool
    data_dir: str
    device: torch.device
    engine_lr: float

    @property
    def on_gpu(self) -> bool:
        """Whether what only a GPU has can be measured."""
        return self.device.type == "cuda"

    def plan(self, arch: Arch, images: int, batch: int) -> Plan:
        """Plan a training on drawn pictures; if this is to be quick, of hardly any."""
        asked = {"batch": batch, "engine_batch": batch, "images": images, "runs": 5}
        if self.smoke:
            asked = {"batch": 16, "engine_batch": 16, "images": 64, "runs": 1, "image_size": 8}
        plan = make_plan(self.device, net="efficient-resnet", **asked)
        return replace(plan, arch=arch)


def trained(
    plan: Plan, images: ImageSet, recipe: Recipe | None = None, *, captured: bool = True
) -> Iterator[Epoch]:
    """Train with the engine as planned."""
    numerics = plan.setups["engine"].numerics
    numerics = numerics.changed(captured=captured and numerics.captured)
    model = initial_model(plan.arch, Default(), plan.seed)
    drawn = Statistics((0.5,) * images.channels, (0.29,) * images.channels)  # evenly, that is
    return train(
        model, images.to(plan.device), recipe or plan.recipe, numerics, plan.seed,
        statistics=drawn,
    )  # fmt: skip

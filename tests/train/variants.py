"""What a recipe can ask of a step, and trainings of it on a GPU, as they are and captured."""

from collections.abc import Iterator
from typing import Any

import torch

from budgetnas.arch import Arch
from budgetnas.data.images import ImageSet, measure_statistics
from budgetnas.recipe import Numerics, Recipe
from budgetnas.train import Epoch, State, initial_model, train

ARCH = Arch.parse(
    {"in_channels": 1, "block": "basic", "stem_width": 8, "dropout": 0.1,
     "se": {"where": "block", "reduction": 4},
     "stages": [{"width": 8, "depth": 1}, {"width": 16, "depth": 1}]}, "test",
)  # fmt: skip

VARIANTS: list[dict[str, Any]] = [
    {},
    {"lookahead": {"k": 2}},
    {"lookahead": {"k": 3, "phase": "efficient-resnets"}, "clip": {"name": "value"}},
    {"lookahead": {"k": 3, "evaluate": "fast"}, "average": {"every": 2, "horizon": 0.5}},
    {"average": {"every": 2, "horizon": 0.5}, "clip": {"name": "norm"}},
    {"average": {"every": 1}},
    {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.0, "decay_norm_and_bias": True}},
    {"optimizer": {"name": "sgd", "lr": 0.1, "nesterov": False}, "normalize": {"name": "none"}},
    {"optimizer": {"name": "adam", "lr": 0.01}},
    {"optimizer": {"name": "adamw", "lr": 0.01, "weight_decay": 0.1}},
    {"augment": [{"name": "flip", "alternate": True}, {"name": "crop"}, {"name": "cutout"}]},
    {"augment": [{"name": "rotate"}, {"name": "flip"}], "label_smoothing": 0.1},
    {"augment": [{"name": "trivial"}], "mix": {"name": "mixup"}},
    {"augment": [], "init": {"name": "kaiming_normal"}},
    {"mix": {"name": "cutmix"}, "lookahead": {"k": 2}, "clip": {"name": "norm"}},
    {"sharpness": {"last": 0.5}, "average": {"every": 2}},
    {"sharpness": {"last": 1.0, "adaptive": True}},
    {"schedule": {"name": "LinearLR", "per": "step"}},
    {"schedule": {"name": "StepLR", "step_size": 1}},
    {"schedule": {"name": "OneCycleLR", "max_lr": 0.1}},
    {"class_weights": "balanced", "label_smoothing": 0.1},
]
"""Every option of a recipe, alone or with others that concern the same weights."""

IMAGES, BATCH, EPOCHS = 87, 16, 5
"""Five whole batches and an odd one of 7 an epoch: 30 steps, so that each kind is replayed."""


def name_of(changes: dict[str, Any]) -> str:
    """Name a variant."""
    return "+".join(f"{option}-{value_of(value)}" for option, value in changes.items()) or "plain"


def value_of(value: Any) -> str:
    """Name what an option is set to."""
    if isinstance(value, dict):
        return ",".join(str(value.get("name", key)) for key in list(value)[:1])
    return str(len(value)) if isinstance(value, list) else str(value)


def recipe(**changes: Any) -> Recipe:
    """A recipe of a few steps."""
    data = {"epochs": EPOCHS, "batch_size": BATCH, "augment": [{"name": "crop"}], **changes}
    return Recipe.parse(data, "test")


def some(images: ImageSet) -> ImageSet:
    """The images that five steps and an odd one are made of."""
    return images.take(torch.arange(IMAGES))


def trained(
    images: ImageSet,
    how: Recipe,
    device: str = "cuda",
    *,
    captured: bool,
    dtype: str = "float32",
    **named: Any,
) -> Iterator[Epoch]:
    """Train from the same weights, epoch by epoch."""
    numerics = Numerics.model_validate({"dtype": dtype, "captured": captured})
    model = initial_model(ARCH, how.init, 0)
    statistics = measure_statistics(images.images)
    placed = images.to(torch.device(device))
    return train(model, placed, how, numerics, 0, statistics=statistics, **named)


def outcome(
    images: ImageSet, how: Recipe, device: str = "cuda", **named: Any
) -> tuple[list[float], State]:
    """What a training's epochs measured, and all that the next one would have gone on with."""
    losses, state = list[float](), State()
    for epoch in trained(images, how, device, **named):
        losses.append(epoch.train_loss)
        if epoch.number == how.epochs:
            state = epoch.state() | {f"kept.{n}": value for n, value in epoch.weights().items()}
    return losses, state

"""`Recipe`: everything about a training but the network and the data; by name; `Numerics`."""

import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from budgetnas.errors import InputError
from budgetnas.recipe._images import (
    Augmentation,
    Crop,
    Cutout,
    FixedStatistics,
    Flip,
    Mix,
    Normalization,
    Rotate,
    TrainingStatistics,
)
from budgetnas.recipe._optimizer import (
    SAM,
    SGD,
    Average,
    Clip,
    ClipValue,
    Default,
    Init,
    Lookahead,
    Optimizer,
)
from budgetnas.recipe._schedule import Cosine, CosineAnnealingLR, CyclicLR, Schedule
from budgetnas.spec import Maybe, Spec, overlay, printable, read_toml, shorten


class Numerics(Spec):
    """Chosen once, stored with the study or run, and reused on resume.

    The same seed gives the same weights, bit for bit, only under the same choices.
    """

    dtype: Literal["float32", "bfloat16"] = "float32"
    """What convolutions and the linear layer compute in; weights are always float32."""

    channels_last: bool = True
    """Memory layout of images and feature maps: channels innermost."""

    threads: Annotated[int, Field(ge=1, le=4096)] = 1
    """Threads of one operation on the CPU."""

    captured: bool = False
    """Replay steps as CUDA graphs, where the device is one."""

    compiled: bool = False
    """Train through torch.compile."""

    def describe(self) -> str:
        """Return it for people: `bfloat16, channels last, 2 threads`."""
        layout = "channels last" if self.channels_last else "contiguous"
        return f"{self.dtype}, {layout}, {threads_title(self.threads)}"


def threads_title(number: int) -> str:
    """Return the number of threads in words: `1 thread`, `2 threads`."""
    return f"{number} thread{'s' * (number != 1)}"


MAX_EPOCHS = 10_000
"""A schedule is tabulated before the run, a number for every step of it."""

Epochs = Annotated[int, Field(ge=1, le=MAX_EPOCHS)]
BatchSize = Annotated[int, Field(ge=2, le=1_000_000)]  # batch norm has no variance over one

ENOUGH_STEPS, SMALLEST_BATCH = 20, 16
"""A named recipe halves its batch until an epoch has N steps, but not below N images.

Measured with 90, 300 and 1,300 images: studies/few-images/results."""

FEW_STEPS = 100
"""A training of fewer steps gives a notice: chance still differs more than networks do."""

LeftOutUnset = Field(exclude_if=lambda value: value is None)
"""Of a field that came later: trainings without it keep the digests that they had before."""


class Recipe(Spec):
    """How to train. Valid from birth, without torch; the engine matches on its parts."""

    more_keys = ("base",)

    epochs: Epochs
    """Passes over the training images."""

    batch_size: BatchSize = 128
    """Images a step; capped at the number of training images."""

    optimizer: Optimizer = SGD(lr=0.1, weight_decay=5e-4)
    """The optimizer, with learning rate, momentum and weight decay."""

    schedule: Schedule = Cosine()
    """How the learning rate moves."""

    lookahead: Maybe[Lookahead] = None
    """Lookahead around the optimizer; "none": without."""

    average: Maybe[Average] = None
    """Averaged weights, evaluated and kept instead of the last ones; "none": without."""

    clip: Maybe[Clip] = None
    """Clipping of gradients, by norm or by value; "none": without."""

    sharpness: Annotated[Maybe[SAM], LeftOutUnset] = None
    """Sharpness-aware steps at the end of the run; "none": without."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each target that is spread evenly over the classes."""

    class_weights: Annotated[Maybe[Literal["balanced"]], LeftOutUnset] = None
    """"balanced": an image's loss is weighted by how rare its class is among the training images,
    so that each class counts alike; the mean weight of an image is 1. "none": all count alike."""

    init: Init = Default()
    """How weights begin."""

    augment: tuple[Augmentation, ...] = (Crop(), Flip())
    """What is done to training images, in this order, drawn anew for each image and epoch."""

    mix: Annotated[Maybe[Mix], LeftOutUnset] = None
    """Mixing of the images of a batch, and of their labels; "none": without."""

    normalize: Normalization = TrainingStatistics()
    """What is done to every image's values."""

    def canonical(self, images: int) -> Self:
        """Return a recipe with the same effect on N images; equal where the effects are."""
        return self.changed(batch_size=min(self.batch_size, max(images, 2)))

    def epoch_steps(self, images: int) -> int:
        """Count the steps of an epoch; a last image that would be alone is in the one before."""
        batch = min(self.batch_size, images)
        steps = math.ceil(images / batch)
        return steps - 1 if steps > 1 and images % batch == 1 else steps

    def few_steps(self, images: int) -> str | None:
        """Return a notice of the steps of a training on N images if they are few."""
        each = self.epoch_steps(images)
        if self.epochs * each >= FEW_STEPS:
            return None
        return (
            f"a training has {self.epochs * each} steps, {self.epochs} epochs of {each}: few to "
            "learn anything by; more --epochs, or a smaller batch_size in a recipe file, make more"
        )

    def for_timing(self, epochs: int, batch_size: int) -> Self:
        """Return a recipe whose steps take as long, and which does not diverge."""
        gentle = self.optimizer.changed(lr=1e-6)
        return self.changed(
            epochs=epochs, batch_size=batch_size, schedule=Cosine(), optimizer=gentle
        )

    def adapted(
        self, channels: int, mirror: bool, image_size: int, images: int | None = None
    ) -> tuple[Self, list[str]]:
        """Fit a named recipe to other images than it was written for.

        Args:
            channels: Channels of the images.
            mirror: Whether a mirrored image still shows its class (digits do not).
            image_size: Side of an image in pixels.
            images: How many are trained on; None where the batch stays as it is.

        Returns:
            The recipe, and a notice for each thing that had to change.
        """
        changes: dict[str, object] = {}
        notices = []
        augment = self.augment
        if not mirror and any(isinstance(step, Flip) for step in augment):
            augment = tuple(step for step in augment if not isinstance(step, Flip))
            notices.append("no flips: a mirrored image of this data set is another class")
        most = max(1, image_size // 8)  # 4 at 32, for which the papers wrote theirs
        if any(isinstance(step, Crop) and (step.padding or 0) > most for step in augment):
            augment = tuple(Crop() if isinstance(step, Crop) else step for step in augment)
            notices.append(f"crops padded by an eighth of the images' {image_size} pixels")
        changes["augment"] = augment
        fixed = self.normalize
        if isinstance(fixed, FixedStatistics) and len(fixed.mean) != channels:
            changes["normalize"] = TrainingStatistics()
            notices.append(
                f"normalised by the training part: the recipe's means are for "
                f"{len(fixed.mean)} channels, the images have {channels}"
            )
        batch = self._batch_for(images)
        if images is not None and batch != self.batch_size:
            changes["batch_size"] = batch
            notices.append(
                f"batches of {batch} instead of {self.batch_size}, so that {images:,} images make "
                f"{self.changed(batch_size=batch).epoch_steps(images)} steps an epoch"
            )
        return self.changed(**changes), notices

    def _batch_for(self, images: int | None) -> int:
        """Return the batch that lets so few images make enough steps of an epoch."""
        batch = self.batch_size
        while images is not None and batch * ENOUGH_STEPS > images and batch > SMALLEST_BATCH:
            batch = max(SMALLEST_BATCH, batch // 2)
        return batch


# add yours here
RECIPES: dict[str, Recipe] = {
    # For trials: ranks architectures in a few epochs, of which halving trains 1, 3 or all 9.
    "short": Recipe(
        epochs=9,
        optimizer=SGD(lr=0.1, weight_decay=5e-4),
        schedule=Cosine(warmup=0.2),
        lookahead=Lookahead(),
        augment=(Crop(), Flip()),
    ),
    # For the winner: regularised enough for a long training.
    "full": Recipe(
        epochs=200,
        optimizer=SGD(lr=0.1, weight_decay=5e-4),
        schedule=Cosine(warmup=0.05),
        lookahead=Lookahead(),
        label_smoothing=0.1,
        augment=(Crop(), Flip(), Cutout()),
    ),
    # The published program of Efficient ResNets: values clipped, where the text says norms.
    "efficient-resnets": Recipe(
        epochs=200,
        batch_size=128,
        optimizer=SGD(
            lr=0.1, momentum=0.9, nesterov=False, weight_decay=5e-4, decay_norm_and_bias=True
        ),
        schedule=CosineAnnealingLR(),
        lookahead=Lookahead(k=5, alpha=0.5, evaluate="fast", phase="efficient-resnets"),
        clip=ClipValue(limit=0.1),
        augment=(Crop(padding=4), Flip()),
        normalize=FixedStatistics(mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010)),
    ),
    # Modified ResNet. Batch size and the cycle's length are not published: the usual 128 and
    # torch's own 2,000 steps.
    "modified-resnet": Recipe(
        epochs=30,
        batch_size=128,
        optimizer=SGD(lr=0.01, momentum=0.9, nesterov=True),
        schedule=CyclicLR(base_lr=1e-6, max_lr=1e-2, cycle_momentum=False, per="step"),
        augment=(Rotate(degrees=5), Flip(), Crop(padding=2)),
    ),
}


def load_recipe(name: str) -> Recipe:
    """Look up a named recipe, or read a recipe file.

    A file is TOML: `base` names the recipe it starts from (`short`, if absent), every other key
    replaces a field.

    Raises:
        InputError: With every problem of the file on one line, or with the names that are known.
    """
    if name in RECIPES:
        return RECIPES[name]
    path = Path(name)
    if path.suffix != ".toml" and not os.path.isfile(path):  # noqa: PTH113  # Path raises
        known = ", ".join([*RECIPES, "or a recipe file (.toml)"])
        raise InputError(f"unknown recipe {shorten(name)}, known: {known}")
    return recipe_from(read_toml(path), printable(path))


def as_recipe(given: "Recipe | str | dict[str, Any]") -> Recipe:
    """Read a recipe in any form that Python functions take: as it is, by name or file, as a dict.

    Raises:
        InputError: As for a recipe file; a dict has the same keys.
    """
    if isinstance(given, dict):
        return recipe_from(given, "recipe")
    return load_recipe(given) if isinstance(given, str) else given


def recipe_from(table: dict[str, Any], source: str) -> Recipe:
    """Lay what a file (`source` in errors) says over the named recipe that it says is its `base`.

    Raises:
        InputError: With every problem of the file on one line.
    """
    given = dict(table)
    base = given.pop("base", "short")
    if not isinstance(base, str) or base not in RECIPES:
        raise InputError(
            f"{source}: base: unknown recipe {shorten(base)}, known: {', '.join(RECIPES)}"
        )
    return Recipe.parse(overlay(RECIPES[base].model_dump(), given), source)

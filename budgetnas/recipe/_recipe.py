"""`Recipe`: everything about a training but the network and the data."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field

from budgetnas.recipe._images import (
    Augmentation,
    Crop,
    FixedStatistics,
    Flip,
    Normalization,
    TrainingStatistics,
)
from budgetnas.recipe._init import Default, Init
from budgetnas.recipe._mix import Mix
from budgetnas.recipe._optimizer import SAM, SGD, Average, Clip, Lookahead, Optimizer
from budgetnas.recipe._schedule import Cosine, Schedule
from budgetnas.spec import Maybe, Spec

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

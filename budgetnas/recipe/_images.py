"""What happens to images on their way into the network: augmentation, mixing, normalisation."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from budgetnas.spec import Maybe, Spec

Pixels = Annotated[int, Field(ge=1, le=10_000)]


class Crop(Spec):
    """Pad with black, then cut the image's size at a random place."""

    name: Literal["crop"] = "crop"
    padding: Maybe[Pixels] = None
    """Pixels on each side; if absent, an eighth of the image's size (4 at 32)."""


class Flip(Spec):
    """Mirror left and right with probability one half."""

    name: Literal["flip"] = "flip"
    alternate: bool = False
    """Mirror an image in every second epoch instead; chance says in which it begins."""


class Rotate(Spec):
    """Turn about the centre, nearest pixel, black corners."""

    name: Literal["rotate"] = "rotate"
    degrees: Annotated[float, Field(gt=0, le=180)] = 5.0
    """The largest angle, either way."""


class Cutout(Spec):
    """Blank a square at a random place with the mean (DeVries and Taylor, 2017)."""

    name: Literal["cutout"] = "cutout"
    size: Maybe[Pixels] = None
    """The square's side in pixels; if absent, half the image's size (16 at 32)."""


class TrivialAugment(Spec):
    """One of 14 operations, of any strength (Mueller and Hutter, 2021, their "wide" space)."""

    name: Literal["trivial"] = "trivial"


# add yours here, and a case in budgetnas.train._augment.augment
Augmentation = Annotated[
    Crop | Flip | Rotate | Cutout | TrivialAugment, Field(discriminator="name")
]


class TrainingStatistics(Spec):
    """Subtract the training part's mean and divide by its standard deviation, per channel."""

    name: Literal["train"] = "train"


class FixedStatistics(Spec):
    """Subtract given means and divide by given deviations, per channel, of values in [0, 1]."""

    name: Literal["fixed"] = "fixed"
    mean: Annotated[tuple[float, ...], Field(min_length=1)]
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError(
                f"a mean and a std for each channel are needed, got {len(self.mean)} "
                f"and {len(self.std)}"
            )
        return self


class NoStatistics(Spec):
    """Values in [0, 1], not normalised."""

    name: Literal["none"] = "none"


Normalization = Annotated[
    TrainingStatistics | FixedStatistics | NoStatistics, Field(discriminator="name")
]


Concentration = Annotated[float, Field(ge=0.01, le=100)]


class Mixup(Spec):
    """Average two images, by a share from Beta(alpha, alpha) (Zhang et al., 2018)."""

    name: Literal["mixup"] = "mixup"
    alpha: Concentration = 0.2
    """Small: nearly always one image, hardly of the other; 1: all shares alike."""


class CutMix(Spec):
    """Paste a rectangle of another image over one (Yun et al., 2019)."""

    name: Literal["cutmix"] = "cutmix"
    alpha: Concentration = 1.0
    """The rectangle leaves a share from Beta(alpha, alpha) of the image, before the border
    cuts it."""
    probability: Annotated[float, Field(gt=0, le=1)] = 0.5
    """How many of the images are pasted over."""


# add yours here, and a case in budgetnas.train._augment.Mixer
Mix = Annotated[Mixup | CutMix, Field(discriminator="name")]

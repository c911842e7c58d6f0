"""Mixing of the images of a batch, each with another, and of their labels by the same share."""

from typing import Annotated, Literal

from pydantic import Field

from budgetnas.spec import Spec

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


# add yours here, and a case in budgetnas.train._mix.Mixer
Mix = Annotated[Mixup | CutMix, Field(discriminator="name")]

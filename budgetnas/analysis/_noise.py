"""How far accuracies of a study differ by chance: what races and reports judge by.

All configurations of a study are measured on the same validation images, and seed k of one has
the random choices of seed k of every other. `SEEDS_PART` and `IMAGES_PART` state the two parts of
the noise; their squares are added. What a seed changes of single images is in both, so the sum is
rather too large than too small.

- The seeds: s is pooled over the configurations that were trained with 2 seeds or more, and t has
  the sum of their n - 1 as its degrees of freedom. What seeds have in common can only make the
  true noise smaller.
- The images: d is of the shares of seeds that were correct, in [-1, 1] an image, 0 where both are
  equally often correct. The bound of p is exact for errors on different images, and an upper one
  for errors on the same, unless networks are correct where others are wrong. By balanced accuracy
  an image of class c counts images / (classes * images of c) times: so weighted, its mean is the
  balanced accuracy, and d is the standard deviation of what is weighted. Of a registered metric,
  which is no mean over images, b is 1.96 times the root of the two configurations' variances over
  samples of images from each one's confusion: an upper bound, too, for all see the same images.

Where several configurations are compared, a quantile nearer to 1 takes the place of 97.5 %. A
difference that is not above the noise is not shown, which is not to say that there is none: what
follows from it, and which of several wins, is in `budgetnas.analysis._winner`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

Floats: TypeAlias = NDArray[np.float64]

CONFIDENCE = 0.975
"""The quantile of an interval that holds 95 % of what chance does."""

SEEDS_PART = (
    "a = t · s · √(1/n + 1/n'), where s is the standard deviation of one training over seeds, "
    "pooled over all configurations, and t the 97.5 % quantile of Student's distribution"
)
IMAGES_PART = (
    "b = 1.96 · d / √images, where d is the standard deviation over the validation images of by "
    "how much more often the one was correct than the other (√(2 p (1 - p)), p the mean of the "
    "two accuracies, where it is not known which images each was correct about: an upper bound, "
    "for all see the same images)"
)
NOISE_FORMULA = f"√(a² + b²): from the seeds, {SEEDS_PART}; from the images, {IMAGES_PART}"
"""The noise of the difference of two means of n and n' seeds, in words."""


@dataclass(frozen=True)
class Measurement:
    """Measurements of one training."""

    accuracy: float
    """In [0, 1]."""
    correct: NDArray[np.bool_] | None = None
    """Which validation images were classified correctly, [images]; None if that is not known."""
    spread: float | None = None
    """The standard deviation that other images would give it, where it is no mean over images."""


@dataclass(frozen=True)
class Repeats:
    """Measurements of one configuration, one a seed."""

    accuracies: tuple[float, ...]
    """Of each, in [0, 1]."""
    correct: Floats | None = None
    """The share of them that was correct, by validation image: [images]; None if not known."""
    spread: float | None = None
    """As of a `Measurement`, of one training; None where it follows from what was correct."""

    @classmethod
    def of(cls, trainings: Iterable[Measurement]) -> Self:
        """Join trainings; which images were correct is known of all of them or of none."""
        several = list(trainings)
        known = [once.correct for once in several if once.correct is not None]
        whole = known and len(known) == len(several)
        share = np.asarray(known, dtype=np.float64).mean(axis=0) if whole else None
        spreads = [once.spread**2 for once in several if once.spread is not None]
        spread = math.sqrt(fmean(spreads)) if spreads else None
        return cls(tuple(once.accuracy for once in several), share, spread)

    @property
    def n(self) -> int:
        """How many."""
        return len(self.accuracies)

    @property
    def mean(self) -> float:
        """Their mean accuracy; NaN without any."""
        return fmean(self.accuracies) if self.accuracies else math.nan


@dataclass(frozen=True)
class Noise:
    """How far accuracies of a study differ by chance."""

    sd: float
    """Standard deviation of one training's accuracy over seeds, pooled; NaN if not known."""
    df: int
    """Its degrees of freedom; 0: nothing was repeated."""
    images: int
    """Images that accuracies are measured on."""
    counts: tuple[int, ...] = ()
    """How many of them each class has, where classes count alike; () where images do."""

    def of_mean(self, n: int) -> float:
        """Return the half-width of a mean's 95 % interval over seeds; NaN if not known."""
        return self._t(CONFIDENCE) * self.sd * math.sqrt(1 / n) if self.df else math.nan

    def between(self, one: Repeats, other: Repeats, quantile: float = CONFIDENCE) -> float:
        """Return how far the means of two configurations differ by chance; NaN without any.

        Args:
            one: What one measured.
            other: What the other measured.
            quantile: Of what chance does; nearer to 1 where several are compared.
        """
        if not one.n or not other.n:
            return math.nan
        return math.hypot(
            self.of_seeds(one.n, other.n, quantile), self.of_images(one, other, quantile)
        )

    def of_seeds(self, n: int, other: int, quantile: float) -> float:
        """Return the part of the seeds of a difference of two means of n and `other` seeds."""
        return self._t(quantile) * self.sd * math.sqrt(1 / n + 1 / other) if self.df else 0.0

    def of_images(self, one: Repeats, other: Repeats, quantile: float) -> float:
        """Return the part of the validation images of the difference of two means."""
        if one.spread is not None and other.spread is not None:
            return float(ndtri(quantile)) * math.hypot(one.spread, other.spread)
        weights = weights_of(self.counts) if self.counts else np.ones(1)
        if one.correct is not None and other.correct is not None:
            deviation = float(np.std(weights * (one.correct - other.correct)))
        else:
            p = (one.mean + other.mean) / 2
            deviation = math.sqrt(2 * p * (1 - p) * float(np.mean(weights**2)))
        return float(ndtri(quantile)) * deviation / math.sqrt(self.images)

    def _t(self, quantile: float) -> float:
        return float(stdtrit(self.df, quantile))


def weights_of(counts: Sequence[int]) -> Floats:
    """Weight images, listed class by class, so that classes count alike: [images], of mean 1.

    Args:
        counts: Images of each class.
    """
    occurring = np.array([count for count in counts if count])
    return np.repeat(occurring.sum() / (len(occurring) * occurring), occurring)


def pooled(groups: Iterable[Sequence[float]], images: int, counts: tuple[int, ...] = ()) -> Noise:
    """Pool what seeds change within configurations.

    Args:
        groups: The accuracies of each configuration, in [0, 1], one a seed.
        images: Images that they are measured on.
        counts: How many of them each class has, where classes count alike.
    """
    repeated = [group for group in groups if len(group) >= 2]
    df = sum(len(group) - 1 for group in repeated)
    squares = sum((len(group) - 1) * variance(group) for group in repeated)
    return Noise(
        sd=math.sqrt(squares / df) if df else math.nan, df=df, images=images, counts=counts
    )

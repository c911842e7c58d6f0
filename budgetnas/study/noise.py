"""How far accuracies of a study differ by chance: what races and reports judge by.

All configurations of a study are measured on the same validation images, and seed k of one has
the random choices of seed k of every other. What is taken for noise, of the difference between
the means of two configurations, has two parts:

- the seeds: t(q, df) * s * sqrt(1/n_a + 1/n_b), where s is the standard deviation of one
  training's accuracy, pooled over the configurations that were trained with 2 seeds or more, and
  df the sum of their n - 1. What seeds have in common can only make the true noise smaller.
- the images: z(q) * sqrt(2 p (1 - p) / images), with p the mean of the two. That would be right
  for errors on different images; on the same images it is an upper bound, unless networks are
  right where others are wrong.

They are independent, so that their squares add up. q is 0.975 for one comparison. A difference
that is not above the noise is a tie.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import variance

from scipy.special import ndtri, stdtrit

CONFIDENCE = 0.975
"""The quantile of an interval that holds 95 % of what chance does."""


@dataclass(frozen=True)
class Noise:
    """How far accuracies of a study differ by chance."""

    sd: float
    """Standard deviation of one training's accuracy over seeds, pooled; NaN if not known."""
    df: int
    """Its degrees of freedom; 0: nothing was repeated."""
    images: int
    """Images that accuracies are measured on."""

    def of_mean(self, n: int) -> float:
        """Return the half-width of a mean's 95 % interval over seeds; NaN if not known."""
        return self._t(CONFIDENCE) * self.sd * math.sqrt(1 / n) if self.df else math.nan

    def of_difference(
        self, a: float, n_a: int, b: float, n_b: int, quantile: float = CONFIDENCE
    ) -> float:
        """Return how far the means of two configurations differ by chance.

        Args:
            a: One's mean accuracy, in [0, 1].
            n_a: Its seeds.
            b: The other's mean.
            n_b: Its seeds.
            quantile: Of what chance does; nearer to 1 where several are compared.
        """
        seeds = self._t(quantile) * self.sd * math.sqrt(1 / n_a + 1 / n_b) if self.df else 0.0
        p = (a + b) / 2
        images = ndtri(quantile) * math.sqrt(2 * p * (1 - p) / self.images)
        return math.hypot(seeds, images)

    def _t(self, quantile: float) -> float:
        return float(stdtrit(self.df, quantile))


def pooled(groups: Iterable[Sequence[float]], images: int) -> Noise:
    """Pool what seeds change within configurations.

    Args:
        groups: The accuracies of each configuration, in [0, 1], one a seed.
        images: Images that they are measured on.
    """
    repeated = [group for group in groups if len(group) >= 2]
    df = sum(len(group) - 1 for group in repeated)
    squares = sum((len(group) - 1) * variance(group) for group in repeated)
    return Noise(sd=math.sqrt(squares / df) if df else math.nan, df=df, images=images)

"""Simulate how often the rule by which a finalist wins is wrong, before and after it was changed.

    python studies/winning_rule.py [--n 100] [--seed 0]

Five finalists, each smaller than the next; the largest is the best in truth, or as good as the
others. Images differ in how hard they are, and a fifth of them is as hard for one network as it is
for no other; a seed changes a network's accuracy by a normal number. Each simulation draws images,
networks and seeds anew. There is no race: all are trained with all seeds. Writes README.md to
studies/winning-rule/results.

- before: the smallest of those won that are below the best mean by no more than the noise of that
  difference.
- after: `budgetnas.analysis`, by the program's own function.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from budgetnas.analysis import Noise, Repeats, judge, pooled, winner
from budgetnas.space import MARGIN

RESULTS = Path("studies/winning-rule/results")
SDS, IMAGES, SEEDS = (0.1, 0.3, 1.0, 3.0), (500, 2_500, 5_000), (2, 3, 4, 5)
"""Standard deviations over seeds in points, validation images, seeds."""
TRUTHS: Mapping[str, Sequence[float]] = {
    "the margin apart": (1.0, 1.0, 1.0, 1.0, 0.0),
    "two points apart": (2.0, 2.0, 2.0, 2.0, 0.0),
    "further apart": (4.0, 3.0, 2.0, 1.5, 0.0),
    "equal": (0.0, 0.0, 0.0, 0.0, 0.0),
}
"""How far each network is below the largest in truth, in points, the smallest first."""
ACCURACY, SPREAD, OWN, POPULATION = 0.85, 0.6, 0.2, 200_000
"""Of the best network; of a beta distribution, how alike images are; the share of images that are
as hard for one network alone; images that samples are drawn from."""

Floats: TypeAlias = NDArray[np.float32]
Networks: TypeAlias = Mapping[int, Repeats]


@dataclass(frozen=True)
class Setting:
    """What a comparison of finalists is measured with."""

    sd: float
    """Standard deviation of one training over seeds, in points."""
    images: int
    """Validation images."""
    seeds: int
    """Of each network."""


@dataclass(frozen=True)
class Outcome:
    """Which network won, by its place: the smallest is 0."""

    before: int
    after: int
    wider: int
    """By the rule with twice the margin."""
    highest: int
    """The one of the best mean."""


@dataclass(frozen=True)
class Rates:
    """How often something happened, in [0, 1]."""

    before: float
    after: float
    wider: float
    chance: float
    """How often another than the largest had the best mean."""


class Simulation:
    """Draws comparisons."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        shapes = ACCURACY * SPREAD, (1 - ACCURACY) * SPREAD
        self._ease = self._rng.beta(*shapes, POPULATION).astype(np.float32)
        self._accuracy = float(self._ease.mean())

    def outcomes(self, setting: Setting, truth: Sequence[float], n: int) -> Iterator[Outcome]:
        """Draw comparisons, and say who won each."""
        for _ in range(n):
            networks = self._networks(setting, truth)
            noise = pooled((each.accuracies for each in networks.values()), setting.images)
            highest = max(networks, key=lambda each: networks[each].mean)
            yield Outcome(
                before(noise, networks, highest),
                after(noise, networks, MARGIN),
                after(noise, networks, 2 * MARGIN),
                highest,
            )

    def _networks(self, setting: Setting, truth: Sequence[float]) -> Networks:
        """Draw which images each training of each network is right about."""
        many, rng = (len(truth), setting.images), self._rng
        common = rng.choice(self._ease, setting.images)
        ease = np.where(rng.random(many) < OWN, rng.choice(self._ease, many), common)
        shifts = rng.normal(0, setting.sd, (len(truth), setting.seeds)) - np.array(truth)[:, None]
        return {place: self._trained(ease[place], shifts[place] / 100) for place in range(many[0])}

    def _trained(self, ease: Floats, shifts: NDArray[np.float64]) -> Repeats:
        """Train one network with every seed, of which each shifts its expected accuracy."""
        up = (1 - ease) / (1 - self._accuracy)
        down = ease / self._accuracy
        chance = [ease + shift * (up if shift > 0 else down) for shift in shifts]
        right = self._rng.random((len(shifts), len(ease)), dtype=np.float32) < chance
        accuracies = tuple(right.mean(axis=1).tolist())
        return Repeats(accuracies, right.mean(axis=0))


def before(noise: Noise, networks: Networks, highest: int) -> int:
    """Return who won by the rule that took what is within the noise for equal."""
    best = networks[highest]
    return min(
        place
        for place, each in networks.items()
        if place == highest or best.mean - each.mean <= noise.between(each, best)
    )


def after(noise: Noise, networks: Networks, margin: float) -> int:
    """Return who wins."""
    sizes = {place: (place,) for place in networks}
    return winner(judge(noise, networks, sizes, margin), networks, sizes)


def rates(outcomes: Sequence[Outcome], happened: Callable[[int, Outcome], bool]) -> Rates:
    """Count of how many comparisons something is true of the winner."""
    return Rates(
        before=fmean(happened(each.before, each) for each in outcomes),
        after=fmean(happened(each.after, each) for each in outcomes),
        wider=fmean(happened(each.wider, each) for each in outcomes),
        chance=fmean(each.highest != LARGEST for each in outcomes),
    )


LARGEST = len(TRUTHS["equal"]) - 1


def smaller_crowned(place: int, outcome: Outcome) -> bool:
    """Return whether one won for its size although the best mean was another's."""
    return place != outcome.highest and place != LARGEST


def best_lost(place: int, outcome: Outcome) -> bool:
    """Return whether the best network did not win."""
    return place != LARGEST


def smallest_won(place: int, outcome: Outcome) -> bool:
    """Return whether the smallest won."""
    return place == 0


QUESTIONS = {
    "the margin apart": smaller_crowned,
    "two points apart": smaller_crowned,
    "further apart": best_lost,
    "equal": smallest_won,
}


def simulate(n: int, seed: int) -> dict[Setting, dict[str, Rates]]:
    """Answer every question in every setting."""
    simulation = Simulation(seed)
    return {
        setting: {
            name: rates(list(simulation.outcomes(setting, TRUTHS[name], n)), question)
            for name, question in QUESTIONS.items()
        }
        for setting in (Setting(*each) for each in product(SDS, IMAGES, SEEDS))
    }


def lines(found: Mapping[Setting, Mapping[str, Rates]], n: int) -> list[str]:
    """Write the table, and what is true of all of it."""
    apart = [each["the margin apart"] for each in found.values()]
    worst = max(each.after for each in apart)
    was, now = fmean(each.before for each in apart), fmean(each.after for each in apart)
    wider = [each["two points apart"].wider for each in found.values()]
    mean = f"{was:.1%} before, {now:.2%} after"
    head = [
        f"A smaller one that is 1 point, the margin, below wins by the rule: {mean}, in the worst "
        f"setting {worst:.1%} (n = {n} each, {n * len(apart):,} in all; at most 5 % is stated). "
        f"Of 2 points and --margin 2: {fmean(wider):.2%}, in the worst setting {max(wider):.1%}.",
        "",
        "Five finalists; the images are such that the best network is right about 85 %, and two "
        "seeds of it differ in 10 %. Where all are equal, the smallest has the best mean in a "
        "fifth: what is above that, the rule has added. A point cannot be shown on 5,000 such "
        "images or fewer, two points (--margin 2) can.",
        "",
        "| sd, points | images | seeds | 1 point apart: a smaller one wins by the rule, before "
        "| after | 1.5 to 4 apart: the best loses, before | after | its mean was not the best "
        "| equal: the smallest wins, before | after | after, margin 2 "
        "| 2 points apart, margin 2: a smaller one wins by the rule |",
        "|" + "---:|" * 12,
    ]
    return head + [
        f"| {setting.sd:g} | {setting.images:,} | {setting.seeds} | "
        f"{_both(each['the margin apart'])} | {_both(each['further apart'])} | "
        f"{each['further apart'].chance:.1%} | {_both(each['equal'])} | "
        f"{each['equal'].wider:.1%} | {each['two points apart'].wider:.1%} |"
        for setting, each in found.items()
    ]


def _both(rates: Rates) -> str:
    return f"{rates.before:.1%} | {rates.after:.1%}"


def main() -> None:
    """Simulate, and write what came out."""
    from program import provenance

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--n", type=int, default=100, help="simulations of each setting and truth")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    origin = provenance("a CPU", asked.seed, f"n = {asked.n} of each")
    command = f"    python studies/winning_rule.py --n {asked.n} --seed {asked.seed}"
    text = ["# How often the rule by which a finalist wins is wrong", "", command, "", origin, ""]
    page = "\n".join([*text, *lines(simulate(asked.n, asked.seed), asked.n), ""])
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "README.md").write_text(page)
    sys.stdout.write(page)


if __name__ == "__main__":
    main()

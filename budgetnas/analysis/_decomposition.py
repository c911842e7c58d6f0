"""What the recipe, the architecture, the search and luck gave: from a comparison's trials."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy.special import ndtr

from budgetnas.analysis._noise import Noise, Repeats
from budgetnas.analysis._tables import (
    NETWORK,
    axis_column,
    measure_noise,
    measured_repeats,
    summary_table,
)
from budgetnas.space import Grid
from budgetnas.study import PUBLISHED, Compared, Luck, Part, StudyConfig
from budgetnas.study.trial_record import training_key

RECIPE = "recipe"
"""The axis of a comparison that chooses the recipe."""
WINNER, BEST_RANDOM = "winner", "best random"
FILLED = "efficient-resnet at the budget"
"""The baseline that shows what the recipe gives, and what the architecture."""


@dataclass(frozen=True)
class Decomposition:
    """Measurements of a comparison, and what follows from them."""

    rows: tuple[Compared, ...]
    parts: tuple[Part, ...]
    luck: Luck


def decompose(config: StudyConfig, table: pd.DataFrame, trials: int) -> Decomposition:
    """Sum up a comparison, as far as it is known.

    Mean accuracies, each of the same seeds on the same validation images:

    - recipe: the preset at the budget by the recipe, less the same by its published recipe;
    - architecture: the winner less the preset at the budget, by the same recipe;
    - search: the winner less the best of as many random networks, by the same recipe.

    Args:
        config: What defines the comparison.
        table: Its trials, from `trial_table`.
        trials: Completed trials of the search that the winner was chosen from.
    """
    grid = config.proposal
    assert isinstance(grid, Grid), "a comparison is a grid"
    noise = measure_noise(config, table)
    summary = summary_table(config, table)
    known = summary.astype(object).where(summary.notna(), None)
    rows = tuple(_compared(row, grid) for row in known.to_dict("records"))
    found = _Found(config, grid, rows, noise, measured_repeats(config, table))
    return Decomposition(rows, found.parts(), luck_of(noise, trials))


def _compared(row: dict[str, Any], grid: Grid) -> Compared:
    same = {"params", "macs", "n", "mean", "margin", "difference", "noise", "verdict", "seconds"}
    return Compared(
        network=row[axis_column(NETWORK)],
        arch=str(grid.cells[row["cell"]].arch),
        recipe=row[axis_column(RECIPE)],
        failures=row["failures"],
        **{name: row[name] for name in same},
    )


@dataclass(frozen=True)
class _Found:
    """The rows of a comparison, and what they are judged by."""

    config: StudyConfig
    grid: Grid
    rows: tuple[Compared, ...]
    noise: Noise
    repeats: Mapping[int, Repeats]
    """Measurements of each, by its index."""

    def parts(self) -> tuple[Part, ...]:
        """Subtract what is to be subtracted; what is not part of the comparison gave nothing."""
        recipe = self.rows[0].recipe
        pairs = {
            "recipe": ((FILLED, recipe), (FILLED, PUBLISHED)),
            "architecture": ((WINNER, recipe), (FILLED, recipe)),
            "search": ((WINNER, recipe), (BEST_RANDOM, recipe)),
        }
        indices = {(row.network, row.recipe): index for index, row in enumerate(self.rows)}
        return tuple(
            self._part(name, indices[this], indices[other])
            for name, (this, other) in pairs.items()
            if this in indices and other in indices
        )

    def _part(self, name: str, this: int, other: int) -> Part:
        a, b = self.rows[this], self.rows[other]
        by = name == "recipe"
        same, gain, noise = self._key(this) == self._key(other), None, None
        if a.mean is not None and b.mean is not None:
            gain = a.mean - b.mean
            noise = 0.0 if same else self.noise.between(self.repeats[this], self.repeats[other])
        return Part(
            name=name,
            this=f"{a.network} by {a.recipe}" if by else a.network,
            other=f"by its {b.recipe} recipe" if by else b.network,
            gain=gain,
            noise=noise,
            same=same,
        )

    def _key(self, index: int) -> str:
        cell = self.grid.cells[index]
        return training_key(cell.arch, cell.recipe, self.config.facts.train)


def luck_of(noise: Noise, trials: int) -> Luck:
    """Return what chance alone gives a search that takes the best of N trials.

    That is the standard deviation of one training over seeds times the expected maximum of N
    standard normal numbers, as if all networks were equal, and each trained as here.
    """
    known = noise.df > 0
    return Luck(
        sd=noise.sd if known else None,
        df=noise.df,
        trials=trials,
        gain=noise.sd * expected_maximum(trials) if known else None,
    )


def expected_maximum(n: int) -> float:
    """Return the expected maximum of n independent standard normal numbers.

    It is the integral of 1 - F(x)^n - F(-x)^n over x > 0, F their distribution function: of n = 1
    it is 0, of 2 it is 1 / sqrt(pi).
    """
    from scipy.integrate import quad  # takes a third of a second, which only this is worth

    found, _ = quad(lambda x: 1 - ndtr(x) ** n - ndtr(-x) ** n, 0, math.inf)
    return float(found)

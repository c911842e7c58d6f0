"""What a trial trains: a `Proposal` at work, on an Optuna study."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

import optuna
from optuna.samplers import BaseSampler

from budgetnas.arch import Arch
from budgetnas.recipe import Recipe
from budgetnas.searching.redraw import Redraw
from budgetnas.searching.samplers import SAMPLERS, Listed
from budgetnas.seeds import derive_seed
from budgetnas.space import Free, Grid, Overrides
from budgetnas.study.config import StudyConfig


@dataclass(frozen=True)
class Proposed:
    """What one trial is to train."""

    arch: Arch
    recipe: Recipe
    seed: int
    """For its initial weights, order, augmentation and dropout."""
    title: str
    """For people."""
    overrides: Overrides | None
    """The recipe fields that were drawn; None where the recipe is the question, not to be
    touched."""


class Proposer(Protocol):
    """Says what trials train."""

    size: int | None
    """How many trials there are in all; None where there is no end."""

    def sampler(self, number: int) -> BaseSampler:
        """Return the sampler for the trial of this number."""

    def propose(self, trial: optuna.Trial, study: optuna.Study, again: bool) -> Proposed:
        """Let a trial draw; `again` says that all it draws is in the storage already."""


class _Free:
    """Draws from a space without end."""

    size: int | None = None

    def __init__(self, config: StudyConfig, free: Free) -> None:
        self._config, self._free = config, free
        self._make: Callable[[int], BaseSampler] = SAMPLERS[free.sampler]

    def sampler(self, number: int) -> BaseSampler:
        """Reseed it by the number: a study that is continued proposes what it would have."""
        return self._make(derive_seed(self._config.seed, "sampler", number))

    def propose(self, trial: optuna.Trial, study: optuna.Study, again: bool) -> Proposed:
        """Draw an architecture, and recipe fields if any is open."""
        facts = self._config.facts
        suggester = trial if again else Redraw(trial, study)
        arch, drawn = self._free.space.draw(suggester, facts.channels, len(facts.classes))
        seed = derive_seed(self._config.seed, "trial", trial.number)
        return Proposed(arch, drawn.apply(self._config.recipe), seed, str(arch), drawn)


class _Grid:
    """Goes through configurations and seeds."""

    def __init__(self, config: StudyConfig, grid: Grid) -> None:
        self._config, self._grid = config, grid
        self.size: int | None = grid.size

    def sampler(self, number: int) -> BaseSampler:
        """A sampler that gives the trial its place in the grid."""
        return Listed(self._grid)

    def propose(self, trial: optuna.Trial, study: optuna.Study, again: bool) -> Proposed:
        """Take the trial's configuration; the seed is the same for all configurations."""
        cell, number = self._grid.draw(trial)
        seed = derive_seed(self._config.seed, "seed", number)
        return Proposed(cell.arch, cell.recipe, seed, f"{cell}, seed {number}", None)


def proposer(config: StudyConfig) -> Proposer:
    """Put the proposal of a study to work."""
    match config.proposal:
        case Free() as free:
            return _Free(config, free)
        case Grid() as grid:
            return _Grid(config, grid)
        case _:
            assert_never(config.proposal)

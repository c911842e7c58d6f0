"""What a trial trains: a `Proposal` at work, on an Optuna study."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

import optuna
from optuna.samplers import BaseSampler

from budgetnas.arch import Arch, Budget
from budgetnas.recipe import Recipe
from budgetnas.searching.drawing import draw_filled
from budgetnas.searching.first import first_networks, wanted
from budgetnas.searching.kin import SamplerAmongKin
from budgetnas.searching.redraw import Redraw
from budgetnas.searching.samplers import SAMPLERS, Listed, Wanted
from budgetnas.seeds import derive_seed
from budgetnas.space import Draw, Fill, Free, Grid, Overrides, Suggester
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
    preset: str = ""
    """The published network's name, where it is one."""


class Proposer(Protocol):
    """Says what trials train."""

    size: int | None
    """How many trials there are in all; None where there is no end."""

    def sampler(self, number: int) -> BaseSampler:
        """Return the sampler for the trial of this number."""

    def propose(self, trial: optuna.Trial, study: optuna.Study, again: bool) -> Proposed:
        """Let a trial draw; `again` says that all it draws is in the storage already."""


class _Drawn(ABC):
    """Draws from a space without end, after the published networks that fit."""

    size: int | None = None

    def __init__(self, config: StudyConfig, proposal: Free | Fill) -> None:
        self._config, self._space = config, proposal.space
        self._make: Callable[[int], BaseSampler] = SAMPLERS[proposal.sampler]
        self._first = first_networks(config, proposal) if proposal.presets else []

    def sampler(self, number: int) -> BaseSampler:
        """Reseed it by the number: a study that is continued proposes what it would have."""
        if number < len(self._first):
            return Wanted(wanted(self._first[number].arch, self._config))
        # of random networks beside a search: others than those that it drew at random itself
        variant = self._config.name.partition("/")[2]
        names = ("sampler", variant, number) if variant else ("sampler", number)
        return self._make(derive_seed(self._config.seed, *names))

    def propose(self, trial: optuna.Trial, study: optuna.Study, again: bool) -> Proposed:
        """Draw an architecture, and recipe fields if any is open."""
        arch, drawn = self._draw(trial if again else Redraw(trial, study), trial.number)
        seed = derive_seed(self._config.seed, "trial", trial.number)
        recipe = drawn.apply(self._config.recipe)
        if trial.number >= len(self._first):
            return Proposed(arch, recipe, seed, str(arch), drawn)
        # what was drawn for it is what comes nearest to it
        name, arch = self._first[trial.number]
        return Proposed(arch, recipe, seed, f"{name}: {arch}", drawn, name)

    @abstractmethod
    def _draw(self, trial: Suggester, number: int) -> Draw:
        """Draw what is not published."""


class _Free(_Drawn):
    """Draws whatever the space holds."""

    def _draw(self, trial: Suggester, number: int) -> Draw:
        facts = self._config.facts
        return self._space.draw(trial, facts.channels, len(facts.classes))


class _Fill(_Drawn):
    """Draws what fits; for several budgets, in turns."""

    def __init__(self, config: StudyConfig, fill: Fill) -> None:
        super().__init__(config, fill)
        self._fill = fill

    def sampler(self, number: int) -> BaseSampler:
        """Let it learn from the trials of the budget that it draws for."""
        sampler = super().sampler(number)
        if not self._config.smaller:
            return sampler
        return SamplerAmongKin(sampler, self._config, self._budget(number).limit)

    def _budget(self, number: int) -> Budget:
        return self._config.budgets[number % len(self._config.budgets)]

    def _draw(self, trial: Suggester, number: int) -> Draw:
        config, facts = self._config, self._config.facts
        limits = (self._budget(number), *config.limits)
        return draw_filled(
            self._fill, trial, limits, config.data.image_size, facts.channels, len(facts.classes)
        )


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
        case Fill() as fill:
            return _Fill(config, fill)
        case Grid() as grid:
            return _Grid(config, grid)
        case _:
            assert_never(config.proposal)

"""What a trial trains: a `Proposal` at work, on an Optuna study."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, assert_never

import optuna
from optuna.samplers import BaseSampler

from budgetnas.arch import Arch, Budget
from budgetnas.recipe import Recipe
from budgetnas.searching.drawing import draw_filled
from budgetnas.searching.enqueued import CheckedValues, EnqueuedWrongly
from budgetnas.searching.first import first_networks, wanted
from budgetnas.searching.per_budget import PerBudgetSampler
from budgetnas.searching.samplers import SAMPLERS, Listed, Wanted
from budgetnas.seeds import derive_seed
from budgetnas.space import Draw, Fill, Free, Grid, Overrides, Suggester
from budgetnas.study import StudyConfig
from budgetnas.study.trial_record import Turn


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

    def sampler(self, turn: Turn) -> BaseSampler:
        """Return the sampler for the trial of this turn."""

    def propose(self, trial: optuna.Trial, turn: Turn) -> Proposed:
        """Let a trial draw what it trains."""


@contextmanager
def _checked(suggester: Suggester, turn: Turn) -> Iterator[Suggester]:
    """Check the values that somebody enqueued, if this trial has any."""
    if turn.enqueued is None:
        yield suggester
        return
    checked = CheckedValues(suggester, turn.enqueued)
    yield checked
    checked.require_all_drawn()


class _Drawn(ABC):
    """Draws from a space without end, after the published networks that fit."""

    size: int | None = None

    def __init__(self, config: StudyConfig, proposal: Free | Fill) -> None:
        self._config, self._space = config, proposal.space
        self._make: Callable[[int], BaseSampler] = SAMPLERS[proposal.sampler]
        self._first = first_networks(config, proposal) if proposal.presets else []

    def sampler(self, turn: Turn) -> BaseSampler:
        """Reseed it by the turn: a study that is continued proposes what it would have."""
        if self._is_first(turn):
            return Wanted(wanted(self._first[turn.index].arch, self._config))
        # of random networks beside a search: others than those that it drew at random itself
        variant = self._config.name.partition("/")[2]
        # an enqueued trial leaves open what nobody chose, and takes no turn from another one
        names = (turn.index,) if turn.enqueued is None else ("enqueued", turn.number)
        names = (variant, *names) if variant else names
        sampler = self._make(derive_seed(self._config.seed, "sampler", *names))
        return PerBudgetSampler(sampler, self._config, self._limit(turn))

    def _is_first(self, turn: Turn) -> bool:
        """Return whether this turn is a published network's."""
        return turn.index < len(self._first) and turn.enqueued is None

    def propose(self, trial: optuna.Trial, turn: Turn) -> Proposed:
        """Draw an architecture, and recipe fields if any is open."""
        with _checked(trial, turn) as suggester:
            arch, drawn = self._draw(suggester, turn)
        seed = derive_seed(self._config.seed, "trial", trial.number)
        recipe = drawn.apply(self._config.recipe)
        if not self._is_first(turn):
            return Proposed(arch, recipe, seed, str(arch), drawn)
        # what was drawn for it is what comes nearest to it
        name, arch = self._first[turn.index]
        return Proposed(arch, recipe, seed, f"{name}: {arch}", drawn, name)

    def _limit(self, turn: Turn) -> int | None:
        """Return the limit of the budget whose trials this one learns from; None: of all."""
        return None

    @abstractmethod
    def _draw(self, trial: Suggester, turn: Turn) -> Draw:
        """Draw what is not published."""


class _Free(_Drawn):
    """Draws whatever the space holds."""

    def _draw(self, trial: Suggester, turn: Turn) -> Draw:
        facts = self._config.facts
        return self._space.draw(trial, facts.channels, len(facts.classes))


class _Fill(_Drawn):
    """Draws what fits; for several budgets, in turns."""

    def __init__(self, config: StudyConfig, fill: Fill) -> None:
        super().__init__(config, fill)
        self._fill = fill

    def _limit(self, turn: Turn) -> int | None:
        return self._budget(turn).limit if self._config.smaller else None

    def _budget(self, turn: Turn) -> Budget:
        return self._config.budgets[turn.index % len(self._config.budgets)]

    def _draw(self, trial: Suggester, turn: Turn) -> Draw:
        config, facts = self._config, self._config.facts
        limits = (self._budget(turn), *config.limits)
        return draw_filled(
            self._fill, trial, limits, config.data.image_size, facts.channels, len(facts.classes)
        )


class _Grid:
    """Goes through configurations and seeds."""

    def __init__(self, config: StudyConfig, grid: Grid) -> None:
        self._config, self._grid = config, grid
        self.size: int | None = grid.size

    def sampler(self, turn: Turn) -> BaseSampler:
        """A sampler that gives the trial its place in the grid."""
        return Listed(self._grid, turn.index)

    def propose(self, trial: optuna.Trial, turn: Turn) -> Proposed:
        """Take the trial's configuration; the seed is the same for all configurations."""
        if turn.enqueued is not None:
            raise EnqueuedWrongly(
                "a grid trains what its study file lists: it takes no enqueued values, "
                f"got {turn.enqueued}"
            )
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

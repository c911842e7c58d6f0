"""Where trials' networks come from: enqueued values, published networks, a study's proposal."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, assert_never

import optuna
from optuna.samplers import BaseSampler

from budgetnas.arch import COSTS, PRESETS, Arch, Budget, load
from budgetnas.errors import BudgetnasError
from budgetnas.recipe import Recipe
from budgetnas.seeds import derive_seed
from budgetnas.space import Draw, Fill, Free, Grid, Overrides, Space, Suggester
from budgetnas.study import StudyConfig
from budgetnas.study.trial_record import Turn
from budgetnas.trials._drawing import Limits, draw_filled
from budgetnas.trials._samplers import SAMPLERS, Listed, PerBudgetSampler, Wanted


class EnqueuedWrongly(BudgetnasError):
    """A trial can't have the values that were enqueued for it."""


class CheckedValues:
    """A suggester that refuses enqueued values which could not have been drawn.

    Optuna takes a number that is out of range, and takes no notice of a name that nobody draws.
    """

    def __init__(self, suggester: Suggester, enqueued: Mapping[str, Any]) -> None:
        """Check as values are drawn.

        Args:
            suggester: What draws, the enqueued values among others.
            enqueued: The values by name.
        """
        self._suggester, self._enqueued = suggester, enqueued
        self._drawn: list[str] = []

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Draw a whole number."""
        value = self._value(name, low)
        whole = isinstance(value, int) and not isinstance(value, bool)
        self._require(
            name,
            whole and low <= value <= high and (value - low) % step == 0,
            f"a whole number from {low} to {high}" + (f" in steps of {step}" if step > 1 else ""),
        )
        return self._suggester.suggest_int(name, low, high, step=step, log=log)

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Draw a number."""
        value = self._value(name, low)
        number = isinstance(value, int | float) and low <= value <= high
        self._require(name, number, f"a number from {low:g} to {high:g}")
        return self._suggester.suggest_float(name, low, high, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of the choices."""
        known = self._value(name, choices[0]) in choices
        self._require(name, known, f"one of {', '.join(map(str, choices))}")
        return self._suggester.suggest_categorical(name, choices)

    def require_all_drawn(self) -> None:
        """Raise for a name that was not drawn.

        Raises:
            EnqueuedWrongly: With the names that were.
        """
        for name, value in self._enqueued.items():
            if name not in self._drawn:
                raise EnqueuedWrongly(
                    f"enqueued value {name}={value!r}: unknown name, drawn: "
                    f"{', '.join(self._drawn)}"
                )

    def _value(self, name: str, default: object) -> Any:
        self._drawn.append(name)
        return self._enqueued.get(name, default)

    def _require(self, name: str, possible: bool, rule: str) -> None:
        if not possible:
            raise EnqueuedWrongly(
                f"enqueued value {name} must be {rule}, got {self._enqueued[name]!r}"
            )


class Known(NamedTuple):
    """A published network, for a study's images."""

    name: str
    arch: Arch


def first_networks(config: StudyConfig, proposal: Free | Fill) -> list[Known]:
    """List the presets that a study trains first, see `published`."""
    return published(proposal.space, Limits.of(config))


def published(space: Space, limits: Limits) -> list[Known]:
    """List the presets that fit all limits, the largest first.

    Of a space of the user's own, only those that are in it.
    """
    found = dict[str, Known]()
    for name, preset in PRESETS.items():
        arch = preset.adapted(limits.in_channels, limits.num_classes)
        if (space == Space() or space.holds(arch)) and limits.fit(arch):
            found.setdefault(arch.digest(), Known(name, arch))
    return sorted(found.values(), key=lambda known: limits.load(known.arch), reverse=True)


def wanted(arch: Arch, config: StudyConfig) -> dict[str, Any]:
    """Return which values a trial would have to draw for a network and the study's recipe."""
    widths = [stage.width for stage in arch.stages]
    budget = config.budget_for(COSTS[config.budget.cost](arch, config.data.image_size))
    drawn: dict[str, Any] = {
        "block": arch.block,
        "stages": len(arch.stages),
        "stem_width": arch.stem_width,
        "se": arch.se.where if arch.se else "none",
        "se_reduction": arch.se.reduction if arch.se else None,
        "norm": arch.norm,
        "dropout": arch.dropout,
        "fill": load((budget, *config.limits), arch, config.data.image_size),
    }
    for place, stage in enumerate(arch.stages, start=1):
        drawn |= {f"{name}_{place}": value for name, value in stage.model_dump().items()}
    for place, (before, width) in enumerate(pairwise(widths), start=2):
        drawn[f"ratio_{place}"] = width / before
    return drawn | _recipe_values(config.recipe)


def _recipe_values(recipe: Recipe) -> dict[str, Any]:
    """Say them for the fields of a recipe that a space may open."""
    optimizer, lookahead, clip = recipe.optimizer, recipe.lookahead, recipe.clip
    return {
        "lr": optimizer.lr,
        "momentum": optimizer.momentum,
        "weight_decay": optimizer.weight_decay,
        "batch_size": recipe.batch_size,
        "lookahead": lookahead is not None,
        "lookahead_k": lookahead.k if lookahead else None,
        "lookahead_alpha": lookahead.alpha if lookahead else None,
        "clip": clip.name if clip else "off",
        "clip_limit": clip.limit if clip else None,
    }


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
        limits = Limits.of(self._config).of_budget(self._budget(turn))
        return draw_filled(self._fill, trial, limits)


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

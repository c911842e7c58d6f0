"""Where trials' networks come from: enqueued values, published networks, a study's proposal."""

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias, assert_never

import optuna
from optuna.samplers import BaseSampler

from budgetnas.arch import COSTS, PRESETS, Arch, Budget, load
from budgetnas.errors import BudgetnasError, InputError, first_line
from budgetnas.recipe import Recipe
from budgetnas.seeds import derive_seed
from budgetnas.space import Fill, Free, Grid, Overrides, Space, Suggester
from budgetnas.study import StudyConfig
from budgetnas.study.options import INSTANCES
from budgetnas.study.storage import quiet_optuna
from budgetnas.study.trial_record import Turn
from budgetnas.trials._drawing import Limits, draw_from
from budgetnas.trials._samplers import PerBudgetSampler, listed, nearest, sampler_of


class EnqueuedWrongly(BudgetnasError):
    """A trial can't have the values that were enqueued for it."""


class CheckedValues:
    """A suggester that raises for enqueued values which could not have been drawn.

    Optuna takes a number that is out of range, and ignores a name that is never drawn.
    """

    def __init__(self, suggester: Suggester, enqueued: Mapping[str, Any]) -> None:
        """Check values when they are drawn by another suggester."""
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
    """Return the values that a trial draws for a network and the study's recipe, by name."""
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
    """The training of one trial."""

    arch: Arch
    recipe: Recipe
    seed: int
    """Of its initial weights, order, augmentation and dropout."""
    title: str
    """For people."""
    overrides: Overrides | None
    """The recipe fields that were drawn; None where the recipe must not change."""
    preset: str = ""
    """The published network's name, where it is one."""


@contextmanager
def _checked(suggester: Suggester, turn: Turn) -> Iterator[Suggester]:
    """Check the values that were enqueued for a trial, if any."""
    if turn.enqueued is None:
        yield suggester
        return
    checked = CheckedValues(suggester, turn.enqueued)
    yield checked
    checked.require_all_drawn()


class _Drawn:
    """Draws from a space without end, after the published networks that fit."""

    size: int | None = None
    """Number of trials; None: there is no end."""

    def __init__(self, config: StudyConfig, proposal: Free | Fill) -> None:
        self._config, self._proposal = config, proposal
        self._make = sampler_of(proposal.sampler, config.seed)
        self._first = published(proposal.space, Limits.of(config)) if proposal.presets else []

    def sampler(self, turn: Turn) -> BaseSampler:
        """Return a sampler seeded by the turn: a continued study proposes the same networks."""
        if self._is_first(turn):
            return nearest(wanted(self._first[turn.index].arch, self._config))
        # random networks beside a search differ from those that the search drew at random
        variant = self._config.name.partition("/")[2]
        # an enqueued trial draws what was left open, and takes no turn from another one
        names = (turn.index,) if turn.enqueued is None else ("enqueued", turn.number)
        names = (variant, *names) if variant else names
        sampler = self._make(derive_seed(self._config.seed, "sampler", *names))
        # several budgets are filled in turns; a sampler learns from the trials of one
        apart = self._config.smaller and isinstance(self._proposal, Fill)
        return PerBudgetSampler(sampler, self._config, self._budget(turn).limit if apart else None)

    def _is_first(self, turn: Turn) -> bool:
        return turn.index < len(self._first) and turn.enqueued is None

    def _budget(self, turn: Turn) -> Budget:
        return self._config.budgets[turn.index % len(self._config.budgets)]

    def propose(self, trial: optuna.Trial, turn: Turn) -> Proposed:
        """Draw an architecture, and recipe fields if any is open."""
        limits = Limits.of(self._config).of_budget(self._budget(turn))
        with _checked(trial, turn) as suggester:
            arch, drawn = draw_from(self._proposal, suggester, limits)
        seed = derive_seed(self._config.seed, "trial", trial.number)
        recipe = drawn.apply(self._config.recipe)
        if not self._is_first(turn):
            return Proposed(arch, recipe, seed, str(arch), drawn)
        # the trial has drawn the values nearest to it
        name, arch = self._first[turn.index]
        return Proposed(arch, recipe, seed, f"{name}: {arch}", drawn, name)


class _Grid:
    """Lists configurations and seeds."""

    def __init__(self, config: StudyConfig, grid: Grid) -> None:
        self._config, self._grid = config, grid
        self.size: int | None = grid.size

    def sampler(self, turn: Turn) -> BaseSampler:
        """Return a sampler of the turn's configuration and seed."""
        return listed(self._grid, turn.index)

    def propose(self, trial: optuna.Trial, turn: Turn) -> Proposed:
        """Return the trial's configuration; its seed is that of all configurations."""
        if turn.enqueued is not None:
            raise EnqueuedWrongly(
                "a grid trains what its study file lists: it takes no enqueued values, "
                f"got {turn.enqueued}"
            )
        cell, number = self._grid.draw(trial)
        seed = derive_seed(self._config.seed, "seed", number)
        return Proposed(cell.arch, cell.recipe, seed, f"{cell}, seed {number}", None)


Proposer: TypeAlias = _Drawn | _Grid
"""Chooses the trainings of trials."""


def proposer(config: StudyConfig) -> Proposer:
    """Return the proposer of a study's proposal."""
    match config.proposal:
        case Grid() as grid:
            return _Grid(config, grid)
        case Free() | Fill() as drawn:
            return _Drawn(config, drawn)
        case _:
            assert_never(config.proposal)


def require_usable(config: StudyConfig) -> None:
    """Try the sampler and the pruner that users gave, before a study is bound to them.

    Copies of them draw two trials of a study in memory, the second of which can learn from the
    first.

    Raises:
        InputError: With what they raise.
    """
    proposal = config.proposal
    sampler = None if isinstance(proposal, Grid) else INSTANCES.get(proposal.sampler)
    pruner = INSTANCES.get(config.pruner)
    if sampler is pruner is None:
        return
    option = ""
    try:
        with quiet_optuna(), warnings.catch_warnings(action="ignore"):
            sampler, pruner = copy.deepcopy((sampler, pruner))
            study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
            for _ in range(2):
                option = "--sampler"
                trial = study.ask()
                if not isinstance(proposal, Grid):
                    draw_from(proposal, trial, Limits.of(config))
                option = "--pruner"
                trial.report(0.5, step=1)
                trial.should_prune()
                option = "--sampler"
                study.tell(trial, 0.5)
    except Exception as error:
        words = config.pruner if option == "--pruner" else getattr(proposal, "sampler", "")
        raise InputError(
            f"{option}: {words} fails in a trial: {type(error).__name__}: {first_line(error)}"
        ) from error

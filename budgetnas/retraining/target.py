"""What to retrain: `best`, a trial's number, a preset, or an arch file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial

from budgetnas.analysis import chosen
from budgetnas.arch import COST_NAMES, Arch, Budget, find_arch
from budgetnas.errors import InputError
from budgetnas.recipe import Recipe
from budgetnas.space import Grid, Overrides, Proposal
from budgetnas.study.begun import BegunStudy
from budgetnas.study.drawn import drawn_by
from budgetnas.study.trials import excess_of


@dataclass(frozen=True)
class Target:
    """An architecture to retrain, and where it comes from."""

    arch: Arch
    """As described; images and classes may still differ."""
    trial: int | None = None
    """The trial's number."""
    overrides: Overrides = field(default_factory=Overrides)
    """Recipe fields that the trial had drawn."""
    recipe: Recipe | None = None
    """The whole recipe, where the trial's configuration says one."""
    rule: str | None = None
    """Of the best of a search: which it is, and by which rule."""


def is_of_a_study(target: str) -> bool:
    """Say whether a target can only be found in a study."""
    return target == "best" or (target.isascii() and target.isdecimal() and len(target) < 19)


def find_target(target: str, study: BegunStudy | None, storage: str | None) -> Target:
    """Find the architecture that the user means.

    Raises:
        InputError: With what is known where the target is not.
    """
    if is_of_a_study(target):
        assert study is not None, "a trial is looked up in a study"
        trial, rule = _find_trial(target, study, storage)
        return _from_trial(trial, study.config.proposal, rule)
    return Target(find_arch(target, also="best, a trial's number"))


def _find_trial(
    target: str, study: BegunStudy, storage: str | None
) -> tuple[FrozenTrial, str | None]:
    """Find a trial; of the best, say by which rule it is that."""
    trials = study.trials(storage)
    if target != "best":
        return _numbered(int(target), trials, study), None
    best = chosen(study, trials, storage, "to retrain")
    return best.trial, f"best: trial {best.trial.number}, {best.rule}"


def _numbered(number: int, trials: Sequence[FrozenTrial], study: BegunStudy) -> FrozenTrial:
    if not trials:
        raise InputError(f"study {study.name!r} has no trials yet, got {number}")
    trial = next((trial for trial in trials if trial.number == number), None)
    if trial is None and number < trials[-1].number:
        raise InputError(
            f"trial {number} of study {study.name!r} was added by another program and has no "
            "architecture"
        )
    if trial is None:
        raise InputError(f"study {study.name!r} has trials 0 to {trials[-1].number}, got {number}")
    if "arch" not in trial.user_attrs:
        raise InputError(f"trial {number} of study {study.name!r} has drawn no architecture yet")
    if over := exceeded(trial.user_attrs, study.config.all_limits):
        raise InputError(f"trial {number} of study {study.name!r} is {over}")
    return trial


def exceeded(attributes: Mapping[str, Any], limits: Sequence[Budget]) -> str:
    """Say which limits a trial exceeds, and by how much; nothing if none."""
    names = ["excess", *(excess_of(limit.cost) for limit in limits[1:])]
    words = [
        f"over the {'limit' if place else 'budget'} {limit} by {attributes[name]:,} "
        f"{COST_NAMES[limit.cost]}"
        for place, (limit, name) in enumerate(zip(limits, names, strict=True))
        if attributes.get(name, 0) > 0
    ]
    return " and ".join(words)


def _from_trial(trial: FrozenTrial, proposal: Proposal, rule: str | None) -> Target:
    drawn = drawn_by(trial)
    return Target(
        drawn.arch,
        trial=drawn.trial,
        overrides=drawn.overrides,
        recipe=proposal.cell_of(trial.params).recipe if isinstance(proposal, Grid) else None,
        rule=rule,
    )

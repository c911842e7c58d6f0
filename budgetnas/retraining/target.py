"""What to retrain: `best`, a trial's number, a preset, or an arch file."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial

from budgetnas.analysis import chosen
from budgetnas.arch import COST_NAMES, Arch, Budget, find_arch
from budgetnas.errors import InputError
from budgetnas.recipe import Recipe
from budgetnas.space import Grid, Overrides, Proposal
from budgetnas.study.begun import BegunStudy
from budgetnas.study.trial_record import TrialRecord


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
    """Return whether a target can only be found in a study."""
    return target == "best" or (target.isascii() and target.isdecimal() and len(target) < 19)


def find_target(target: str, study: BegunStudy | None, storage: str | None) -> Target:
    """Find the architecture that the user means.

    Raises:
        InputError: With what is known where the target is not.
    """
    if is_of_a_study(target):
        assert study is not None, "a trial is looked up in a study"
        record, rule = _find_trial(target, study, storage)
        return _from_trial(record, study.config.proposal, rule)
    return Target(find_arch(target, also="best, a trial's number"))


def _find_trial(
    target: str, study: BegunStudy, storage: str | None
) -> tuple[TrialRecord, str | None]:
    """Find a trial; of the best, say by which rule it is that."""
    trials = study.trials(storage)
    if target != "best":
        return _numbered(int(target), trials, study), None
    best = chosen(study, trials, storage, "to retrain")
    return best.trial, f"best: trial {best.trial.number}, {best.rule}"


def _numbered(number: int, trials: Sequence[FrozenTrial], study: BegunStudy) -> TrialRecord:
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
    record = TrialRecord(trial)
    if not record.is_drawn:
        raise InputError(f"trial {number} of study {study.name!r} has drawn no architecture yet")
    if over := _exceeded(record, study.config.all_limits):
        raise InputError(f"trial {number} of study {study.name!r} is {over}")
    return record


def _exceeded(record: TrialRecord, limits: Sequence[Budget]) -> str:
    """Return which limits a trial exceeds, and by how much; nothing if none."""
    words = [
        f"over the {'limit' if place else 'budget'} {limit} by {excess:,} {COST_NAMES[limit.cost]}"
        for place, limit in enumerate(limits)
        if (excess := record.excess(limit.cost if place else None)) > 0
    ]
    return " and ".join(words)


def _from_trial(record: TrialRecord, proposal: Proposal, rule: str | None) -> Target:
    return Target(
        record.arch,
        trial=record.number,
        overrides=record.overrides,
        recipe=proposal.cell_of(record.trial.params).recipe
        if isinstance(proposal, Grid)
        else None,
        rule=rule,
    )

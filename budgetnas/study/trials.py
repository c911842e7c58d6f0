"""What each trial's state means, and counting trials by it.

=============  ==================================================================  ===========
kind           in the storage                                                      counts to N
=============  ==================================================================  ===========
trained        COMPLETE, or PRUNED with attribute `epochs` >= 1                    yes
over budget    PRUNED with attribute `excess` > 0 (and an Optuna constraint > 0)   no
duplicate      PRUNED with attribute `duplicate_of`                                no
out of race    PRUNED with attribute `out_of_race`: after which round, by how much no
failed         FAIL, its reason in attribute `failure`                             no
foreign        ended, and has no attribute of ours: added through Optuna           no
open           RUNNING, or WAITING to be taken up again                            no
=============  ==================================================================  ===========
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from budgetnas.arch import COSTS, Arch
from budgetnas.errors import InputError
from budgetnas.space.grid import Grid


class Kind(StrEnum):
    """What became of a trial."""

    TRAINED = "trained"
    OVER_BUDGET = "over budget"
    DUPLICATE = "duplicate"
    OUT = "out of the race"
    FAILED = "failed"
    FOREIGN = "foreign"
    OPEN = "open"


OURS = ("arch", "params", "excess", "epochs", "duplicate_of", "out_of_race", "failure")
"""Attributes of which every trial that ended here has one."""


def is_foreign(trial: FrozenTrial) -> bool:
    """Return whether an ended trial was added to the study by another program."""
    return trial.state.is_finished() and not any(name in trial.user_attrs for name in OURS)


def is_enqueued(trial: FrozenTrial) -> bool:
    """Return whether somebody enqueued a trial with values of their choice."""
    return ENQUEUED in trial.system_attrs


ENQUEUED = "fixed_params"
"""Optuna's own attribute of a trial that was enqueued: its values."""


@dataclass(frozen=True)
class Turn:
    """Where a trial stands among those that its study proposes."""

    number: int
    """The trial's, in its storage."""
    index: int
    """How many trials the study has proposed before it: foreign and enqueued ones are none."""
    enqueued: Mapping[str, Any] | None
    """The values that somebody has chosen for it; None: the study proposes it."""


def turn_of(trials: Sequence[FrozenTrial], number: int) -> Turn:
    """Return where a trial stands, which what is added later does not change.

    Args:
        trials: All of the study's, by number.
        number: The trial's; that of the next one, if there is none of this number.
    """
    index = number - sum(is_foreign(t) or is_enqueued(t) for t in trials[:number])
    enqueued = trials[number].system_attrs.get(ENQUEUED) if number < len(trials) else None
    return Turn(number, index, enqueued)


def own_trials(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Leave out what other programs have added to a study."""
    return [trial for trial in trials if not is_foreign(trial)]


def kind_of(trial: FrozenTrial) -> Kind:
    """Say what became of a trial.

    Raises:
        InputError: If it is pruned and does not say why.
    """
    if is_foreign(trial):
        return Kind.FOREIGN
    match trial.state:
        case TrialState.COMPLETE:
            return Kind.TRAINED
        case TrialState.FAIL:
            return Kind.FAILED
        case TrialState.RUNNING | TrialState.WAITING:
            return Kind.OPEN
    attributes = trial.user_attrs
    if attributes.get("epochs", 0) >= 1:
        return Kind.TRAINED
    if is_over(attributes):
        return Kind.OVER_BUDGET
    if "duplicate_of" in attributes:
        return Kind.DUPLICATE
    if "out_of_race" in attributes:
        return Kind.OUT
    raise InputError(
        "a pruned trial must have epochs, excess, duplicate_of or out_of_race, "
        f"trial {trial.number} has none"
    )


def excess_of(cost: str) -> str:
    """Name the attribute that says how far a trial exceeds a limit beside the budget."""
    return f"excess {cost}"


def is_over(attributes: Mapping[str, Any]) -> bool:
    """Say whether a trial's attributes tell that it exceeds the budget or another limit."""
    names = ("excess", *map(excess_of, COSTS))
    return any(attributes.get(name, 0) > 0 for name in names)


def check_trials(trials: Sequence[FrozenTrial]) -> None:
    """See that the trials of a study are all there, and ours are whole.

    Raises:
        ValueError: If one is missing, or does not say what a trial of its kind says.
        InputError: If one is pruned and does not say why.
    """
    for place, trial in enumerate(trials):
        if trial.number != place:
            raise ValueError(f"trial {place} is missing")
        if is_foreign(trial):
            continue
        attributes, kind = trial.user_attrs, kind_of(trial)
        if "excess" in attributes or kind is Kind.TRAINED:  # written after all other costs
            Arch.from_json(attributes["arch"], f"trial {place}")
            for name in ("params", "macs", "excess"):
                if not isinstance(attributes[name], int):
                    raise ValueError(f"trial {place}: {name} must be a whole number")
        if kind is Kind.TRAINED and not attributes.get("epochs", 0) >= 1:
            raise ValueError(f"trial {place} was completed without an epoch")
        if trial.state is TrialState.COMPLETE and trial.value is None:
            raise ValueError(f"trial {place} was completed without a value")


@dataclass(frozen=True)
class Tally:
    """A study's trials, counted."""

    trained: int = 0
    """Trained trials, those stopped early among them."""
    pruned: int = 0
    """Trained trials that were stopped early."""
    over_budget: int = 0
    """Draws over the budget, never trained."""
    duplicates: int = 0
    """Draws of what had been drawn before, never trained again."""
    failed: int = 0
    """Trials that failed for a known reason."""
    epochs: int = 0
    """Epochs that the trained trials were trained."""


def tally(trials: Iterable[FrozenTrial]) -> Tally:
    """Count trials by kind."""
    listed = list(trials)
    kinds = [kind_of(trial) for trial in listed]
    pruned = sum(
        kind is Kind.TRAINED and trial.state is TrialState.PRUNED
        for kind, trial in zip(kinds, listed, strict=True)
    )
    return Tally(
        trained=kinds.count(Kind.TRAINED),
        pruned=pruned,
        over_budget=kinds.count(Kind.OVER_BUDGET),
        duplicates=kinds.count(Kind.DUPLICATE),
        failed=kinds.count(Kind.FAILED),
        epochs=sum(
            trial.user_attrs["epochs"]
            for kind, trial in zip(kinds, listed, strict=True)
            if kind is Kind.TRAINED
        ),
    )


def trainings_left(grid: Grid, trials: Iterable[FrozenTrial]) -> int:
    """Count the trainings of a grid that have not ended."""
    proposed = [t for t in trials if not (is_foreign(t) or is_enqueued(t))]
    return max(0, grid.size - sum(kind_of(trial) is not Kind.OPEN for trial in proposed))

"""What each trial's state means, and counting trials by it.

=============  ==================================================================  ===========
kind           in the storage                                                      counts to N
=============  ==================================================================  ===========
trained        COMPLETE, or PRUNED with attribute `epochs` >= 1                    yes
over budget    PRUNED with attribute `excess` > 0 (and an Optuna constraint > 0)   no
duplicate      PRUNED with attribute `duplicate_of`                                no
failed         FAIL, its reason in attribute `failure`                             no
open           RUNNING, or WAITING to be taken up again                            no
=============  ==================================================================  ===========
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from budgetnas.arch import Arch
from budgetnas.errors import InputError


class Kind(StrEnum):
    """What became of a trial."""

    TRAINED = "trained"
    OVER_BUDGET = "over budget"
    DUPLICATE = "duplicate"
    FAILED = "failed"
    OPEN = "open"


def kind_of(trial: FrozenTrial) -> Kind:
    """Say what became of a trial.

    Raises:
        InputError: If it is no trial of ours.
    """
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
    if attributes.get("excess", 0) > 0:
        return Kind.OVER_BUDGET
    if "duplicate_of" in attributes:
        return Kind.DUPLICATE
    raise InputError(
        f"a pruned trial must have epochs, excess or duplicate_of, trial {trial.number} has none"
    )


def check_trials(trials: Sequence[FrozenTrial]) -> None:
    """See that the trials of a study are ours, and all there.

    Raises:
        ValueError: If one is missing, or does not say what a trial of its kind says.
        InputError: If one is no trial of ours.
    """
    for place, trial in enumerate(trials):
        if trial.number != place:
            raise ValueError(f"trial {place} is missing")
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
class Best:
    """The best trial of a study."""

    number: int
    """The trial's."""
    value: float
    """Its validation accuracy, in [0, 1]."""
    params: int
    """Trainable parameters."""
    arch: dict[str, Any]
    """The architecture, as its JSON."""


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
    )


def best_trial(trials: Iterable[FrozenTrial]) -> FrozenTrial | None:
    """Find the completed trial with the highest validation accuracy; of equals, the smallest.

    No trial over the budget was ever completed, so the best is feasible.
    """
    completed = [t for t in trials if t.state is TrialState.COMPLETE and t.value is not None]
    if not completed:
        return None
    return min(completed, key=lambda t: (-(t.value or 0), t.user_attrs["params"], t.number))

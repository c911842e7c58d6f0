"""The trials of a study: counted by kind, and whose turn is next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from budgetnas.space import Grid
from budgetnas.study.trial_record import Kind, TrialRecord


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
    index = number - sum(not TrialRecord(trial).is_proposed for trial in trials[:number])
    enqueued = TrialRecord(trials[number]).enqueued if number < len(trials) else None
    return Turn(number, index, enqueued)


def own_trials(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Leave out what other programs have added to a study."""
    return [trial for trial in trials if not TrialRecord(trial).is_foreign]


def check_trials(trials: Sequence[FrozenTrial]) -> None:
    """See that the trials of a study are all there, and ours are whole.

    Raises:
        ValueError: If one is missing, or does not say what a trial of its kind says.
        InputError: If one is pruned and does not say why.
    """
    for place, trial in enumerate(trials):
        if trial.number != place:
            raise ValueError(f"trial {place} is missing")
        TrialRecord(trial).check()


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
    records = [TrialRecord(trial) for trial in trials]
    kinds = [record.kind for record in records]
    trained = [record for record, kind in zip(records, kinds, strict=True) if kind is Kind.TRAINED]
    return Tally(
        trained=len(trained),
        pruned=sum(record.is_stopped for record in trained),
        over_budget=kinds.count(Kind.OVER_BUDGET),
        duplicates=kinds.count(Kind.DUPLICATE),
        failed=kinds.count(Kind.FAILED),
        epochs=sum(record.epochs for record in trained),
    )


def trainings_left(grid: Grid, trials: Iterable[FrozenTrial]) -> int:
    """Count the trainings of a grid that have not ended."""
    records = map(TrialRecord, trials)
    ended = sum(record.is_proposed and record.kind is not Kind.OPEN for record in records)
    return max(0, grid.size - ended)

"""`Record`: a study's trials in its storage, read and written."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from budgetnas.analysis import Elimination, describe_best, why_eliminated
from budgetnas.arch import count_macs, count_params
from budgetnas.events import TrialEnded
from budgetnas.executors import EpochResult, forget_ended
from budgetnas.space import Grid
from budgetnas.study import StudyConfig
from budgetnas.study.storage import one_transaction
from budgetnas.study.trial_record import (
    Kind,
    TrialRecord,
    TrialWriter,
    Turn,
    tally,
    training_key,
    trainings_left,
    turn_of,
)
from budgetnas.trials._proposers import Proposed


@dataclass(frozen=True)
class Record:
    """Reads and writes the trials of a study."""

    study: optuna.Study
    config: StudyConfig
    folder: Path

    def trials(self) -> Sequence[FrozenTrial]:
        """Return all trials, by number."""
        return self.study.get_trials(deepcopy=False)

    def missing(self, trials: int) -> int:
        """Return how many of N trials, or of a grid's, are still to be trained."""
        listed, proposal = self.trials(), self.config.proposal
        if not isinstance(proposal, Grid):
            return max(0, trials - tally(listed).trained)
        is_open = sum(TrialRecord(trial).kind is Kind.OPEN for trial in listed)
        return max(trainings_left(proposal, listed), is_open)

    def next_turn(self) -> Turn:
        """Return the turn of the first trial that waits, else of a new one."""
        listed = self.trials()
        waiting = [trial.number for trial in listed if trial.state is TrialState.WAITING]
        return turn_of(listed, min(waiting, default=len(listed)))

    def turn(self, number: int) -> Turn:
        """Return a trial's turn among those that the study proposes."""
        return turn_of(self.trials(), number)

    def reported(self, number: int) -> Mapping[int, float]:
        """Return the values of a trial's epochs, in earlier processes too."""
        return self.trials()[number].intermediate_values

    def reject(self, trial: optuna.Trial, proposed: Proposed) -> Kind | None:
        """Write what a trial proposes; end it, and return why, if it is not to be trained."""
        writer = TrialWriter(trial)
        rejected: Kind | None = None
        if not self.describe(trial, proposed):
            rejected = Kind.OVER_BUDGET
        elif (why := self._why_eliminated(trial)) is not None:
            writer.eliminated(asdict(why))
            rejected = Kind.OUT
        elif (original := self._original(trial, proposed)) is not None:
            writer.duplicate(original)
            rejected = Kind.DUPLICATE
        if rejected is not None:
            self.study.tell(trial, state=TrialState.PRUNED)
        return rejected

    def describe(self, trial: optuna.Trial, proposed: Proposed) -> bool:
        """Write what was drawn and what it costs; return whether it is within all limits."""
        arch, size = proposed.arch, self.config.data.image_size
        over = {limit: limit.excess(arch, size) for limit in self.config.all_limits}
        if not TrialRecord.of(trial).is_counted:  # else it continues, and all is written
            writer = TrialWriter(trial)
            writer.drawn(arch, proposed.overrides, proposed.preset)
            writer.counted(count_params(arch), count_macs(arch, size), over)
        return all(excess <= 0 for excess in over.values())

    def _original(self, trial: optuna.Trial, proposed: Proposed) -> int | None:
        """Return a trial of the same network and recipe that was, or is being, trained."""
        key = training_key(proposed.arch, proposed.recipe, self.config.facts.train)
        if isinstance(self.config.proposal, Grid):  # the same with another seed is asked for
            key += f"/{proposed.seed}"
        for other in map(TrialRecord, self.trials()):
            # an open trial has its digest only if it was the first of that digest
            if (
                other.digest == key
                and other.number != trial.number
                and other.kind in (Kind.TRAINED, Kind.OPEN)
            ):
                return other.number
        TrialWriter(trial).digest(key)
        return None

    def _why_eliminated(self, trial: optuna.Trial) -> Elimination | None:
        config = self.config
        return why_eliminated(
            config.proposal,
            self.trials(),
            trial.number,
            config.facts.val,
            config.alike,
            config.metric,
        )

    def finish(
        self, trial: optuna.Trial, proposed: Proposed, trained: EpochResult, pruned: bool
    ) -> TrialEnded:
        """Write the measurements of a training, and end its trial."""
        with one_transaction(self.study):
            TrialWriter(trial).trained(trained.attributes, trained.seconds)
            if pruned:
                self.study.tell(trial, state=TrialState.PRUNED)
            else:
                self.study.tell(trial, trained.value)
        self.forget_ended()
        ended = self.ended(trial, Kind.TRAINED, proposed)
        return replace(ended, value=trained.value, seconds=trained.seconds, pruned=pruned)

    def fail(
        self, trial: optuna.Trial, reason: str, proposed: Proposed | None = None
    ) -> TrialEnded:
        """Write why a trial failed, and end it."""
        with one_transaction(self.study):
            TrialWriter(trial).failed(reason)
            self.study.tell(trial, state=TrialState.FAIL)
        self.forget_ended()
        return replace(self.ended(trial, Kind.FAILED, proposed), failure=reason)

    def queue(self, trial: optuna.Trial | FrozenTrial) -> None:
        """Return a trial to the queue, under its number."""
        self.study._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)

    def running(self) -> list[FrozenTrial]:
        """Return the trials that are being trained, or were when a process ended."""
        return [t for t in self.trials() if t.state is TrialState.RUNNING]

    def queue_running(self) -> list[int]:
        """Return running trials to the queue: no other process holds the study."""
        running = self.running()
        for trial in running:
            self.queue(trial)
        return [trial.number for trial in running]

    def forget_ended(self) -> None:
        """Remove the checkpoints of trials that have ended."""
        records = map(TrialRecord, self.trials())
        forget_ended(self.folder, [r.number for r in records if r.kind is Kind.OPEN])

    def ended(self, trial: optuna.Trial, kind: Kind, proposed: Proposed | None) -> TrialEnded:
        """Return the event of a trial that has ended."""
        listed = self.trials()
        return TrialEnded(
            trial.number,
            kind,
            tally(listed),
            describe_best(listed),
            params=count_params(proposed.arch) if proposed else None,
            title=proposed.title if proposed else "",
        )

"""`Record`: a study's trials as its storage has them, and what is written down of each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from budgetnas.analysis import ELIMINATED, describe_best, why_eliminated
from budgetnas.arch import count_macs, count_params
from budgetnas.events import TrialEnded
from budgetnas.executors import EpochResult, forget_ended
from budgetnas.searching.proposers import Proposed
from budgetnas.space import Grid, Overrides
from budgetnas.study.config import StudyConfig
from budgetnas.study.drawn import training_key
from budgetnas.study.storage import one_transaction
from budgetnas.study.trials import Kind, Turn, excess_of, kind_of, tally, trainings_left, turn_of


@dataclass(frozen=True)
class Record:
    """Writes down what becomes of trials."""

    study: optuna.Study
    config: StudyConfig
    folder: Path

    def trials(self) -> Sequence[FrozenTrial]:
        """All of them."""
        return self.study.get_trials(deepcopy=False)

    def missing(self, trials: int) -> int:
        """Count the trials that are still to be trained, of so many or of all that there are."""
        listed, proposal = self.trials(), self.config.proposal
        if not isinstance(proposal, Grid):
            return max(0, trials - tally(listed).trained)
        is_open = sum(kind_of(trial) is Kind.OPEN for trial in listed)
        return max(trainings_left(proposal, listed), is_open)

    def next_turn(self) -> Turn:
        """Return which trial is next: the first that waits, else a new one."""
        listed = self.trials()
        waiting = [trial.number for trial in listed if trial.state is TrialState.WAITING]
        return turn_of(listed, min(waiting, default=len(listed)))

    def turn(self, number: int) -> Turn:
        """Return where a trial stands among those that the study proposes."""
        return turn_of(self.trials(), number)

    def reported(self, number: int) -> Mapping[int, float]:
        """What a trial's epochs have reported, in earlier processes too."""
        return self.trials()[number].intermediate_values

    def reject(self, trial: optuna.Trial, proposed: Proposed) -> Kind | None:
        """Write down what a trial proposes, and end it if it is not to be trained.

        Returns:
            Why it is not; None if it is to be trained.
        """
        rejected: Kind | None = None
        if not self.describe(trial, proposed):
            rejected = Kind.OVER_BUDGET
        elif self.is_out(trial):
            rejected = Kind.OUT
        elif (twin := self.twin(trial, proposed)) is not None:
            trial.set_user_attr("duplicate_of", twin)
            rejected = Kind.DUPLICATE
        if rejected is not None:
            self.study.tell(trial, state=TrialState.PRUNED)
        return rejected

    def describe(self, trial: optuna.Trial, proposed: Proposed) -> bool:
        """Write down what was drawn and what it costs; say whether it is within all limits."""
        arch, drawn = proposed.arch, proposed.overrides
        size = self.config.data.image_size
        over = {limit: limit.excess(arch, size) for limit in self.config.all_limits}
        within = all(excess <= 0 for excess in over.values())
        if "excess" in trial.user_attrs:  # taken up again: all of this is written already
            return within
        if proposed.preset:
            trial.set_user_attr("preset", proposed.preset)
        trial.set_user_attr("arch", arch.to_json())
        if drawn and drawn != Overrides():
            trial.set_user_attr("recipe", drawn.model_dump_json(exclude_none=True))
        trial.set_user_attr("params", count_params(arch))
        trial.set_user_attr("macs", count_macs(arch, size))
        for limit, excess in over.items():
            if limit.cost not in trial.constraints:  # of two limits of one cost the budget's
                trial.set_constraint(limit.cost, excess / limit.limit)
            if limit is not self.config.budget:
                trial.set_user_attr(excess_of(limit.cost), excess)
        trial.set_user_attr("excess", over[self.config.budget])
        return within

    def twin(self, trial: optuna.Trial, proposed: Proposed) -> int | None:
        """Find a trial of the same network and recipe that was trained, or is being trained."""
        key = training_key(proposed.arch, proposed.recipe, self.config.facts.train)
        if isinstance(self.config.proposal, Grid):  # the same with another seed is asked for
            key += f"/{proposed.seed}"
        for other in self.trials():
            if other.number == trial.number or "digest" not in other.user_attrs:
                continue
            # an open trial has its digest only if it was the first of that digest
            if other.user_attrs["digest"] == key and kind_of(other) in (Kind.TRAINED, Kind.OPEN):
                return other.number
        trial.set_user_attr("digest", key)
        return None

    def is_out(self, trial: optuna.Trial) -> bool:
        """Say whether a trial's configuration is out of its race, and write down why."""
        config = self.config
        why = why_eliminated(
            config.proposal, self.trials(), trial.number, config.facts.val, config.alike
        )
        if why is not None:
            trial.set_user_attr(ELIMINATED, asdict(why))
        return why is not None

    def finish(
        self, trial: optuna.Trial, proposed: Proposed, trained: EpochResult, pruned: bool
    ) -> TrialEnded:
        """Write down what a training measured, and end its trial."""
        with one_transaction(self.study):
            for name, attribute in trained.attributes.items():
                trial.set_user_attr(name, attribute)
            trial.set_user_attr("seconds", round(trained.seconds, 3))
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
        """Write down why a trial failed, and end it."""
        with one_transaction(self.study):
            trial.set_user_attr("failure", reason)
            self.study.tell(trial, state=TrialState.FAIL)
        self.forget_ended()
        return replace(self.ended(trial, Kind.FAILED, proposed), failure=reason)

    def queue(self, trial: optuna.Trial | FrozenTrial) -> None:
        """Let a trial wait to be taken up again, under its number."""
        self.study._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)

    def running(self) -> list[FrozenTrial]:
        """List the trials that are being trained, or were when a process ended."""
        return [t for t in self.trials() if t.state is TrialState.RUNNING]

    def queue_running(self) -> list[int]:
        """Queue again what is running: this process holds the study, so nobody else runs it."""
        running = self.running()
        for trial in running:
            self.queue(trial)
        return [trial.number for trial in running]

    def forget_ended(self) -> None:
        """Let go of what is kept of trials that have ended."""
        forget_ended(self.folder, [t.number for t in self.trials() if kind_of(t) is Kind.OPEN])

    def ended(self, trial: optuna.Trial, kind: Kind, proposed: Proposed | None) -> TrialEnded:
        """Describe a trial that has ended, and how the study stands then."""
        listed = self.trials()
        return TrialEnded(
            trial.number,
            kind,
            tally(listed),
            describe_best(listed),
            params=count_params(proposed.arch) if proposed else None,
            title=proposed.title if proposed else "",
        )

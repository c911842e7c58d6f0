"""The loop: draw, count, prune or train, until N trials are trained."""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from budgetnas.arch import count_macs, count_params
from budgetnas.errors import OutOfMemory, SearchFailed, TrialFailed
from budgetnas.events import EpochEnded, Notice, TrialEnded, Watcher
from budgetnas.searching.course import Course
from budgetnas.searching.kept import KeptTrial, forget_ended
from budgetnas.searching.proposers import Proposed, proposer
from budgetnas.searching.samplers import PRUNERS
from budgetnas.searching.task import Task
from budgetnas.space import Overrides
from budgetnas.study.config import StudyConfig
from budgetnas.study.trials import Best, Kind, best_trial, kind_of, tally
from budgetnas.train.memory import give_memory_back

Stopped: TypeAlias = Literal["trials", "timeout", "exhausted"]
"""Why a search ended: N trials are trained, time is up, nothing new can be drawn."""

HALVED = "halved_batch"
"""The attribute of a trial that is trained with half the batch: the whole did not fit."""

FAILURES_IN_A_ROW = 5
REJECTED_IN_A_ROW = 1_000


class _TimeUp(Exception):
    """The search's time is up, in the middle of a trial."""


@dataclass
class Loop:
    """Work on one Optuna study: its proposal says what trials train, the task trains it."""

    study: optuna.Study
    config: StudyConfig
    folder: Path
    task: Task
    watch: Watcher

    def __post_init__(self) -> None:
        self.proposer = proposer(self.config)

    def run(self, trials: int, deadline: float) -> Stopped:
        """Draw and train until the study has so many trained trials, or all that there are.

        A trial that is interrupted goes back to the queue under its number, so that the search,
        continued, draws what it would have drawn.

        Args:
            trials: How many.
            deadline: On the monotonic clock: when to stop, at the next epoch.

        Raises:
            SearchFailed: After five failures in a row, where trials have no end.
        """
        left = self._queue_running()
        self._forget_ended()
        if left:
            numbers = ", ".join(map(str, left))
            self.watch(Notice(f"taking up again what was interrupted: trial {numbers}"))
        try:
            return self._run(trials, deadline)
        except _TimeUp:
            self._queue_running()
            return "timeout"
        except KeyboardInterrupt:
            self._queue_running()
            raise

    def _run(self, trials: int, deadline: float) -> Stopped:
        rejected = failures = 0
        while self.missing(trials):
            if time.monotonic() >= deadline:
                return "timeout"
            trial = self._ask()
            try:
                ended = self._work(trial, deadline)
            except (_TimeUp, OSError, MemoryError, StorageInternalError, SQLAlchemyError):
                raise  # not the trial's fault: it stays open, and is taken up again
            except Exception as error:
                if self.proposer.size is not None:
                    raise  # it would never be asked for again, so it stays open
                with suppress(UpdateFinishedTrialError):
                    self._fail(trial, f"{type(error).__name__}: {error}")
                raise
            self.watch(ended)
            match ended.kind:
                case Kind.TRAINED:
                    rejected = failures = 0
                case Kind.FAILED:
                    rejected, failures = 0, failures + 1
                case _:
                    rejected += 1
            if self.proposer.size is not None:
                continue  # each is asked for once, and that it failed is an answer
            if rejected >= REJECTED_IN_A_ROW:
                return "exhausted"
            if failures >= FAILURES_IN_A_ROW:
                raise SearchFailed(
                    f"{failures} trials in a row failed, the last one: {ended.failure}"
                )
        return "trials"

    def missing(self, trials: int) -> int:
        """Count the trials that are still to be trained, of so many or of all that there are."""
        listed = self._trials()
        if self.proposer.size is None:
            return max(0, trials - tally(listed).trained)
        ended = sum(kind_of(trial) is not Kind.OPEN for trial in listed)
        return max(0, self.proposer.size - ended, len(listed) - ended)

    def _trials(self) -> Sequence[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _ask(self) -> optuna.Trial:
        """Ask for the next trial, with the sampler for its number."""
        listed = self._trials()
        waiting = [trial.number for trial in listed if trial.state is TrialState.WAITING]
        number = min(waiting, default=len(listed))
        self.study.sampler = self.proposer.sampler(number)
        self.study.pruner = PRUNERS[self.config.pruner](self.config.recipe.epochs)
        return self.study.ask()

    def _work(self, trial: optuna.Trial, deadline: float) -> TrialEnded:
        """Draw, count, then prune or train."""
        again = "excess" in trial.user_attrs
        proposed = self.proposer.propose(trial, self.study, again)
        excess = self._describe(trial, proposed)
        if excess > 0:
            return self._prune(trial, Kind.OVER_BUDGET, proposed)
        twin = self._twin(trial, proposed)
        if twin is not None:
            trial.set_user_attr("duplicate_of", twin)
            return self._prune(trial, Kind.DUPLICATE, proposed)
        if HALVED in trial.user_attrs:  # taken up again, it stays the training that it was
            return self._train_halved(trial, proposed, deadline)
        try:
            return self._train(trial, proposed, deadline)
        except OutOfMemory as error:
            # not in this block: the exception holds the network in memory
            reason = str(error)
        except TrialFailed as error:
            return self._fail(trial, str(error), proposed)
        if proposed.overrides is None or self._trials()[trial.number].intermediate_values:
            # another training must not add to its epochs, nor stand for what was asked
            return self._fail(trial, reason, proposed)
        return self._train_halved(trial, proposed, deadline)

    def _train_halved(
        self, trial: optuna.Trial, proposed: Proposed, deadline: float
    ) -> TrialEnded:
        """Try once more with half the batch, and write down that it was half."""
        assert proposed.overrides is not None, "what is the question stays whole"
        give_memory_back()
        batch = min(proposed.recipe.batch_size, len(self.task.images))
        halved = proposed.overrides.changed(batch_size=max(2, batch // 2))
        trial.set_user_attr(HALVED, True)  # first: a half recipe is never taken for a whole one
        trial.set_user_attr("recipe", halved.model_dump_json(exclude_none=True))
        half = replace(proposed, recipe=halved.apply(self.config.recipe))
        try:
            return self._train(trial, half, deadline)
        except TrialFailed as error:
            return self._fail(trial, str(error), proposed)

    def _describe(self, trial: optuna.Trial, proposed: Proposed) -> int:
        """Write down what was drawn and what it costs; return the excess over the budget."""
        arch, drawn = proposed.arch, proposed.overrides
        size = self.config.data.image_size
        budget = self.config.budget
        excess = budget.excess(arch, size)
        if "excess" in trial.user_attrs:  # taken up again: all of this is written already
            return excess
        trial.set_user_attr("arch", arch.to_json())
        if drawn and drawn != Overrides():
            trial.set_user_attr("recipe", drawn.model_dump_json(exclude_none=True))
        trial.set_user_attr("params", count_params(arch))
        trial.set_user_attr("macs", count_macs(arch, size))
        if budget.cost not in trial.constraints:  # killed after this line, it is there already
            trial.set_constraint(budget.cost, excess / budget.limit)
        trial.set_user_attr("excess", excess)
        return excess

    def _twin(self, trial: optuna.Trial, proposed: Proposed) -> int | None:
        """Find a trial of the same network and recipe that was trained."""
        done = proposed.recipe.canonical(len(self.task.images))
        key = f"{proposed.arch.digest()}/{done.model_dump_json()}"
        if self.proposer.size is not None:  # there the same with another seed is asked for
            key += f"/{proposed.seed}"
        for other in self._trials():
            if other.number == trial.number or "digest" not in other.user_attrs:
                continue
            if other.user_attrs["digest"] == key and kind_of(other) is Kind.TRAINED:
                return other.number
        trial.set_user_attr("digest", key)
        return None

    def _train(self, trial: optuna.Trial, proposed: Proposed, deadline: float) -> TrialEnded:
        """Train, report every epoch, stop where the pruner or the time says so."""
        arch, recipe = proposed.arch, proposed.recipe
        reported = self._trials()[trial.number].intermediate_values
        resumed_at = max(reported, default=0)  # the pruner judges the last epoch reported
        kept = KeptTrial(self.folder, trial.number, self.config, arch, recipe)
        course = Course(self.config, self.task.val)
        state, before = kept.read(course, lambda text: self.watch(Notice(text)))
        started, pruned = time.perf_counter() - before, False
        for epoch in self.task.train(arch, recipe, proposed.seed, state):
            course.add(epoch)
            assert epoch.val_accuracy is not None, "trials are validated"
            if epoch.number not in reported:
                trial.report(epoch.val_accuracy, epoch.number)
            self.watch(EpochEnded(trial.number, epoch.number, recipe.epochs, epoch.val_accuracy))
            last = epoch.number == recipe.epochs
            pruned = not last and resumed_at <= epoch.number and trial.should_prune()
            if pruned or last:
                break
            # only after the judgement: what goes on from here has been judged
            kept.write(epoch.state(), course, time.perf_counter() - started)
            if time.monotonic() >= deadline:
                raise _TimeUp
        seconds = time.perf_counter() - started
        return self._finish(trial, proposed, course, seconds, pruned)

    def _finish(
        self, trial: optuna.Trial, proposed: Proposed, course: Course, seconds: float, pruned: bool
    ) -> TrialEnded:
        """Write down what a training measured, and end its trial."""
        for name, attribute in course.attributes().items():
            trial.set_user_attr(name, attribute)
        trial.set_user_attr("seconds", round(seconds, 3))
        value = course.accuracy
        if pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, value)
        self._forget_ended()
        ended = self._ended(trial, Kind.TRAINED, proposed)
        return replace(ended, value=value, seconds=seconds, pruned=pruned)

    def _prune(self, trial: optuna.Trial, kind: Kind, proposed: Proposed) -> TrialEnded:
        self.study.tell(trial, state=TrialState.PRUNED)
        return self._ended(trial, kind, proposed)

    def _fail(
        self, trial: optuna.Trial, reason: str, proposed: Proposed | None = None
    ) -> TrialEnded:
        trial.set_user_attr("failure", reason)
        self.study.tell(trial, state=TrialState.FAIL)
        self._forget_ended()
        return replace(self._ended(trial, Kind.FAILED, proposed), failure=reason)

    def _ended(self, trial: optuna.Trial, kind: Kind, proposed: Proposed | None) -> TrialEnded:
        listed = self._trials()
        return TrialEnded(
            trial.number,
            kind,
            tally(listed),
            describe_best(listed),
            params=count_params(proposed.arch) if proposed else None,
            title=proposed.title if proposed else "",
        )

    def _forget_ended(self) -> None:
        forget_ended(self.folder, [t.number for t in self._trials() if kind_of(t) is Kind.OPEN])

    def _queue_running(self) -> list[int]:
        """Queue again what is running: this process holds the study, so nobody else runs it."""
        running = [t for t in self._trials() if t.state is TrialState.RUNNING]
        for trial in running:
            self.study._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
        return [trial.number for trial in running]


def describe_best(trials: Sequence[FrozenTrial]) -> Best | None:
    """Describe the best trial of a study, if any was completed."""
    best = best_trial(trials)
    if best is None or best.value is None:
        return None
    attributes = best.user_attrs
    return Best(best.number, best.value, attributes["params"], json.loads(attributes["arch"]))

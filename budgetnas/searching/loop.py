"""The loop: draw, count, prune or train, until N trials are trained."""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from budgetnas.arch import Arch, count_macs, count_params
from budgetnas.errors import OutOfMemory, SearchFailed, TrialFailed
from budgetnas.events import EpochEnded, Notice, TrialEnded, Watcher
from budgetnas.recipe import Recipe
from budgetnas.searching.kept import KeptTrial, forget_ended
from budgetnas.searching.redraw import Redraw
from budgetnas.searching.samplers import PRUNERS, SAMPLERS
from budgetnas.searching.task import Task
from budgetnas.seeds import derive_seed
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
    """A search over one Optuna study. Draws come from the study's space, values from the task."""

    study: optuna.Study
    config: StudyConfig
    folder: Path
    task: Task
    watch: Watcher

    def run(self, trials: int, deadline: float) -> Stopped:
        """Draw and train until the study has so many trained trials.

        A trial that is interrupted goes back to the queue under its number, so that the search,
        continued, draws what it would have drawn.

        Args:
            trials: How many.
            deadline: On the monotonic clock: when to stop, at the next epoch.

        Raises:
            SearchFailed: After five failures in a row.
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
        trained = tally(self._trials()).trained
        while trained < trials:
            if time.monotonic() >= deadline:
                return "timeout"
            trial = self._ask()
            try:
                ended = self._work(trial, deadline)
            except (_TimeUp, OSError, MemoryError, StorageInternalError, SQLAlchemyError):
                raise  # not the trial's fault: it stays open, and is taken up again
            except Exception as error:
                with suppress(UpdateFinishedTrialError):
                    self._fail(trial, f"{type(error).__name__}: {error}")
                raise
            self.watch(ended)
            trained = ended.tally.trained
            match ended.kind:
                case Kind.TRAINED:
                    rejected = failures = 0
                case Kind.FAILED:
                    rejected, failures = 0, failures + 1
                case _:
                    rejected += 1
            if rejected >= REJECTED_IN_A_ROW:
                return "exhausted"
            if failures >= FAILURES_IN_A_ROW:
                raise SearchFailed(
                    f"{failures} trials in a row failed, the last one: {ended.failure}"
                )
        return "trials"

    def _trials(self) -> Sequence[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _ask(self) -> optuna.Trial:
        """Ask for the next trial, the sampler reseeded by its number."""
        listed = self._trials()
        waiting = [trial.number for trial in listed if trial.state is TrialState.WAITING]
        number = min(waiting, default=len(listed))
        self.study.sampler = SAMPLERS[self.config.sampler](
            derive_seed(self.config.seed, "sampler", number)
        )
        self.study.pruner = PRUNERS[self.config.pruner](self.config.recipe.epochs)
        return self.study.ask()

    def _work(self, trial: optuna.Trial, deadline: float) -> TrialEnded:
        """Draw, count, then prune or train."""
        facts = self.config.facts
        suggester = trial if "excess" in trial.user_attrs else Redraw(trial, self.study)
        arch, overrides = self.config.space.draw(suggester, facts.channels, len(facts.classes))
        recipe = overrides.apply(self.config.recipe)
        excess = self._describe(trial, arch, overrides.model_dump_json(exclude_none=True))
        if excess > 0:
            return self._prune(trial, Kind.OVER_BUDGET, arch)
        twin = self._twin(trial, arch, recipe)
        if twin is not None:
            trial.set_user_attr("duplicate_of", twin)
            return self._prune(trial, Kind.DUPLICATE, arch)
        if HALVED in trial.user_attrs:  # taken up again, it stays the training that it was
            return self._train_halved(trial, arch, overrides, deadline)
        try:
            return self._train(trial, arch, recipe, deadline)
        except OutOfMemory as error:
            # not in this block: the exception holds the network in memory
            reason = str(error)
        except TrialFailed as error:
            return self._fail(trial, str(error))
        if self._trials()[trial.number].intermediate_values:
            return self._fail(trial, reason)  # another training must not add to its epochs
        return self._train_halved(trial, arch, overrides, deadline)

    def _train_halved(
        self, trial: optuna.Trial, arch: Arch, overrides: Overrides, deadline: float
    ) -> TrialEnded:
        """Try once more with half the batch, and write down that it was half."""
        give_memory_back()
        batch = min(overrides.apply(self.config.recipe).batch_size, len(self.task.images))
        halved = overrides.changed(batch_size=max(2, batch // 2))
        trial.set_user_attr(HALVED, True)  # first: a half recipe is never taken for a whole one
        trial.set_user_attr("recipe", halved.model_dump_json(exclude_none=True))
        try:
            return self._train(trial, arch, halved.apply(self.config.recipe), deadline)
        except TrialFailed as error:
            return self._fail(trial, str(error))

    def _describe(self, trial: optuna.Trial, arch: Arch, overrides: str) -> int:
        """Write down what was drawn and what it costs; return the excess over the budget."""
        size = self.config.data.image_size
        budget = self.config.budget
        excess = budget.excess(arch, size)
        if "excess" in trial.user_attrs:  # taken up again: all of this is written already
            return excess
        trial.set_user_attr("arch", arch.to_json())
        if overrides != "{}":
            trial.set_user_attr("recipe", overrides)
        trial.set_user_attr("params", count_params(arch))
        trial.set_user_attr("macs", count_macs(arch, size))
        if budget.cost not in trial.constraints:  # killed after this line, it is there already
            trial.set_constraint(budget.cost, excess / budget.limit)
        trial.set_user_attr("excess", excess)
        return excess

    def _twin(self, trial: optuna.Trial, arch: Arch, recipe: Recipe) -> int | None:
        """Find a trial of the same network and recipe that was trained."""
        done = recipe.canonical(len(self.task.images))
        key = f"{arch.digest()}/{done.model_dump_json()}"
        for other in self._trials():
            if other.number == trial.number or "digest" not in other.user_attrs:
                continue
            if other.user_attrs["digest"] == key and kind_of(other) is Kind.TRAINED:
                return other.number
        trial.set_user_attr("digest", key)
        return None

    def _train(
        self, trial: optuna.Trial, arch: Arch, recipe: Recipe, deadline: float
    ) -> TrialEnded:
        """Train, report every epoch, stop where the pruner or the time says so."""
        reported = self.study.get_trials(deepcopy=False)[trial.number].intermediate_values
        resumed_at = max(reported, default=0)  # the pruner judges the last epoch reported
        kept = KeptTrial(self.folder, trial.number, self.config, arch, recipe)
        state, before = kept.read(lambda text: self.watch(Notice(text)))
        started, pruned = time.perf_counter() - before, False
        for epoch in self.task.train(arch, recipe, trial.number, state):
            assert epoch.val_accuracy is not None, "trials are validated"
            if epoch.number not in reported:
                trial.report(epoch.val_accuracy, epoch.number)
            self.watch(EpochEnded(trial.number, epoch.number, recipe.epochs, epoch.val_accuracy))
            last = epoch.number == recipe.epochs
            pruned = not last and resumed_at <= epoch.number and trial.should_prune()
            if pruned or last:
                break
            # only after the judgement: what goes on from here has been judged
            kept.write(epoch.state(), time.perf_counter() - started)
            if time.monotonic() >= deadline:
                raise _TimeUp
        seconds = time.perf_counter() - started
        for name, value in {
            "val_accuracy": epoch.val_accuracy,
            "val_balanced_accuracy": epoch.val_balanced_accuracy,
            "val_loss": epoch.val_loss,
            "epochs": epoch.number,
            "seconds": round(seconds, 3),
        }.items():
            trial.set_user_attr(name, value)
        if pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, epoch.val_accuracy)
        self._forget_ended()
        return self._ended(
            trial,
            Kind.TRAINED,
            value=epoch.val_accuracy,
            arch=arch,
            seconds=seconds,
            pruned=pruned,
        )

    def _prune(self, trial: optuna.Trial, kind: Kind, arch: Arch) -> TrialEnded:
        self.study.tell(trial, state=TrialState.PRUNED)
        return self._ended(trial, kind, arch=arch)

    def _fail(self, trial: optuna.Trial, reason: str) -> TrialEnded:
        trial.set_user_attr("failure", reason)
        self.study.tell(trial, state=TrialState.FAIL)
        self._forget_ended()
        return self._ended(trial, Kind.FAILED, failure=reason)

    def _ended(
        self,
        trial: optuna.Trial,
        kind: Kind,
        *,
        value: float | None = None,
        arch: Arch | None = None,
        seconds: float = 0.0,
        pruned: bool = False,
        failure: str = "",
    ) -> TrialEnded:
        listed = self._trials()
        return TrialEnded(
            trial.number,
            kind,
            tally(listed),
            describe_best(listed),
            value,
            count_params(arch) if arch else None,
            str(arch) if arch else "",
            seconds,
            pruned,
            failure,
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

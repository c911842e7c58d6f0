"""The loop: draw, count, prune or train, until N trials are trained.

It asks Optuna for trials, enforces the budget, prunes, and stores results; an `Executor` trains.
"""

import faulthandler
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, assert_never

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from sqlalchemy.exc import SQLAlchemyError

from budgetnas.analysis import round_size
from budgetnas.errors import BudgetnasError, SearchFailed
from budgetnas.events import STOP, EpochEnded, Event, Notice, Once, TrialEnded, Watcher
from budgetnas.executors import (
    Broke,
    CheckpointDamaged,
    Decision,
    EpochResult,
    Executor,
    Failed,
    ProcessExited,
    Suspended,
    TrialJob,
    describe_training,
)
from budgetnas.study.storage import one_transaction
from budgetnas.study.trial_record import Kind, TrialRecord, TrialWriter, Turn
from budgetnas.trials._proposers import EnqueuedWrongly, Proposed, proposer
from budgetnas.trials._record import Record
from budgetnas.trials._samplers import pruner_of

Stopped: TypeAlias = Literal["trials", "timeout", "exhausted", "callback"]
"""Why a search ended: N trials are trained, time is up, nothing new can be drawn, or a callback
returned "stop"."""

FAILURES_IN_A_ROW = 5
REJECTED_IN_A_ROW = 1_000
DEATHS = 3
"""A trial fails with the third death of its process: it may be the cause."""


@dataclass(frozen=True)
class _Running:
    """A trial that is being trained."""

    trial: optuna.Trial
    proposed: Proposed
    reported: Mapping[int, float]
    """Values of its epochs in earlier processes."""

    @property
    def resumed_at(self) -> int:
        """The first epoch that the pruner judges: the last one of earlier processes."""
        return max(self.reported, default=0)


class Loop:
    """Runs one Optuna study: its proposal chooses networks, the executor trains them."""

    def __init__(
        self, record: Record, executor: Executor, watch: Watcher, crash: str | None = None
    ) -> None:
        """Prepare to work.

        Args:
            record: The study.
            executor: Trains the trials.
            watch: Receives events.
            crash: The fault of which the process before this one died, if any.
        """
        self.record, self.executor, self.watch = record, executor, watch
        self.study, self.config = record.study, record.config
        self.proposer = proposer(self.config)
        self._running: dict[int, _Running] = {}
        self._crash = crash
        self._crashed: int | None = None
        """The trial that the process before died of."""
        self._notify_once = Once(self._tell)
        self._rejected = self._failures = 0
        self._stopped = False
        """Whether a callback stops the search."""
        self._raised: Exception | None = None
        """What a callback raised: no trial's fault."""

    def run(self, trials: int, deadline: float) -> Stopped:
        """Draw and train until the study has N trained trials, or all of a grid.

        An interrupted trial returns to the queue under its number, so that a continued search
        draws the same networks.

        Args:
            trials: N.
            deadline: On the monotonic clock: when to stop, at the next epoch.

        Raises:
            SearchFailed: After five failures in a row, where trials have no end.
        """
        left = self.record.queue_running()
        self.record.forget_ended()
        self._announce_foreign()
        if left:
            numbers = ", ".join(map(str, left))
            trials_of = f"trial{'s' * (len(left) > 1)} {numbers}"
            if self._crash is not None and len(left) == 1:
                self._crashed = left[0]
            else:
                self._tell(Notice(f"taking up again what was interrupted: {trials_of}"))
        try:
            return self._run(trials, deadline)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | BudgetnasError) or error is self._raised:
                self.record.queue_running()
            raise

    def _tell(self, event: Event) -> None:
        """Pass an event on; note that a callback stops the search, or raises."""
        try:
            self._stopped |= self.watch(event) == STOP
        except Exception as error:
            self._raised = error
            raise

    def _may_go_on(self, deadline: float) -> bool:
        return not self._stopped and time.monotonic() < deadline

    def _announce_foreign(self) -> None:
        """Announce the trials that other programs have added to the study."""
        numbers = [t.number for t in self.record.trials() if TrialRecord(t).is_foreign]
        if numbers:
            listed = ", ".join(map(str, numbers))
            self._tell(
                Notice(
                    f"trial{'s' * (len(numbers) > 1)} {listed}: added by another program, "
                    "without what this one measures; left out"
                )
            )

    def _run(self, trials: int, deadline: float) -> Stopped:
        while missing := self.record.missing(trials):
            ended = self._next(missing, deadline)
            if ended is None and self._stopped:
                return "callback"
            if ended is None:
                return "timeout" if time.monotonic() >= deadline else "exhausted"
            self._tell(ended)
            self._count(ended)
        return "trials"

    def _next(self, missing: int, deadline: float) -> TrialEnded | None:
        """Work until a trial ends; return None if none is left and no other may begin."""
        ended = None
        while ended is None:
            may_begin = self._may_go_on(deadline) and self._rejected < REJECTED_IN_A_ROW
            may_begin = may_begin and self.executor.slots > 0 and len(self._running) < missing
            may_begin = may_begin and self._is_in_turn()
            if self._running and (self.executor.has_event or not may_begin):
                ended = self._handle_event(deadline)  # first: a worker with a reply continues
            elif may_begin:
                ended = self._take_up()
            else:
                return None
        return ended

    def _count(self, ended: TrialEnded) -> None:
        """Count rejections and failures in a row; a grid's failures are results."""
        if self.proposer.size is not None:
            return
        match ended.kind:
            case Kind.TRAINED:
                self._rejected = self._failures = 0
            case Kind.FAILED:
                self._rejected, self._failures = 0, self._failures + 1
            case _:
                self._rejected += 1
        if self._failures >= FAILURES_IN_A_ROW:
            raise SearchFailed(
                f"{self._failures} trials in a row failed, the last one: {ended.failure}"
            )

    def _is_in_turn(self) -> bool:
        """Return whether the next trial may begin: in a race, after the earlier rounds."""
        size = round_size(self.config.proposal)
        if size is None or not self._running:
            return True
        running = min(self.record.turn(number).index for number in self._running)
        return self.record.next_turn().index // size == running // size

    def _ask(self, turn: Turn) -> optuna.Trial:
        """Ask for the next trial, with the sampler for its turn."""
        self.study.sampler = self.proposer.sampler(turn)
        self.study.pruner = pruner_of(self.config)
        return self.study.ask()

    def _take_up(self) -> TrialEnded | None:
        """Draw and count the next trial; if it is new and fits, begin its training."""
        turn = self.record.next_turn()
        trial = self._ask(turn)
        with self._blamed(trial):
            try:
                with one_transaction(self.study):
                    proposed = self.proposer.propose(trial, turn)
                    rejected = self.record.reject(trial, proposed)
            except EnqueuedWrongly as error:
                self._tell(self.record.fail(trial, str(error)))
                return None  # no failure of the search: it continues
            if rejected is not None:
                return self.record.ended(trial, rejected, proposed)
            if TrialRecord.of(trial).is_halved:  # its recipe has changed in an earlier process
                proposed = self._halved(trial, proposed)
            if trial.number == self._crashed:
                assert self._crash is not None
                self._crashed = None
                return self._process_exited(trial, proposed, self._crash)
            self._begin(trial, proposed)
        return None

    def _begin(self, trial: optuna.Trial, proposed: Proposed) -> None:
        """Submit a trial to the executor."""
        number = trial.number
        self._running[number] = _Running(trial, proposed, self.record.reported(number))
        self.executor.submit(TrialJob(number, proposed.arch, proposed.recipe, proposed.seed))

    def _handle_event(self, deadline: float) -> TrialEnded | None:
        """Wait for the next event of any trial, and handle it."""
        received = self.executor.next_event()
        if received is None:
            return None
        number, event = received
        running = self._running[number]
        with self._blamed(running.trial):
            match event:
                case EpochResult():
                    return self._judge(running, event, deadline)
                case CheckpointDamaged(text=text):
                    self._tell(Notice(text))
                case Suspended():
                    del self._running[number]
                    self.record.queue(running.trial)
                case Failed():
                    del self._running[number]
                    return self._failed(running, event)
                case ProcessExited(reason=reason):
                    del self._running[number]
                    return self._process_exited(running.trial, running.proposed, reason)
                case Broke(error=error):
                    raise error
                case _:
                    assert_never(event)
        return None

    def _judge(
        self, running: _Running, trained: EpochResult, deadline: float
    ) -> TrialEnded | None:
        """Report an epoch; end its trial after the last one, or where the pruner stops it."""
        trial, epochs = running.trial, running.proposed.recipe.epochs
        self._notify_once(trained.notices)
        if trained.epoch not in running.reported:
            trial.report(trained.measured, trained.epoch)
        self._tell(EpochEnded(trial.number, trained.epoch, epochs, trained.measured))
        last = trained.epoch == epochs
        pruned = not last and running.resumed_at <= trained.epoch and trial.should_prune()
        if pruned or last:
            del self._running[trial.number]
            self.executor.reply(trial.number, Decision.STOP)
            return self.record.finish(trial, running.proposed, trained, pruned)
        decision = Decision.CONTINUE if self._may_go_on(deadline) else Decision.SUSPEND
        self.executor.reply(trial.number, decision)
        return None

    def _failed(self, running: _Running, failed: Failed) -> TrialEnded | None:
        """Fail a trial; one that ran out of memory is tried again with half its batch."""
        trial, proposed = running.trial, running.proposed
        if (
            not failed.memory
            or TrialRecord.of(trial).is_halved
            # another training must not add to its epochs, nor replace a grid's
            or proposed.overrides is None
            or self.record.reported(trial.number)
        ):
            return self.record.fail(trial, failed.reason, proposed)
        self._begin(trial, self._halved(trial, proposed))
        return None

    def _halved(self, trial: optuna.Trial, proposed: Proposed) -> Proposed:
        """Halve the batch, and write that into the trial."""
        assert proposed.overrides is not None, "a grid's recipes don't change"
        batch = min(proposed.recipe.batch_size, self.config.facts.train)
        halved = proposed.overrides.changed(batch_size=max(2, batch // 2))
        with one_transaction(self.study):  # a crash must not leave one without the other
            TrialWriter(trial).halved(halved)
        return replace(proposed, recipe=halved.apply(self.config.recipe))

    def _process_exited(
        self, trial: optuna.Trial, proposed: Proposed, reason: str
    ) -> TrialEnded | None:
        """Return a trial to the queue whose process has exited; fail it the third time."""
        facts, numerics = self.config.facts, self.config.numerics
        what = describe_training(proposed.arch, proposed.recipe, facts.train, numerics)
        deaths = TrialRecord.of(trial).deaths + 1
        if deaths >= DEATHS:
            failure = f"its process died {DEATHS} times, the last time of {reason} ({what})"
            return self.record.fail(trial, failure, proposed)
        TrialWriter(trial).died(deaths)
        died = f"the process of trial {trial.number} died of {reason} ({what})"
        self._tell(Notice(f"{died}: the trial is taken up again"))
        self.record.queue(trial)
        self._rejected = 0  # there is something left to train
        return None

    @contextmanager
    def _blamed(self, trial: optuna.Trial) -> Iterator[None]:
        """Write an unexpected error as the trial's failure, and stop."""
        try:
            yield
        except (OSError, MemoryError, StorageInternalError, SQLAlchemyError):
            raise  # not caused by the trial: it stays open, and continues later
        except Exception as error:
            if self.proposer.size is not None or error is self._raised:
                raise  # it stays open: it would never be asked for again, or a callback broke
            with suppress(UpdateFinishedTrialError):
                self.record.fail(trial, f"{type(error).__name__}: {error}")
            raise


NOTE = "crash.txt"


@contextmanager
def crash_noted(folder: Path) -> Iterator[str | None]:
    """Have Python write a note of the fault of which this process dies, if it does.

    It distinguishes a trial whose network crashes torch from one that was interrupted by
    `kill -9` or a lack of memory, which leave an empty note.

    Args:
        folder: The study's, where no other process works.

    Yields:
        The fault of which the process before this one died, such as `Segmentation fault`;
        None if it did not.
    """
    path = folder / NOTE
    before = _read(path)
    if faulthandler.is_enabled():  # by the caller, and could not be restored
        path.unlink(missing_ok=True)
        yield before
        return
    with path.open("w") as note:
        faulthandler.enable(note, all_threads=False)
        try:
            yield before
        finally:
            faulthandler.disable()
            path.unlink(missing_ok=True)


def _read(path: Path) -> str | None:
    """Return the fault in the first line of a note."""
    if not path.exists():
        return None
    first = path.read_text(errors="replace").partition("\n")[0]
    return first.removeprefix("Fatal Python error: ").strip() or None

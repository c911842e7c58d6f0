"""Searches whose executor is a `ScriptedExecutor`, in Optuna's in-memory storage: milliseconds."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial

from budgetnas.arch import Budget, count_params
from budgetnas.data import DataSource
from budgetnas.events import Event, Notice, TrialEnded
from budgetnas.executors import TrialJob
from budgetnas.executors.testing import Script, ScriptedExecutor
from budgetnas.recipe import Numerics, Recipe
from budgetnas.space import Fill, Space
from budgetnas.study import DataFacts, StudyConfig
from budgetnas.study.storage import quiet_optuna
from budgetnas.study.trial_record import Kind, TrialRecord
from budgetnas.trials import Loop, Record, Stopped
from tests.trials.small import SMALL

ONE = Space.parse(
    # only the first stage's unused shortcut kernel differs: one network
    {"arch": {"stages": 1, "width": 8, "depth": 1, "block": "basic", "se": "none",
              "shortcut_kernel": [1, 3, 5, 7, 9]}}, "t",
)  # fmt: skip


def config_of(**fields: Any) -> StudyConfig:
    """A study on digits, with the defaults that users run: fill, random, halving."""
    facts = DataFacts(
        channels=1, classes=tuple("0123456789"), fingerprint="f", train=1_298, val=145,
        val_counts=(14, 15) * 5, split="s",
    )  # fmt: skip
    given: dict[str, Any] = {
        "name": "digits", "version": "0", "seed": 0, "pruner": "halving",
        "budget": Budget.from_text("12k"), "data": DataSource.choose("digits"), "facts": facts,
        "numerics": Numerics(), "recipe": Recipe(epochs=3, batch_size=16),
        "proposal": Fill(space=SMALL, sampler="random", presets=False),
    }  # fmt: skip
    return StudyConfig(**{**given, **fields})


def always(*events: Any) -> Callable[[TrialJob], Script]:
    """The same script for every trial."""
    return lambda job: events


def fuller_is_better(job: TrialJob) -> Script:
    """A value that tells networks apart: the share of 100k parameters."""
    return [0.3, 0.4, min(1.0, count_params(job.arch) / 100_000)]


class Storage(InMemoryStorage):
    """Optuna's, which looks for waiting trials only behind the last one: ours are queued again."""

    def get_all_trials(self, study_id: int, *rest: Any, **named: Any) -> list[FrozenTrial]:
        self._prev_waiting_trial_number[study_id] = 0
        return super().get_all_trials(study_id, *rest, **named)


@dataclass
class Scripted:
    """A study that can be run and run again, as in one process after the other."""

    config: StudyConfig = field(default_factory=config_of)
    folder: Path = field(default_factory=Path.cwd)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        with quiet_optuna():
            self.study = optuna.create_study(storage=Storage(), direction="maximize")

    def run(
        self,
        script: Mapping[int, Script] | Callable[[TrialJob], Script],
        trials: int = 3,
        *,
        slots: int = 1,
        deadline: float = math.inf,
        crash: str | None = None,
        watch: Callable[[Event], object] = lambda event: None,
    ) -> Stopped:
        self.executor = ScriptedExecutor(script, slots)

        def both(event: Event) -> object:
            self.events.append(event)
            return watch(event)

        record = Record(self.study, self.config, self.folder)
        with quiet_optuna():
            return Loop(record, self.executor, both, crash).run(trials, deadline)

    @property
    def trials(self) -> Sequence[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    @property
    def drawn(self) -> list[tuple[Any, ...]]:
        """Everything about the trials that depends on the seed."""
        return [(t.number, t.state, t.params, t.value, t.intermediate_values) for t in self.trials]

    @property
    def kinds(self) -> list[Kind]:
        return [TrialRecord(trial).kind for trial in self.trials]

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]

    @property
    def ended(self) -> list[TrialEnded]:
        return [event for event in self.events if isinstance(event, TrialEnded)]

    @property
    def submitted(self) -> list[int]:
        return [job.trial for job in self.executor.submitted]

"""`TrialRecord` and `TrialWriter`: what the storage has of a trial; nothing else knows the names.

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
from typing import Any, Generic, Self, TypeVar, Unpack

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from budgetnas.arch import COSTS, Arch, Budget
from budgetnas.errors import InputError
from budgetnas.metric import Measurements, Metric, attribute_of, unpack
from budgetnas.recipe import Recipe
from budgetnas.space import Grid, Overrides
from budgetnas.spec import parse_json
from budgetnas.study.options import Drawn

T = TypeVar("T")

NUMBERS = (
    "params", "macs", "val_accuracy", "val_balanced_accuracy", "val_loss", "epochs", "seconds",
    "selected_epoch",
)  # fmt: skip
"""Attributes that are numbers."""
ENQUEUED = "fixed_params"
"""Optuna's own attribute of a trial that was enqueued: its values."""


class Attributes(Measurements, total=False):
    """Everything that is stored of a trial, beside `excess COST` of each limit but the budget."""

    preset: str
    arch: str
    recipe: str
    params: int
    macs: int
    excess: int
    digest: str
    duplicate_of: int
    out_of_race: dict[str, Any]
    halved_batch: bool
    deaths: int
    seconds: float
    failure: str


OURS = ("arch", "params", "excess", "epochs", "duplicate_of", "out_of_race", "failure")
"""Attributes of which every trial that ended here has one."""


class Kind(StrEnum):
    """What became of a trial."""

    TRAINED = "trained"
    OVER_BUDGET = "over budget"
    DUPLICATE = "duplicate"
    OUT = "out of the race"
    FAILED = "failed"
    FOREIGN = "foreign"
    OPEN = "open"


class _Stored(Generic[T]):
    """An attribute as it is stored."""

    def __init__(self, name: str, *absent: T) -> None:
        self._name, self._absent = name, absent

    def __get__(self, record: "TrialRecord", owner: type) -> T:
        stored = record.trial.user_attrs
        found: T = stored.get(self._name, *self._absent) if self._absent else stored[self._name]
        return found


@dataclass(frozen=True)
class TrialRecord:
    """A trial: its draw, costs and measurements, and what became of it.

    Each is read when it is asked for: a study has thousands of trials, whose kind alone is counted
    after each.
    """

    trial: FrozenTrial

    params = _Stored[int]("params")
    """Trainable parameters; it is an error to ask before they are counted."""
    arch_json = _Stored[str | None]("arch", None)
    """The architecture as it is stored; None before it is drawn."""
    digest = _Stored[str | None]("digest", None)
    """The digest of its training; None before it was compared with others."""
    duplicate_of = _Stored[int | None]("duplicate_of", None)
    """The trial that trained the same."""
    failure = _Stored[str | None]("failure", None)
    """Why it failed."""
    is_halved = _Stored[bool]("halved_batch", False)
    """Whether it is trained with half the batch: the whole did not fit."""
    deaths = _Stored[int]("deaths", 0)
    """Processes that died while they trained it."""
    epochs = _Stored[int]("epochs", 0)
    """Epochs that it was trained."""
    val_loss = _Stored[float | None]("val_loss", None)
    """The loss on the validation images."""
    curves = _Stored[Mapping[str, Sequence[float]] | None]("curves", None)
    """The measurements of each epoch, under the names in `CURVES`."""
    correct_bits = _Stored[str | None]("right", None)
    """Which validation images were correct, as it is stored."""
    _elimination = _Stored[dict[str, Any] | None]("out_of_race", None)
    confusion = _Stored[Sequence[Sequence[int]] | None]("confusion", None)
    """Validation images [true class, predicted class]."""

    @classmethod
    def of(cls, trial: FrozenTrial | optuna.Trial) -> Self:
        """Read a trial; of one that this process runs, what has been written so far."""
        return cls(trial if isinstance(trial, FrozenTrial) else trial._cached_frozen_trial)

    @property
    def number(self) -> int:
        """Counted from 0."""
        return self.trial.number

    @property
    def value(self) -> float | None:
        """The study's metric; only that of a completed trial is of a whole training."""
        return self.trial.value

    @property
    def is_foreign(self) -> bool:
        """Whether it has ended and was added to the study by another program."""
        return self.trial.state.is_finished() and not any(
            name in self.trial.user_attrs for name in OURS
        )

    @property
    def enqueued(self) -> Mapping[str, Any] | None:
        """The values that somebody enqueued it with; None: the study proposes it."""
        values: Mapping[str, Any] | None = self.trial.system_attrs.get(ENQUEUED)
        return values

    @property
    def is_proposed(self) -> bool:
        """Whether it was proposed by the study: it is neither foreign nor enqueued."""
        return not (self.is_foreign or ENQUEUED in self.trial.system_attrs)

    @property
    def kind(self) -> Kind:
        """What became of it.

        Raises:
            InputError: If it is pruned and does not say why.
        """
        if self.is_foreign:
            return Kind.FOREIGN
        match self.trial.state:
            case TrialState.COMPLETE:
                return Kind.TRAINED
            case TrialState.FAIL:
                return Kind.FAILED
            case TrialState.RUNNING | TrialState.WAITING:
                return Kind.OPEN
        if self.epochs >= 1:
            return Kind.TRAINED
        if self.excess() > 0 or any(self.excess(cost) > 0 for cost in COSTS):
            return Kind.OVER_BUDGET
        if self.duplicate_of is not None:
            return Kind.DUPLICATE
        if self._elimination is not None:
            return Kind.OUT
        raise InputError(
            "a pruned trial must have epochs, excess, duplicate_of or out_of_race, "
            f"trial {self.number} has none"
        )

    @property
    def is_completed(self) -> bool:
        """Whether it was trained to its last epoch."""
        return self.trial.state is TrialState.COMPLETE and self.kind is Kind.TRAINED

    @property
    def is_stopped(self) -> bool:
        """Whether its training was stopped early."""
        return self.trial.state is TrialState.PRUNED and self.kind is Kind.TRAINED

    @property
    def is_drawn(self) -> bool:
        """Whether its architecture is known."""
        return "arch" in self.trial.user_attrs

    @property
    def is_counted(self) -> bool:
        """Whether its costs are known, all of them: this one is written last."""
        return "excess" in self.trial.user_attrs

    @property
    def arch(self) -> Arch:
        """The architecture.

        Raises:
            InputError: If the storage has something that can't be.
        """
        return Arch.from_json(self.trial.user_attrs["arch"], f"trial {self.number}")

    @property
    def overrides(self) -> Overrides:
        """Recipe fields that it drew.

        Raises:
            InputError: If the storage has something that can't be.
        """
        where = f"trial {self.number}"
        return Overrides.parse(parse_json(self.trial.user_attrs.get("recipe", "{}"), where), where)

    @property
    def drawn(self) -> Drawn:
        """Its draw, to be trained again."""
        return Drawn(self.number, self.arch, self.overrides)

    def cost(self, name: str) -> int | None:
        """Return what it costs, by a name in `COSTS`; None before it is counted."""
        cost: int | None = self.trial.user_attrs.get(name)
        return cost

    def excess(self, cost: str | None = None) -> int:
        """Return how far it exceeds the budget, or a limit beside it; 0 before it is counted.

        Args:
            cost: What the other limit is of, by its name in `COSTS`.
        """
        excess: int = self.trial.user_attrs.get(_excess_of(cost), 0)
        return excess

    @property
    def eliminated_after(self) -> int | None:
        """The complete rounds of a race after which its configuration was out."""
        why = self._elimination
        return None if why is None else why["after"]

    @property
    def numbers(self) -> dict[str, float | None]:
        """Its `NUMBERS`, as far as they are known."""
        return {name: self.trial.user_attrs.get(name) for name in NUMBERS}

    def measured(self, metric: Metric | None = None) -> float | None:
        """Return what it measured when it was completed; None if it was not.

        Args:
            metric: By which number; the study's own, which is the trial's value, by default.

        Raises:
            InputError: If that is not known of the trial.
        """
        if self.trial.state is not TrialState.COMPLETE or metric is None:
            return self.value
        found = self.trial.user_attrs.get(attribute_of(metric))
        if not isinstance(found, float | int):
            raise InputError(
                f"every completed trial must have {attribute_of(metric)} to be compared by "
                f"{metric}, trial {self.number} has none"
            )
        return float(found)

    def correct(self, images: int) -> NDArray[np.bool_] | None:
        """Return which of N validation images were correct; None if that is not known."""
        return unpack(self.correct_bits, images)

    def check(self) -> None:
        """Check that it has what a trial of its kind has.

        Raises:
            ValueError: If it has not.
            LookupError: If it does not have what was drawn.
            InputError: If it is pruned and does not say why.
        """
        if self.is_foreign:
            return
        kind = self.kind
        if self.is_counted or kind is Kind.TRAINED:
            _ = self.arch
            for name in ("params", "macs", "excess"):
                if not isinstance(self.trial.user_attrs[name], int):
                    raise ValueError(f"trial {self.number}: {name} must be a whole number")
        if kind is Kind.TRAINED and not self.epochs >= 1:
            raise ValueError(f"trial {self.number} was completed without an epoch")
        if self.trial.state is TrialState.COMPLETE and self.value is None:
            raise ValueError(f"trial {self.number} was completed without a value")


@dataclass(frozen=True)
class TrialWriter:
    """Writes what a `TrialRecord` reads, within the transaction of its caller."""

    trial: optuna.Trial

    def _write(self, **attributes: Unpack[Attributes]) -> None:
        for name, value in attributes.items():
            self.trial.set_user_attr(name, value)

    def drawn(self, arch: Arch, overrides: Overrides | None, preset: str | None) -> None:
        """Write what it drew.

        Args:
            arch: The architecture.
            overrides: Recipe fields.
            preset: The architecture's name, if it is a published one.
        """
        if preset:
            self._write(preset=preset)
        self._write(arch=arch.to_json())
        if overrides and overrides != Overrides():
            self._write_recipe(overrides)

    def _write_recipe(self, overrides: Overrides) -> None:
        self._write(recipe=overrides.model_dump_json(exclude_none=True))

    def counted(self, params: int, macs: int, over: Mapping[Budget, int]) -> None:
        """Write what it costs, and by how much it exceeds limits, the budget first."""
        self._write(params=params, macs=macs)
        budget, *_ = over
        for limit, excess in over.items():
            if limit.cost not in self.trial.constraints:  # of two limits of one cost the budget's
                self.trial.set_constraint(limit.cost, excess / limit.limit)
            if limit is not budget:
                self.trial.set_user_attr(_excess_of(limit.cost), excess)
        self._write(excess=over[budget])

    def digest(self, digest: str) -> None:
        """Write what identifies its training, the first of its kind."""
        self._write(digest=digest)

    def duplicate(self, number: int) -> None:
        """Write which trial trained the same."""
        self._write(duplicate_of=number)

    def eliminated(self, why: dict[str, Any]) -> None:
        """Write why its configuration is out of a race."""
        self._write(out_of_race=why)

    def trained(self, measurements: Measurements, seconds: float) -> None:
        """Write what its training measured, and the seconds that it took."""
        self._write(**measurements, seconds=round(seconds, 3))

    def failed(self, reason: str) -> None:
        """Write why it failed."""
        self._write(failure=reason)

    def halved(self, overrides: Overrides) -> None:
        """Write the recipe fields with which half the batch is trained."""
        self._write(halved_batch=True)
        self._write_recipe(overrides)

    def died(self, deaths: int) -> None:
        """Write how many processes have died while they trained it."""
        self._write(deaths=deaths)


def _excess_of(cost: str | None) -> str:
    return "excess" if cost is None else f"excess {cost}"


def training_key(arch: Arch, recipe: Recipe, images: int) -> str:
    """Identify a training on N images, but for the seed."""
    return f"{arch.digest()}/{recipe.canonical(images).model_dump_json()}"


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
    """Check that the trials of a study are all there, and ours are whole.

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

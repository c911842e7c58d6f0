"""Training one trial, without Optuna: the caller judges each epoch.

The same code runs in the process of the search and in worker processes. Those import neither
Optuna nor spaces, which would take as long as torch does.
"""

import hashlib
import re
from collections.abc import Callable, Container, Generator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from torch import Tensor

from budgetnas.arch import Arch
from budgetnas.data.images import ImageSet
from budgetnas.errors import InputError, OutOfMemory, TrialFailed
from budgetnas.metric import BUILT_IN, CURVES, Measurements, attribute_of, measure, pack
from budgetnas.recipe import Numerics, Recipe
from budgetnas.train import (
    BackgroundCheckpoint,
    Epoch,
    Fit,
    History,
    State,
    TrainingData,
    batch_bounds,
    give_memory_back,
)

if TYPE_CHECKING:
    from budgetnas.metric import Metric
    from budgetnas.study import StudyConfig


_CHECKPOINT = re.compile(r"trial-(\d+)-[0-9a-f]{8}\.safetensors", re.ASCII)

FEW_CLASSES = 20
"""Up to this many classes a trial's confusion matrix is always kept."""


@dataclass(frozen=True)
class TrialSettings:
    """Settings that all trainings of a study share."""

    definition: dict[str, Any]
    """Everything that its trials depend on."""
    metric: "Metric"
    """The metric of comparisons."""
    best: bool
    """Whether a trial counts by its best epoch, not by its last."""
    confusion: bool
    """Whether to keep the confusion matrix."""
    numerics: Numerics
    """The arithmetic."""

    @classmethod
    def of(cls, config: "StudyConfig") -> Self:
        """Read them from a study's configuration."""
        best = config.select == "best"
        confusion = config.confusion or len(config.facts.classes) <= FEW_CLASSES
        confusion |= config.metric not in BUILT_IN
        return cls(config.definition(), config.metric, best, confusion, config.numerics)


@dataclass(frozen=True)
class TrialJob:
    """One training to run."""

    trial: int
    """The trial's number."""
    arch: Arch
    recipe: Recipe
    seed: int
    """The trial's, which its other seeds are derived from."""


@dataclass(frozen=True)
class EpochResult:
    """An epoch is trained; the training waits for a `Decision`."""

    epoch: int
    """Counted from 1."""
    measured: float
    """The study's metric on the validation images after this epoch, in [0, 1]."""
    value: float
    """The trial's value if it ends here, in [0, 1]."""
    attributes: Measurements
    """The trial's user attributes if it ends here."""
    seconds: float
    """Wall-clock time of all its epochs, in earlier processes too."""
    notices: tuple[str, ...] = ()
    """Parts that did not run as fast as they could, and why."""


@dataclass(frozen=True)
class CheckpointDamaged:
    """The trial's checkpoint can't be read; training starts from the first epoch."""

    text: str


@dataclass(frozen=True)
class Suspended:
    """The training has stopped and can be continued from its checkpoint."""


@dataclass(frozen=True)
class Failed:
    """The training has ended for a known reason."""

    reason: str
    memory: bool
    """Whether it ran out of memory."""


@dataclass(frozen=True, eq=False)
class Broke:
    """The training raised an exception that no trial should raise."""

    error: Exception


@dataclass(frozen=True)
class ProcessExited:
    """The process that trained the trial has exited."""

    reason: str


TrialEvent: TypeAlias = (
    EpochResult | CheckpointDamaged | Suspended | Failed | Broke | ProcessExited
)
"""An executor's report of a trial."""


def is_final(event: TrialEvent) -> bool:
    """Return whether the training is over; an `EpochResult` waits for a decision."""
    return not isinstance(event, EpochResult | CheckpointDamaged)


class Decision(Enum):
    """What a training does after an epoch."""

    CONTINUE = auto()
    SUSPEND = auto()
    """Write the checkpoint and stop; the trial is continued another time."""
    STOP = auto()
    """The trial has ended."""


Training: TypeAlias = Generator[TrialEvent, Decision | None, None]


def train_trial(
    settings: TrialSettings, folder: Path, data: TrainingData, job: TrialJob
) -> Training:
    """Train a trial from its checkpoint, if it has one; yield what happens.

    A caller that ends the trial closes the generator.

    Args:
        settings: The study's.
        folder: The study's, where checkpoints are kept.
        data: The images and the arithmetic.
        job: The trial's arch, recipe and seed.
    """
    try:
        yield from _epochs(settings, folder, data, job)
        return
    except TrialFailed as error:
        final: TrialEvent = Failed(str(error), isinstance(error, OutOfMemory))
    except Exception as error:
        final = Broke(error)
    # not in that block: the exception holds the network in memory
    if isinstance(final, Failed) and final.memory:
        give_memory_back()
    yield final


def _epochs(settings: TrialSettings, folder: Path, data: TrainingData, job: TrialJob) -> Training:
    # the same trial with half the batch is another training, as is another study's
    recipe = job.recipe.model_dump_json()
    training = (job.trial, settings.definition, job.arch.to_json(), recipe)
    digest = hashlib.sha256(repr(training).encode())
    path = folder / f"trial-{job.trial}-{digest.hexdigest()[:8]}.safetensors"
    assert data.val is not None, "trials are validated"
    history = TrialHistory(settings, data.val)
    with BackgroundCheckpoint(path) as checkpoint:
        fit = Fit(
            job.arch, job.recipe, job.seed, history, checkpoint, digest.digest(),
            "damaged: of another training",
        )  # fmt: skip
        try:
            fit.resume()
        except InputError as error:  # which costs the epochs it held, not the search
            yield CheckpointDamaged(f"{error}; its trial begins again")
        for epoch in fit.epochs(data):
            checkpoint.settle()  # before it is judged: a trial that ends has its file removed
            decision = yield EpochResult(
                epoch.number, history.last, history.value, history.attributes(),
                fit.seconds, epoch.notices,
            )  # fmt: skip
            fit.save(epoch)  # only after the judgement: what goes on from here has been judged
            if decision is Decision.SUSPEND:
                checkpoint.settle()
                yield Suspended()
                return


class TrialHistory(History):
    """The epochs of a trial so far, its best one's predictions among them."""

    def __init__(self, settings: TrialSettings, val: ImageSet) -> None:
        metric = self._metric = attribute_of(settings.metric)
        self._val, self._keeps_confusion = val, settings.confusion
        columns: dict[str, str | Callable[[Epoch], float]] = {name: name for name in CURVES}
        if metric not in columns:
            columns[metric] = lambda epoch: measure(
                settings.metric, _confusion(epoch, val).numpy()
            )
        by = (self._metric, "val_loss") if settings.best else None
        super().__init__(columns, by, self._predicted)

    def _predicted(self, epoch: Epoch) -> State:
        """Return which images are correct, and, if asked for, the counts of the confusion."""
        assert epoch.val_predictions is not None, "trials are validated"
        correct = {"right": epoch.val_predictions == self._val.labels.cpu()}
        if not self._keeps_confusion:
            return correct
        return correct | {"confusion": _confusion(epoch, self._val)}

    @property
    def last(self) -> float:
        """The study's metric after the last epoch, in [0, 1]."""
        return self.rows[-1][self._metric]

    @property
    def value(self) -> float:
        """The study's metric after the epoch that counts, in [0, 1]."""
        return self.rows[self.selected - 1][self._metric]

    def attributes(self) -> Measurements:
        """Return what the trial's storage keeps, the selected epoch's accuracy among it."""
        row = self.rows[self.selected - 1]
        attributes: Measurements = {
            "val_accuracy": row["val_accuracy"],
            "val_balanced_accuracy": row["val_balanced_accuracy"],
            "val_loss": row["val_loss"],
            "epochs": len(self.rows),
            "selected_epoch": self.selected,
            "curves": {name: [each[name] for each in self.rows] for name in row},
            # by class, so that the classes' sizes tell which class each image is of
            "right": pack(self.best["right"][self._val.labels.cpu().argsort(stable=True)].numpy()),
        }
        if self._keeps_confusion:
            attributes["confusion"] = self.best["confusion"].tolist()
        return {**attributes, self._metric: row[self._metric]}  # type: ignore[misc]  # any name


def _confusion(epoch: Epoch, val: ImageSet) -> Tensor:
    assert epoch.val_predictions is not None, "trials are validated"
    return val.confusion(epoch.val_predictions)


def forget_ended(folder: Path, open_trials: Container[int]) -> None:
    """Remove the checkpoints of trials that have ended, whenever and with whatever recipe."""
    for path in folder.iterdir():
        ours = _CHECKPOINT.fullmatch(path.name)
        if ours and int(ours[1]) not in open_trials:
            path.unlink(missing_ok=True)


def describe_training(arch: Arch, recipe: Recipe, images: int, numerics: Numerics) -> str:
    """Return what a report of a crash needs: the network, the batches and the arithmetic.

    Args:
        arch: The network.
        recipe: How it is trained.
        images: How many it is trained on.
        numerics: In which arithmetic.
    """
    bounds = batch_bounds(images, min(recipe.batch_size, images))
    first, last = (stop - start for start, stop in (bounds[0], bounds[-1]))
    batches = f"batches of {first}" + f" and a last one of {last}" * (last != first)
    return f"{arch}, {batches}, {numerics.describe()}"

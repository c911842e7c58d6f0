"""Training one trial, without Optuna: the caller judges each epoch.

The same code runs in the process of the search and in worker processes.
"""

import time
from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TypeAlias

from budgetnas.arch import Arch
from budgetnas.errors import OutOfMemory, TrialFailed
from budgetnas.executors._course import Course
from budgetnas.executors._kept import KeptTrial
from budgetnas.executors._shared import TrialData, TrialSettings
from budgetnas.recipe import Numerics, Recipe
from budgetnas.study.measurements import Measurements
from budgetnas.train.engine import Epoch
from budgetnas.train.memory import give_memory_back
from budgetnas.train.step import batch_bounds


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
    """What did not run as fast as it could, and why."""


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
"""What an executor reports of a trial."""


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


def train_trial(settings: TrialSettings, folder: Path, data: TrialData, job: TrialJob) -> Training:
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


def _epochs(settings: TrialSettings, folder: Path, data: TrialData, job: TrialJob) -> Training:
    arch, recipe = job.arch, job.recipe
    course, damages = Course(settings, data.val), list[str]()
    with KeptTrial(folder, job.trial, settings, arch, recipe) as kept:
        state, before = kept.read(course, damages.append)
        yield from map(CheckpointDamaged, damages)
        started = time.perf_counter() - before
        for epoch in data.train(arch, recipe, job.seed, state):
            course.add(epoch)
            kept.settle()  # before it is judged: a trial that ends has its checkpoint removed
            decision = yield _result(epoch, course, time.perf_counter() - started)
            # only after the judgement: what goes on from here has been judged
            kept.write(epoch.state(), course, time.perf_counter() - started)
            if decision is Decision.SUSPEND:
                kept.settle()
                yield Suspended()
                return


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


def _result(epoch: Epoch, course: Course, seconds: float) -> EpochResult:
    return EpochResult(
        epoch.number, course.last, course.value, course.attributes(), seconds, epoch.notices
    )

"""A trial's training, the half without Optuna: whoever listens judges each epoch.

It is the same in the process of the search and in workers of their own.
"""

import time
from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TypeAlias

from budgetnas.arch import Arch
from budgetnas.errors import OutOfMemory, TrialFailed
from budgetnas.recipe import Numerics, Recipe
from budgetnas.searching.conditions import Conditions
from budgetnas.searching.course import Course
from budgetnas.searching.kept import KeptTrial
from budgetnas.searching.task import Task
from budgetnas.train.engine import Epoch
from budgetnas.train.memory import give_memory_back
from budgetnas.train.step import batch_bounds


@dataclass(frozen=True)
class Assignment:
    """What a trial trains."""

    trial: int
    """Its number."""
    arch: Arch
    recipe: Recipe
    seed: int
    """The trial's, which its other seeds are derived from."""


@dataclass(frozen=True)
class Trained:
    """One more epoch is trained, and waits to be judged."""

    epoch: int
    """Counted from 1."""
    measured: float
    """The study's metric on the validation images after this epoch, in [0, 1]."""
    value: float
    """The trial's, if it ends here."""
    attributes: dict[str, object]
    """What the trial's storage shall say, if it ends here."""
    seconds: float
    """Wall-clock time of all its epochs, earlier processes' among them."""
    notices: tuple[str, ...] = ()
    """What did not run as fast as it might, and why."""


@dataclass(frozen=True)
class Damaged:
    """What was kept of the trial is damaged; it begins again."""

    text: str


@dataclass(frozen=True)
class Kept:
    """The training has stopped, and goes on from here another time."""


@dataclass(frozen=True)
class Failed:
    """The training has ended for a known reason."""

    reason: str
    memory: bool
    """Whether there was no memory for it."""


@dataclass(frozen=True, eq=False)
class Broke:
    """Something broke that no trial should break."""

    error: Exception


@dataclass(frozen=True)
class Died:
    """The process of the training is gone."""

    how: str


Said: TypeAlias = Trained | Damaged | Kept | Failed | Broke | Died
"""What is heard of a training."""


def is_last(said: Said) -> bool:
    """Say whether nothing comes after it; after `Trained` an answer is waited for."""
    return not isinstance(said, Trained | Damaged)


class Answer(Enum):
    """What becomes of a training after an epoch."""

    GO_ON = auto()
    KEEP = auto()
    """It goes on another time."""
    END = auto()
    """Its trial has ended."""


Training: TypeAlias = Generator[Said, Answer | None, None]


def training(conditions: Conditions, folder: Path, task: Task, assignment: Assignment) -> Training:
    """Train what is assigned, from where it stopped; say what becomes of it.

    Whoever ends its trial closes it instead of asking for more.

    Args:
        conditions: The study's.
        folder: The study's, where finished epochs are kept.
        task: The images, and the arithmetic.
        assignment: The trial's arch, recipe and seed.
    """
    try:
        yield from _epochs(conditions, folder, task, assignment)
        return
    except TrialFailed as error:
        last_word: Said = Failed(str(error), isinstance(error, OutOfMemory))
    except Exception as error:
        last_word = Broke(error)
    # not in that block: the exception holds the network in memory
    if isinstance(last_word, Failed) and last_word.memory:
        give_memory_back()
    yield last_word


def _epochs(conditions: Conditions, folder: Path, task: Task, assignment: Assignment) -> Training:
    arch, recipe = assignment.arch, assignment.recipe
    course, damages = Course(conditions, task.val), list[str]()
    with KeptTrial(folder, assignment.trial, conditions, arch, recipe) as kept:
        state, before = kept.read(course, damages.append)
        yield from map(Damaged, damages)
        started = time.perf_counter() - before
        for epoch in task.train(arch, recipe, assignment.seed, state):
            course.add(epoch)
            kept.settle()  # before anybody judges: who ends a trial removes what was kept of it
            answer = yield _trained(epoch, course, time.perf_counter() - started)
            # only after the judgement: what goes on from here has been judged
            kept.write(epoch.state(), course, time.perf_counter() - started)
            if answer is Answer.KEEP:
                kept.settle()
                yield Kept()
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


def _trained(epoch: Epoch, course: Course, seconds: float) -> Trained:
    return Trained(
        epoch.number, course.last, course.value, course.attributes(), seconds, epoch.notices
    )

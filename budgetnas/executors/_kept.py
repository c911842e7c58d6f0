"""`KeptTrial`: the finished epochs of a running trial, which outlive an interruption.

It costs the epoch that was being trained; a kill, at worst the one before it, too.
"""

import hashlib
import re
from collections.abc import Callable, Container
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

import torch

from budgetnas.arch import Arch
from budgetnas.errors import InputError
from budgetnas.executors._course import Course
from budgetnas.executors._shared import TrialSettings
from budgetnas.recipe import Recipe
from budgetnas.train.checkpoint import epochs_done, read_tensors, write_tensors
from budgetnas.train.engine import State

_OURS = "trial."
"""What is kept beside the engine's state begins so."""

_NAME = re.compile(r"trial-(\d+)-[0-9a-f]{8}\.safetensors", re.ASCII)


class KeptTrial:
    """A file in the study's folder that exists only while its trial is open.

    A context manager, at whose end nothing is being written any more.
    """

    def __init__(
        self, folder: Path, number: int, settings: TrialSettings, arch: Arch, recipe: Recipe
    ) -> None:
        # the same trial with half the batch is another training, as is another study's
        training = (number, settings.definition, arch.to_json(), recipe.model_dump_json())
        digest = hashlib.sha256(repr(training).encode())
        self.path = folder / f"trial-{number}-{digest.hexdigest()[:8]}.safetensors"
        self._training = torch.tensor(list(digest.digest()), dtype=torch.uint8)
        self._epochs = recipe.epochs
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.shutdown()

    def read(self, course: Course, say: Callable[[str], None]) -> tuple[State | None, float]:
        """Return the state to continue from and the seconds it took; None and 0 from the start.

        A damaged file costs the epochs it held, not the search: it is named.

        Args:
            course: Gets back what the epochs measured.
            say: Told what is damaged.
        """
        if not self.path.is_file():
            return None, 0.0
        try:
            state = read_tensors(self.path)
            kept = {name: state.pop(name) for name in list(state) if name.startswith(_OURS)}
            ours = {name.removeprefix(_OURS): value for name, value in kept.items()}
            if not torch.equal(ours["training"], self._training):
                raise InputError("of another training")
            seconds = float(ours["seconds"])
            course.load(ours, epochs_done(state, self.path, self._epochs))  # last: all is there
            return state, seconds
        except (InputError, KeyError, RuntimeError) as error:
            named = str(error).removeprefix(f"{self.path}: ").removeprefix("damaged: ")
            say(f"{self.path}: damaged: {named}; its trial begins again")
            return None, 0.0

    def write(self, state: State, course: Course, seconds: float) -> None:
        """Begin to keep the state after an epoch that has been judged.

        The next epoch is trained meanwhile: a checksum and a file of 60 MB take 0.2 s, much of a
        short epoch. Nobody waits until it is on the disk, either: after a crash of the whole
        machine the checksum tells.
        """
        ours = {"seconds": torch.tensor(seconds), "training": self._training, **course.tensors()}
        kept = {f"{_OURS}{name}": value for name, value in ours.items()}
        self._writing = self._writer.submit(
            write_tensors, self.path, {**state, **kept}, durable=False
        )

    def settle(self) -> None:
        """Wait until what is being written is there, or say why it can't be."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None


def forget_ended(folder: Path, open_trials: Container[int]) -> None:
    """Let go of the trials that have ended, whenever that was and whatever their recipe."""
    for path in folder.iterdir():
        ours = _NAME.fullmatch(path.name)
        if ours and int(ours[1]) not in open_trials:
            path.unlink(missing_ok=True)

"""`KeptTrial`: the finished epochs of a running trial; an interruption costs one at most."""

import hashlib
import re
from collections.abc import Callable, Container
from pathlib import Path

import torch

from budgetnas.arch import Arch
from budgetnas.errors import InputError
from budgetnas.recipe import Recipe
from budgetnas.searching.course import Course
from budgetnas.study.config import StudyConfig
from budgetnas.train.checkpoint import epochs_done, read_tensors, write_tensors
from budgetnas.train.engine import State

_OURS = "trial."
"""What is kept beside the engine's state begins so."""

_NAME = re.compile(r"trial-(\d+)-[0-9a-f]{8}\.safetensors", re.ASCII)


class KeptTrial:
    """A file in the study's folder that exists only while its trial is open."""

    def __init__(
        self, folder: Path, number: int, config: StudyConfig, arch: Arch, recipe: Recipe
    ) -> None:
        # the same trial with half the batch is another training, as is another study's
        training = (number, config.definition(), arch.to_json(), recipe.model_dump_json())
        digest = hashlib.sha256(repr(training).encode())
        self.path = folder / f"trial-{number}-{digest.hexdigest()[:8]}.safetensors"
        self._training = torch.tensor(list(digest.digest()), dtype=torch.uint8)
        self._epochs = recipe.epochs

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
        """Keep the state after an epoch that has been judged.

        It is not waited for until it is on the disk: that would cost as much as a short epoch,
        and after a crash of the whole machine the checksum tells.
        """
        ours = {"seconds": torch.tensor(seconds), "training": self._training, **course.tensors()}
        kept = {f"{_OURS}{name}": value for name, value in ours.items()}
        write_tensors(self.path, {**state, **kept}, durable=False)


def forget_ended(folder: Path, open_trials: Container[int]) -> None:
    """Let go of the trials that have ended, whenever that was and whatever their recipe."""
    for path in folder.iterdir():
        ours = _NAME.fullmatch(path.name)
        if ours and int(ours[1]) not in open_trials:
            path.unlink(missing_ok=True)

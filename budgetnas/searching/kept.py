"""`KeptTrial`: the finished epochs of a running trial; an interruption costs one at most."""

import hashlib
from collections.abc import Callable, Container
from pathlib import Path

import torch

from budgetnas.errors import InputError
from budgetnas.recipe import Recipe
from budgetnas.train.checkpoint import epochs_done, read_tensors, write_tensors
from budgetnas.train.engine import State


class KeptTrial:
    """A file in the study's folder that exists only while its trial is open."""

    def __init__(self, folder: Path, number: int, recipe: Recipe) -> None:
        # the same trial with half the batch is another training
        digest = hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()[:8]
        self.path = folder / f"trial-{number}-{digest}.safetensors"
        self._epochs = recipe.epochs

    def read(self, say: Callable[[str], None]) -> tuple[State | None, float]:
        """Return the state to continue from and the seconds it took; None and 0 from the start.

        A damaged file costs the epochs it held, not the search: it is named, and forgotten.
        """
        if not self.path.is_file():
            return None, 0.0
        try:
            state = read_tensors(self.path)
            epochs_done(state, self.path, self._epochs)
            seconds = float(state.pop("seconds"))
        except (InputError, KeyError, RuntimeError) as error:
            say(f"{error}; its trial begins again")
            return None, 0.0
        return state, seconds

    def write(self, state: State, seconds: float) -> None:
        """Keep the state after an epoch that has been judged.

        It is not waited for until it is on the disk: that would cost as much as a short epoch,
        and after a crash of the whole machine the checksum tells.
        """
        write_tensors(self.path, {**state, "seconds": torch.tensor(seconds)}, durable=False)

    def forget(self) -> None:
        """Let go of a trial that has ended, whatever its recipe was."""
        number = self.path.name.split("-")[1]
        for path in self.path.parent.glob(f"trial-{number}-*.safetensors"):
            path.unlink(missing_ok=True)


def forget_ended(folder: Path, open_trials: Container[int]) -> None:
    """Let go of trials that had ended when the search was killed, before it could do so."""
    for path in folder.glob("trial-*-*.safetensors"):
        number = path.name.split("-")[1]
        if not (number.isdecimal() and int(number) in open_trials):
            path.unlink(missing_ok=True)

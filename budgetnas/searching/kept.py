"""`KeptTrial`: the finished epochs of a trial that was interrupted."""

import hashlib
from pathlib import Path

import torch

from budgetnas.errors import InputError
from budgetnas.recipe import Recipe
from budgetnas.train.checkpoint import read_tensors, write_tensors
from budgetnas.train.engine import State


class KeptTrial:
    """A file in the study's folder that exists only while a trial waits to be taken up again."""

    def __init__(self, folder: Path, number: int, recipe: Recipe) -> None:
        # the same trial with half the batch is another training
        digest = hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()[:8]
        self.path = folder / f"trial-{number}-{digest}.safetensors"

    def read(self) -> tuple[State | None, float]:
        """Return the state to continue from and the seconds it took; None and 0 from the start.

        A damaged file costs the epochs it held, not the search.
        """
        if not self.path.is_file():
            return None, 0.0
        try:
            state = read_tensors(self.path)
            seconds = float(state.pop("seconds"))
        except (InputError, KeyError, RuntimeError):
            return None, 0.0
        return state, seconds

    def write(self, state: State | None, seconds: float) -> None:
        """Keep the state after the last finished epoch, if there is one."""
        if state is not None:
            write_tensors(self.path, {**state, "seconds": torch.tensor(seconds)})

    def forget(self) -> None:
        """Let go of a trial that has ended."""
        self.path.unlink(missing_ok=True)

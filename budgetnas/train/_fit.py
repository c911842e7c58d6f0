"""`Fit`: the driver of every training, of a trial and of a retraining: continue, train, save."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import torch

from budgetnas.arch import Arch
from budgetnas.data.images import ImageSet, Statistics
from budgetnas.errors import InputError
from budgetnas.recipe import Normalization, Numerics, Recipe
from budgetnas.seeds import derive_seed
from budgetnas.train._checkpoint import BackgroundCheckpoint, Checkpoints, epochs_done
from budgetnas.train._device import memory_guard
from budgetnas.train._engine import Epoch, State, recipe_statistics, train
from budgetnas.train._optim import initial_model

Row: TypeAlias = dict[str, float]
"""The metrics of one epoch."""

_METRICS, _BEST = "metrics", "best."
"""In a checkpoint, the table, and what the names of the epoch's tensors begin with."""


class History:
    """The epochs of a training so far, which every checkpoint holds."""

    def __init__(
        self,
        columns: Mapping[str, str | Callable[[Epoch], float]],
        by: tuple[str, str] | None,
        keep: Callable[[Epoch], State],
    ) -> None:
        """Begin without epochs.

        Args:
            columns: The metrics to keep, each with its attribute of `Epoch` or a function of it.
            by: The columns of the metric and the loss that choose the epoch that counts: the
                highest metric, of equals the lowest loss, then the first. None: the last counts.
            keep: Returns what to keep of the epoch that counts.
        """
        self._columns, self._by, self._keep = columns, by, keep
        self.rows: list[Row] = []
        self.best: State = {}

    def add(self, epoch: Epoch) -> Row:
        row = {
            name: float(of(epoch) if callable(of) else getattr(epoch, of))
            for name, of in self._columns.items()
        }
        self.rows.append(row)
        if self.selected == len(self.rows):
            self.best = self._keep(epoch)
        return row

    @property
    def selected(self) -> int:
        """The number of the epoch that counts if the training ended now, from 1."""
        if self._by is None:
            return len(self.rows)
        metric, loss = self._by
        keys = [(row[metric], -row[loss]) for row in self.rows]
        return keys.index(max(keys)) + 1

    def tensors(self) -> State:
        """Return what a checkpoint holds of it."""
        table = torch.tensor([list(row.values()) for row in self.rows], dtype=torch.float64)
        return {_METRICS: table} | {_BEST + name: value for name, value in self.best.items()}

    def load(self, state: State, epochs: int) -> None:
        """Continue from a checkpoint after this number of epochs.

        Raises:
            InputError: If it does not have them all.
        """
        table = state.get(_METRICS)
        if table is None or table.shape != (epochs, len(self._columns)):
            raise InputError("it must have the metrics of each of its epochs")
        self.rows = [dict(zip(self._columns, row, strict=True)) for row in table.tolist()]
        self.best = named(state, _BEST)


def named(state: State, prefix: str) -> State:
    """Return the tensors of a checkpoint whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix)
    }


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What trainings share: images, the device that they are on, and the arithmetic."""

    images: ImageSet
    """Images to train on."""
    val: ImageSet | None
    """Images to evaluate on after every epoch, if any."""
    numerics: Numerics
    """The arithmetic."""
    measured: dict[Normalization, Statistics] = field(default_factory=dict, repr=False)
    """The statistics that images are normalised by, as far as they are known."""

    def to(self, device: torch.device) -> "TrainingData":
        """Return the data with its images on a device, and ready to be gathered.

        What was measured of them goes along.
        """
        val = None if self.val is None else self.val.to(device)
        return replace(self, images=self.images.to(device).packed(), val=val)

    def statistics(self, recipe: Recipe) -> Statistics:
        """Return what images are normalised by; measured once."""
        known = self.measured
        if recipe.normalize not in known:
            with memory_guard("the images"):
                known[recipe.normalize] = recipe_statistics(recipe, self.images)
        return known[recipe.normalize]

    def train(
        self, arch: Arch, recipe: Recipe, seed: int, state: State | None = None
    ) -> Iterator[Epoch]:
        """Train a network, epoch by epoch; with a state of `Epoch.state`, after that epoch."""
        with memory_guard("the network"):
            model = initial_model(arch, recipe.init, derive_seed(seed, "init"))
        yield from train(
            model, self.images, recipe, self.numerics, seed,
            statistics=self.statistics(recipe), val=self.val, state=state,
        )  # fmt: skip


@dataclass(eq=False)
class Fit:
    """A training that is continued where its newest checkpoint was written."""

    arch: Arch
    recipe: Recipe
    seed: int
    """What the training's other seeds are derived from."""
    history: History
    checkpoints: Checkpoints | BackgroundCheckpoint
    definition: bytes
    """A digest of everything that the training depends on."""
    foreign: str
    """What is wrong with a checkpoint that has another digest, for people."""
    _state: State | None = None
    _started: float = field(default_factory=time.perf_counter)

    def resume(
        self,
        say: Callable[[str], object] = lambda text: None,
        check: Callable[[State, Path], None] = lambda state, path: None,
    ) -> None:
        """Read the newest good checkpoint, if there is one.

        Args:
            say: Called with a line about each that is damaged, where there is a good one.
            check: Raises `InputError` for a checkpoint that can't be continued from.

        Raises:
            InputError: If there are checkpoints, but none is good.
        """

        def check_all(state: State, path: Path) -> None:
            self._check(state, path)
            check(state, path)

        state = self.checkpoints.read(check_all, say)
        if state is not None:
            # what the engine knows
            self._state = {n: value for n, value in state.items() if not n.startswith(_BEST)}
            self._started -= float(state.get("seconds", 0.0))

    def _check(self, state: State, path: Path) -> None:
        done = epochs_done(state, path, self.recipe.epochs)
        if not torch.equal(state.get("definition", torch.empty(0)), self._digest()):
            raise InputError(f"{path}: {self.foreign}")
        try:
            self.history.load(state, done)
        except InputError as error:
            raise InputError(f"{path}: damaged: {error}") from None

    def epochs(self, data: TrainingData) -> Iterator[Epoch]:
        """Train epoch by epoch; each is in the history, and not saved yet."""
        state, self._state = self._state, None
        for epoch in data.train(self.arch, self.recipe, self.seed, state):
            self.history.add(epoch)
            yield epoch

    def save(self, epoch: Epoch, **more: torch.Tensor) -> None:
        """Write a checkpoint after an epoch, before the next one is asked for."""
        known = {"definition": self._digest(), "seconds": torch.tensor(self.seconds)}
        self.checkpoints.write({**epoch.state(), **self.history.tensors(), **known, **more})

    @property
    def seconds(self) -> float:
        """Wall-clock time of all epochs, those of earlier processes included."""
        return time.perf_counter() - self._started

    def _digest(self) -> torch.Tensor:
        return torch.tensor(list(self.definition), dtype=torch.uint8)

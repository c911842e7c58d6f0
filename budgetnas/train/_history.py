"""`History`: the metrics of a training's epochs, and what is kept of the epoch that counts."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch

from budgetnas.errors import InputError
from budgetnas.train._engine import Epoch, State

Row: TypeAlias = dict[str, float]
"""The metrics of one epoch."""

_METRICS, _BEST = "metrics", "best."
"""In a checkpoint, the table, and what the names of the epoch's tensors begin with."""


class History:
    """The epochs of a training so far, which every checkpoint holds."""

    def __init__(
        self,
        columns: Mapping[str, str],
        by: tuple[str, str] | None,
        keep: Callable[[Epoch], State],
    ) -> None:
        """Begin without epochs.

        Args:
            columns: The metrics to keep, each with its attribute of `Epoch`.
            by: The columns of the metric and the loss that choose the epoch that counts: the
                highest metric, of equals the lowest loss, then the first. None: the last counts.
            keep: Returns what to keep of the epoch that counts.
        """
        self._columns, self._by, self._keep = columns, by, keep
        self.rows: list[Row] = []
        self.best: State = {}

    def add(self, epoch: Epoch) -> Row:
        """Add an epoch that has just been trained."""
        row = {name: float(getattr(epoch, metric)) for name, metric in self._columns.items()}
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


def without_history(state: State) -> State:
    """Leave out of a checkpoint what the engine does not know."""
    return {name: value for name, value in state.items() if not name.startswith(_BEST)}

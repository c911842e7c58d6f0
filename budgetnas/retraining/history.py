"""`History`: the metrics of a run's epochs so far, and the weights of the best of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias

import pandas as pd
import torch

from budgetnas.errors import InputError
from budgetnas.retraining.run import RunConfig
from budgetnas.retraining.selection import SELECTIONS
from budgetnas.study.metric import attribute_of
from budgetnas.train.engine import Epoch, State

Row: TypeAlias = dict[str, float]
"""The metrics of one epoch."""

BEST = "best."
"""In a checkpoint, what the names of the best epoch's weights begin with."""


@dataclass
class History:
    """What a run knows of its epochs, and keeps in every checkpoint."""

    config: RunConfig
    """What defines the run."""
    rows: list[Row]
    """A row an epoch."""
    best: State
    """The weights of the best epoch so far; empty where the last epoch's are kept."""

    @classmethod
    def of(cls, config: RunConfig, state: State | None) -> Self:
        """Read the history of the epochs before a checkpoint, which it holds."""
        state = state or {}
        columns = _columns(config)
        table = state.get("metrics")
        if table is None or table.ndim != 2 or table.shape[1] != len(columns):
            return cls(config, [], {})
        rows = [dict(zip(columns, row, strict=True)) for row in table.tolist()]
        return cls(config, rows, _named(state, BEST))

    def require_whole(self, state: State, epochs: int, path: Path) -> None:
        """Refuse a checkpoint whose history is not all there."""
        if len(self.rows) != epochs:
            raise InputError(f"{path}: damaged: it must have the metrics of each of its epochs")
        weights = _named(state, "model.") if SELECTIONS[self.config.select] else {}
        if _shapes(self.best) != _shapes(weights):
            raise InputError(f"{path}: damaged: it must have the weights of its best epoch")

    def add(self, epoch: Epoch) -> Row:
        """Take down an epoch that has just been trained, with its weights if it is the best."""
        row = {
            "epoch": float(epoch.number),
            "lr": epoch.lr,
            "train_loss": epoch.train_loss,
            "train_accuracy": epoch.train_accuracy,
            "seconds": epoch.seconds,
        }
        if part := self.config.evaluated:
            assert epoch.val_loss is not None, "the engine was given what to evaluate"
            assert epoch.val_accuracy is not None, "as above"
            assert epoch.val_balanced_accuracy is not None, "as above"
            row |= {
                f"{part}_loss": epoch.val_loss,
                f"{part}_accuracy": epoch.val_accuracy,
                f"{part}_balanced_accuracy": epoch.val_balanced_accuracy,
            }
        self.rows.append({name: row[name] for name in _columns(self.config)})
        if SELECTIONS[self.config.select] and self.selected == epoch.number:
            self.best = epoch.weights()
        return row

    @property
    def selected(self) -> int:
        """The number of the epoch whose weights would be kept if it ended now."""
        part = SELECTIONS[self.config.select]
        if part is None:
            return len(self.rows)
        measured = attribute_of(self.config.metric).replace("val_", f"{part}_")
        best = max(self.rows, key=lambda row: (row[measured], -row[f"{part}_loss"]))
        return int(best["epoch"])

    def tensors(self) -> State:
        """Return what a checkpoint holds of it."""
        table = torch.tensor([list(row.values()) for row in self.rows], dtype=torch.float64)
        return {"metrics": table} | {BEST + name: value for name, value in self.best.items()}

    def to_csv(self) -> str:
        """Write the metrics for people."""
        return str(pd.DataFrame(self.rows).astype({"epoch": int}).to_csv(index=False))


def without_best(state: State) -> State:
    """Leave out of a checkpoint what the engine does not know."""
    return {name: value for name, value in state.items() if not name.startswith(BEST)}


def _columns(config: RunConfig) -> list[str]:
    part = config.evaluated
    names = ("loss", "accuracy", "balanced_accuracy")
    evaluated = [f"{part}_{name}" for name in names] if part else []
    return ["epoch", "lr", "train_loss", "train_accuracy", *evaluated, "seconds"]


def _named(state: State, prefix: str) -> State:
    return {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix)
    }


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (value.shape, value.dtype) for name, value in tensors.items()}

"""`Course`: what a trial's epochs measured, and which of them its value is of."""

from typing import TypeAlias

import torch
from torch import Tensor

from budgetnas.data.images import ImageSet
from budgetnas.errors import InputError
from budgetnas.searching.conditions import Conditions
from budgetnas.study.right import RIGHT, packed
from budgetnas.train.engine import Epoch

CURVES = ("lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy")
"""What is kept of every epoch."""

Tensors: TypeAlias = dict[str, Tensor]


class Course:
    """The epochs of a trial so far."""

    def __init__(self, conditions: Conditions, val: ImageSet) -> None:
        self._best = conditions.best
        self._val = val
        self._keeps_confusion = conditions.confusion
        self._rows: list[list[float]] = []
        self._selected = torch.zeros(4, dtype=torch.float64)  # epoch, accuracy, balanced, loss
        self._confusion = torch.empty(0, dtype=torch.int64)
        self._right = torch.empty(0, dtype=torch.bool)

    def add(self, epoch: Epoch) -> None:
        """Take an epoch down; of equally accurate ones, the lower loss, then the first counts."""
        measured = (epoch.val_accuracy, epoch.val_balanced_accuracy, epoch.val_loss)
        accuracy, balanced, loss = measured
        assert accuracy is not None, "trials are validated"
        assert balanced is not None, "trials are validated"
        assert loss is not None, "trials are validated"
        self._rows.append([epoch.lr, epoch.train_loss, epoch.train_accuracy, loss, accuracy])
        _, best, _, least = self._selected.tolist()
        better = epoch.number == 1 or (accuracy, -loss) > (best, -least)
        if self._best and not better:
            return
        self._selected = torch.tensor(
            [epoch.number, accuracy, balanced, loss], dtype=torch.float64
        )
        assert epoch.val_predictions is not None, "trials are validated"
        if self._keeps_confusion:
            self._confusion = _confusion(self._val, epoch.val_predictions)
        self._right = epoch.val_predictions == self._val.labels.cpu()

    @property
    def accuracy(self) -> float:
        """The validation accuracy that counts, in [0, 1]."""
        return float(self._selected[1])

    def attributes(self) -> dict[str, object]:
        """Return what the trial's storage shall say, the selected epoch's accuracy among it."""
        epoch, accuracy, balanced, loss = self._selected.tolist()
        columns = zip(CURVES, zip(*self._rows, strict=True), strict=True)
        attributes: dict[str, object] = {
            "val_accuracy": accuracy,
            "val_balanced_accuracy": balanced,
            "val_loss": loss,
            "epochs": len(self._rows),
            "selected_epoch": int(epoch),
            "curves": {name: list(values) for name, values in columns},
            RIGHT: packed(self._right.numpy()),
        }
        if self._keeps_confusion:
            attributes["confusion"] = self._confusion.tolist()
        return attributes

    def tensors(self) -> Tensors:
        """Return all of it, to be kept."""
        return {
            "rows": torch.tensor(self._rows, dtype=torch.float64),
            "selected": self._selected,
            "confusion": self._confusion,
            "right": self._right,
        }

    def load(self, tensors: Tensors, epochs: int) -> None:
        """Continue what was kept after so many epochs."""
        rows, selected, confusion, right = (tensors[name] for name in self.tensors())
        if rows.shape != (epochs, len(CURVES)) or selected.shape != (4,):
            raise InputError("it must have the measurements of each of its epochs")
        self._rows, self._selected = rows.tolist(), selected
        self._confusion, self._right = confusion, right


def _confusion(val: ImageSet, predictions: Tensor) -> Tensor:
    """Count images by class (rows) and prediction (columns): int64 [classes, classes]."""
    classes = len(val.classes)
    pairs = val.labels.cpu() * classes + predictions
    return torch.bincount(pairs, minlength=classes**2).view(classes, classes)

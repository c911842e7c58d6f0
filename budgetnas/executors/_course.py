"""`Course`: what a trial's epochs measured, and which of them its value is of."""

from typing import TypeAlias

import torch
from torch import Tensor

from budgetnas.data.images import ImageSet
from budgetnas.errors import InputError
from budgetnas.executors._shared import TrialSettings
from budgetnas.study.measurements import CURVES, Measurements, pack
from budgetnas.study.metric import attribute_of
from budgetnas.train.engine import Epoch

Row: TypeAlias = dict[str, float]
"""Those of one epoch."""

Tensors: TypeAlias = dict[str, Tensor]


class Course:
    """The epochs of a trial so far."""

    def __init__(self, settings: TrialSettings, val: ImageSet) -> None:
        self._best, self._measure = settings.best, attribute_of(settings.metric)
        self._val = val
        self._keeps_confusion = settings.confusion
        self._rows: list[Row] = []
        self._selected = 0
        self._confusion = torch.empty(0, dtype=torch.int64)
        self._correct = torch.empty(0, dtype=torch.bool)

    def add(self, epoch: Epoch) -> None:
        """Take an epoch down; of equally good ones, the lower loss, then the first counts."""
        self._rows.append({name: getattr(epoch, name) for name in CURVES})
        if self._best and self._selected and not self._is_better():
            return
        self._selected = epoch.number
        assert epoch.val_predictions is not None, "trials are validated"
        if self._keeps_confusion:
            self._confusion = _confusion(self._val, epoch.val_predictions)
        self._correct = epoch.val_predictions == self._val.labels.cpu()

    def _is_better(self) -> bool:
        """Return whether the last epoch is better than the one that was selected."""
        (new, least), (best, loss) = (
            (row[self._measure], row["val_loss"])
            for row in (self._rows[-1], self._rows[self._selected - 1])
        )
        return (new, -least) > (best, -loss)

    @property
    def last(self) -> float:
        """The study's metric after the last epoch, in [0, 1]."""
        return self._rows[-1][self._measure]

    @property
    def value(self) -> float:
        """The study's metric after the epoch that counts, in [0, 1]."""
        return self._rows[self._selected - 1][self._measure]

    def attributes(self) -> Measurements:
        """Return what the trial's storage shall say, the selected epoch's accuracy among it."""
        selected = self._rows[self._selected - 1]
        attributes: Measurements = {
            "val_accuracy": selected["val_accuracy"],
            "val_balanced_accuracy": selected["val_balanced_accuracy"],
            "val_loss": selected["val_loss"],
            "epochs": len(self._rows),
            "selected_epoch": self._selected,
            "curves": {name: [row[name] for row in self._rows] for name in CURVES},
            # by class, so that the classes' sizes tell which class each image is of
            "right": pack(self._correct[self._val.labels.cpu().argsort(stable=True)].numpy()),
        }
        if self._keeps_confusion:
            attributes["confusion"] = self._confusion.tolist()
        return attributes

    def tensors(self) -> Tensors:
        """Return all of it, to be kept."""
        return {
            "rows": torch.tensor([list(r.values()) for r in self._rows], dtype=torch.float64),
            "selected": torch.tensor(self._selected),
            "confusion": self._confusion,
            "right": self._correct,
        }

    def load(self, tensors: Tensors, epochs: int) -> None:
        """Continue what was kept after so many epochs."""
        rows, selected, confusion, correct = (tensors[name] for name in self.tensors())
        number = int(selected) if selected.shape == () else 0
        if rows.shape != (epochs, len(CURVES)) or not 1 <= number <= epochs:
            raise InputError("it must have the measurements of each of its epochs")
        self._rows = [dict(zip(CURVES, row, strict=True)) for row in rows.tolist()]
        self._selected = number
        self._confusion, self._correct = confusion, correct


def _confusion(val: ImageSet, predictions: Tensor) -> Tensor:
    """Count images by class (rows) and prediction (columns): int64 [classes, classes]."""
    classes = len(val.classes)
    pairs = val.labels.cpu() * classes + predictions
    return torch.bincount(pairs, minlength=classes**2).view(classes, classes)

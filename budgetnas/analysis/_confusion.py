"""Confusion: which class is predicted as which, and how well each is recognised."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

Counts: TypeAlias = npt.NDArray[np.int64]
"""Labels or predictions [images], or a confusion matrix [true class, predicted class]."""


def confusion_table(labels: Counts, predictions: Counts, classes: Sequence[str]) -> pd.DataFrame:
    """Count images by their class (rows) and by the class predicted (columns)."""
    n = len(classes)
    counts = np.bincount(labels * n + predictions, minlength=n * n).reshape(n, n)
    return pd.DataFrame(counts, index=pd.Index(classes, name="class"), columns=list(classes))


def per_class_table(labels: Counts, predictions: Counts, classes: Sequence[str]) -> pd.DataFrame:
    """Compute precision, recall, F1 and images of each class; 0 where nothing was predicted."""
    matrix = confusion_table(labels, predictions, classes).to_numpy()
    correct, images, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    shares = {
        "precision": correct / np.maximum(predicted, 1),
        "recall": correct / np.maximum(images, 1),
        "f1": 2 * correct / np.maximum(images + predicted, 1),
    }
    return pd.DataFrame({**shares, "images": images}, index=pd.Index(classes, name="class"))


def share_table(matrix: Counts, classes: Sequence[str]) -> pd.DataFrame:
    """Turn counts into shares of the true class's images.

    Args:
        matrix: Images [true class, predicted class].
        classes: Names of the classes.

    Returns:
        Shares in [0, 1], true classes as rows, predicted ones as columns; a class without images
        has zeros.
    """
    images = matrix.sum(axis=1, keepdims=True)
    return pd.DataFrame(
        matrix / np.maximum(images, 1),
        index=pd.Index(classes, name="true"),
        columns=pd.Index(classes, name="predicted"),
    )


def class_table(matrix: Counts, classes: Sequence[str]) -> pd.DataFrame:
    """Compute how well each class is recognised.

    Args:
        matrix: Images [true class, predicted class].
        classes: Names of the classes.

    Returns:
        A row a class: `name`, `images`, `recall` (the share of its images that is
        correct; missing without any) and `precision` (the correct share of what was predicted as
        it; missing if nothing was), in [0, 1].
    """
    correct, images, taken = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(invalid="ignore"):
        shares = {"recall": correct / images, "precision": correct / taken}
    return pd.DataFrame({"name": list(classes), "images": images, **shares})


def confused_pairs(matrix: Counts, classes: Sequence[str]) -> pd.DataFrame:
    """List which class is taken for which, the most frequent mistake first.

    Args:
        matrix: Images [true class, predicted class].
        classes: Names of the classes.

    Returns:
        A row a mistake that was made: `true`, `predicted`, `images`, and their `share` of the true
        class's images, in [0, 1].
    """
    wrong = matrix * (1 - np.eye(len(classes), dtype=np.int64))
    shares = share_table(matrix, classes).to_numpy()
    rows = [
        (classes[true], classes[predicted], int(wrong[true, predicted]), shares[true, predicted])
        for true, predicted in zip(*np.nonzero(wrong), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["true", "predicted", "images", "share"])
    order = ["images", "share"]
    return table.sort_values(order, ascending=False, kind="stable", ignore_index=True)

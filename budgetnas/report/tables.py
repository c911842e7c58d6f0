"""Tables: numbers first, pictures from them later."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

Labels = npt.NDArray[np.int64]


def confusion_table(labels: Labels, predictions: Labels, classes: tuple[str, ...]) -> pd.DataFrame:
    """Count images by their class (rows) and by the class predicted (columns)."""
    counts = confusion_matrix(labels, predictions, labels=range(len(classes)))
    return pd.DataFrame(counts, index=pd.Index(classes, name="class"), columns=list(classes))


def per_class_table(labels: Labels, predictions: Labels, classes: tuple[str, ...]) -> pd.DataFrame:
    """Precision, recall, F1 and number of images of each class; 0 where nothing was predicted."""
    columns = precision_recall_fscore_support(
        labels, predictions, labels=range(len(classes)), zero_division=0
    )
    names = ("precision", "recall", "f1", "images")
    return pd.DataFrame(
        dict(zip(names, columns, strict=True)), index=pd.Index(classes, name="class")
    )

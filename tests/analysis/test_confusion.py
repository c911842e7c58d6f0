"""Tables of a confusion matrix, beside scikit-learn's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from budgetnas.analysis import confusion_table, per_class_table

CLASSES = ("cat", "dog", "<b>", "newt")
PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=40)


@given(PAIRS)
def test_tables_are_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    labels, predictions = np.array(pairs).T
    matrix = confusion_table(labels, predictions, CLASSES)
    assert matrix.to_numpy().tolist() == confusion_matrix(
        labels, predictions, labels=range(4)
    ).tolist()  # fmt: skip
    expected = precision_recall_fscore_support(
        labels, predictions, labels=range(4), zero_division=0
    )
    table = per_class_table(labels, predictions, CLASSES)
    assert list(table) == ["precision", "recall", "f1", "images"]
    assert table.to_numpy().T.tolist() == np.array(expected).tolist()

"""Confusion: which class is taken for which."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from budgetnas.report.style import plain, styled

Counts = npt.NDArray[np.int64]

MOST_WRITTEN = 20
"""With more classes, the counts are not written into the cells."""

SHADES = (
    (0.0, "#ffffff"),
    (0.02, "#d6e6f2"),
    (0.1, "#8fbbdb"),
    (0.5, "#2f77ad"),
    (1.0, "#08306b"),
)
"""A colour scale on which a few images in a hundred can be seen."""


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
    """Say of each class how well it is recognised.

    Args:
        matrix: Images [true class, predicted class].
        classes: Names of the classes.

    Returns:
        A row a class: `name`, `images`, `recall` (the share of its images that is right; missing
        without any) and `precision` (the share right of what was taken for it; missing if nothing
        was), in [0, 1].
    """
    right, images, taken = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(invalid="ignore"):
        shares = {"recall": right / images, "precision": right / taken}
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


def plot_confusion(matrix: Counts, classes: Sequence[str]) -> go.Figure:
    """Draw a confusion matrix: colour is the share of the true class, numbers count images.

    Args:
        matrix: Images [true class, predicted class].
        classes: Names of the classes.
    """
    names, counts = [plain(name) for name in classes], matrix.tolist()
    figure = go.Figure(
        go.Heatmap(
            z=share_table(matrix, classes).to_numpy().tolist(), x=names, y=names,
            text=[[count or "" for count in row] for row in counts], customdata=counts,
            zmin=0, zmax=1, colorscale=SHADES, xgap=1, ygap=1,
            texttemplate="%{text}" if len(classes) <= MOST_WRITTEN else None,
            hovertemplate="%{y} taken for %{x}: %{customdata} images, %{z:.1%}<extra></extra>",
            colorbar={"title": {"text": "Share of the class", "side": "right"},
                      "tickformat": ".0%"},
        )
    )  # fmt: skip
    side = 26 if len(classes) <= MOST_WRITTEN else 8
    figure.update_xaxes(type="category", title_text="Predicted class")
    figure.update_yaxes(type="category", title_text="True class", autorange="reversed")
    return styled(figure, max(300, 150 + side * len(classes)))

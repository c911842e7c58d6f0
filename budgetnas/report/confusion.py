"""A picture of a confusion matrix."""

from collections.abc import Sequence

import plotly.graph_objects as go

from budgetnas.analysis import Counts, share_table
from budgetnas.report.style import plain, styled

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

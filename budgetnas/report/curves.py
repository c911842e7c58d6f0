"""Curves: how configurations come along, epoch by epoch."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from budgetnas.report.style import PALETTE, PERCENT, line_style, plain, shade, styled
from budgetnas.study.metric import DEFAULT_METRIC, METRICS, Metric, attribute_of

TITLES = {
    **{meaning.attribute: meaning.title.capitalize() for meaning in METRICS.values()},
    "val_loss": "Validation loss",
    "train_accuracy": "Training accuracy",
    "train_loss": "Training loss",
}
STEEP = 5
"""Losses that differ by more than this factor are drawn on a logarithmic axis."""

MOST_TICKS = 15
"""Up to so many epochs, each has its tick."""

MOST_BANDS = len(PALETTE)
"""With more configurations, bands would hide each other."""


def band_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Sum up curves over seeds.

    Args:
        curves: From `curve_table`.

    Returns:
        A row a configuration, metric and epoch: `cell`, `configuration`, `metric`, `epoch`, `n`
        (seeds), `mean`, `low` and `high` (the lowest and the highest seed). Epochs of which
        nothing is known are left out.
    """
    keys = ["cell", "configuration", "epoch"]
    long = curves.melt(id_vars=keys, value_vars=list(TITLES), var_name="metric")
    grouped = long.dropna(subset="value").groupby([*keys, "metric"], sort=True)["value"]
    bands = grouped.agg(n="count", mean="mean", low="min", high="max").reset_index()
    return bands[["cell", "configuration", "metric", "epoch", "n", "mean", "low", "high"]]


def plot_curves(
    bands: pd.DataFrame, *, metric: Metric = DEFAULT_METRIC, train: bool = False
) -> go.Figure:
    """Draw accuracy and loss against epochs: the mean over seeds, and the band they span.

    Args:
        bands: From `band_table`; the legend keeps its order of configurations.
        metric: What is drawn of the validation part, beside its loss.
        train: Draw the training part's accuracy and loss, too, in a second column.
    """
    columns = [(attribute_of(metric), "val_loss"), *[("train_accuracy", "train_loss")] * train]
    titles = [TITLES[name] for row in zip(*columns, strict=True) for name in row]
    figure = make_subplots(
        rows=2, cols=len(columns), shared_xaxes=True, subplot_titles=titles,
        vertical_spacing=0.08, horizontal_spacing=0.1,
    )  # fmt: skip
    cells = list(dict.fromkeys(bands["cell"]))
    for column, names in enumerate(columns, start=1):
        for row, name in enumerate(names, start=1):
            shown = bands[bands["metric"] == name]
            for trace in _lines(shown, cells, legend=row == column == 1):
                figure.add_trace(trace, row=row, col=column)
            _scale(figure, name, shown, row, column)
        figure.update_xaxes(title_text="Epoch", row=2, col=column)
    if bands["epoch"].max() <= MOST_TICKS:  # else plotly writes halves of epochs, too
        figure.update_xaxes(dtick=1)
    return _with_legend(figure, list(dict.fromkeys(bands["configuration"])))


def _lines(bands: pd.DataFrame, cells: Sequence[int], *, legend: bool) -> list[go.Scatter]:
    """Draw one panel: a line a configuration, and its band where seeds were repeated."""
    traces = []
    for place, cell in enumerate(cells):
        band = bands[bands["cell"] == cell]
        if band.empty:
            continue
        name, line = plain(band["configuration"].iloc[0]), line_style(place)
        shared: dict[str, Any] = {"legendgroup": str(cell), "name": name}
        if len(cells) <= MOST_BANDS and (band["n"] > 1).any():
            traces.append(_band(band, shared, line["color"]))
        traces.append(
            go.Scatter(
                x=band["epoch"].tolist(), y=band["mean"].tolist(), line=line,
                mode="lines" if len(band) > 1 else "markers", showlegend=legend, **shared,
            )
        )  # fmt: skip
    return traces


def _band(band: pd.DataFrame, shared: dict[str, Any], color: str) -> go.Scatter:
    """Draw the outline of a band: to the right along its top, back along its bottom."""
    epochs = band["epoch"].tolist()
    return go.Scatter(
        x=epochs + epochs[::-1], y=band["high"].tolist() + band["low"].tolist()[::-1],
        mode="lines", line={"width": 0}, fill="toself", fillcolor=shade(color, 0.15),
        hoverinfo="skip", showlegend=False, **shared,
    )  # fmt: skip


def _scale(figure: go.Figure, metric: str, bands: pd.DataFrame, row: int, column: int) -> None:
    if metric.endswith("accuracy"):
        figure.update_yaxes(tickformat=PERCENT, row=row, col=column)
    elif _is_steep(bands["mean"]):
        figure.update_yaxes(type="log", dtick="D2", tickformat="~g", row=row, col=column)


def _is_steep(losses: pd.Series) -> bool:
    low, high = losses.min(), losses.max()
    return math.isfinite(low) and low > 0 and high / low > STEEP


def _with_legend(figure: go.Figure, names: Sequence[str]) -> go.Figure:
    """Put short names beside the panels, long ones below them."""
    if len(names) > 1 and max(map(len, names)) > 28:
        legend = {"orientation": "h", "y": -0.12, "x": 0, "yanchor": "top"}
        return styled(figure, 620 + 21 * len(names), legend=legend, showlegend=True)
    height = max(620, 60 + 20 * len(names))
    return styled(figure, height, showlegend=len(names) > 1)

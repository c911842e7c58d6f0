"""A grid's accuracies: a heat map over two axes, intervals over one."""

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from budgetnas.analysis import ELIMINATED, VERDICTS, Verdict, axis_column
from budgetnas.report.style import (
    ACCURACY,
    LEGEND_ABOVE,
    PALETTE,
    PERCENT,
    SCALE,
    plain,
    row_height,
    styled,
    wrapped,
)

MARKS: dict[str, str] = {
    Verdict.BEST: "★ ",
    Verdict.EQUIVALENT: "≈ ",
    Verdict.NOT_DISTINGUISHED: "? ",
}
"""What stands before the best configuration, what is equivalent, what is not distinguished."""

COLORS: dict[str, str] = {
    Verdict.BEST: PALETTE[1],
    Verdict.EQUIVALENT: PALETTE[0],
    Verdict.NOT_DISTINGUISHED: PALETTE[5],
    Verdict.WORSE: PALETTE[7],
    ELIMINATED: PALETTE[7],
}
SYMBOLS: dict[str, str] = {
    Verdict.BEST: "star",
    Verdict.EQUIVALENT: "circle",
    Verdict.NOT_DISTINGUISHED: "circle-open",
    Verdict.WORSE: "diamond",
    ELIMINATED: "x",
}
RARE = ELIMINATED, Verdict.EQUIVALENT
"""What most grids have none of: then it is not in the legend."""


def grid_table(summary: pd.DataFrame, axes: tuple[str, str]) -> pd.DataFrame:
    """Arrange mean accuracies over two axes.

    Args:
        summary: From `summary_table`.
        axes: Names of two axes: rows and columns.

    Returns:
        Mean accuracies in [0, 1], the first axis' values as rows, the second's as columns, both in
        the grid's order; missing where nothing was measured.
    """
    return _arranged(summary, axes, "mean").astype(float)


def _arranged(summary: pd.DataFrame, axes: tuple[str, str], column: str) -> pd.DataFrame:
    rows, columns = (axis_column(name) for name in axes)
    table = summary.pivot(index=rows, columns=columns, values=column)
    table = table.reindex(index=summary[rows].unique(), columns=summary[columns].unique())
    return table.rename_axis(index=axes[0], columns=axes[1])


def plot_grid(summary: pd.DataFrame, axes: tuple[str, ...]) -> go.Figure:
    """Draw the mean accuracy of every configuration.

    Args:
        summary: From `summary_table`.
        axes: Names of the axes: a heat map of two, one row a configuration of any other number.
    """
    if len(axes) == 2:
        return _plot_map(summary, (axes[0], axes[1]))
    if len(axes) == 1:  # which the figure's title names
        summary = summary.assign(configuration=summary[axis_column(axes[0])])
    return _plot_intervals(summary)


def _plot_map(summary: pd.DataFrame, axes: tuple[str, str]) -> go.Figure:
    means, verdicts = grid_table(summary, axes), _arranged(summary, axes, "verdict")
    margins = _arranged(summary, axes, "margin")
    texts = [
        [
            _cell_text(*cell)
            for cell in zip(means.loc[name], margins.loc[name], verdicts.loc[name], strict=True)
        ]
        for name in means.index
    ]
    columns, rows = ([plain(value) for value in side] for side in (means.columns, means.index))
    figure = go.Figure(
        go.Heatmap(
            z=means.to_numpy().tolist(), x=columns, y=rows, text=texts, texttemplate="%{text}",
            textfont={"color": "black"},
            hovertemplate="%{y}, %{x}<br>%{text}<extra></extra>", colorscale=SCALE, xgap=3, ygap=3,
            colorbar={"title": {"text": ACCURACY, "side": "right"}, "tickformat": PERCENT},
        )
    )  # fmt: skip
    # plotly writes no text where there is no color; to it, a name such as 32 would be a place
    for row, column in zip(*np.nonzero(means.isna().to_numpy()), strict=True):
        reason = VERDICTS.get(verdicts.iloc[row, column], "no such configuration")
        figure.add_annotation(x=int(column), y=int(row), text=f"<i>{reason}</i>", showarrow=False)
    figure.update_xaxes(type="category", title_text=plain(axes[1]))
    figure.update_yaxes(type="category", title_text=plain(axes[0]), autorange="reversed")
    styled(figure, 150 + 56 * len(rows), plot_bgcolor="#ededed")
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(showgrid=False)
    return figure


def _cell_text(mean: float, margin: float, verdict: object) -> str:
    """Write a cell's accuracy in percent, and the half-width of its interval where known."""
    if math.isnan(mean):
        return ""
    spread = "" if math.isnan(margin) else f"<br>± {100 * margin:.2f}"
    return f"{MARKS.get(str(verdict), '')}{mean:.2%}{spread}"


def interval_table(summary: pd.DataFrame) -> pd.DataFrame:
    """List the intervals of the configurations that were measured.

    Returns:
        A row a configuration: `configuration`, `verdict`, `n`, `mean` and `margin`, half the
        mean's 95 % interval over seeds, 0 where it is not known.
    """
    columns = ["configuration", "verdict", "n", "mean", "margin"]
    measured = summary.loc[summary["n"] > 0, columns]
    return measured.assign(margin=measured["margin"].fillna(0.0)).reset_index(drop=True)


def _plot_intervals(summary: pd.DataFrame) -> go.Figure:
    """Draw a row a configuration, in the grid's order; a mark is a mean, a bar its interval."""
    table, names = interval_table(summary), [wrapped(name) for name in summary["configuration"]]
    figure = go.Figure()
    for verdict in COLORS:
        rows = table[table["verdict"] == verdict]
        if verdict in RARE and rows.empty:
            continue
        figure.add_trace(
            go.Scatter(
                x=rows["mean"].tolist(), y=[wrapped(name) for name in rows["configuration"]],
                mode="markers", name=VERDICTS[verdict],
                marker={"color": COLORS[verdict], "symbol": SYMBOLS[verdict], "size": 11},
                error_x={"array": rows["margin"].tolist(), "thickness": 1.5, "width": 4},
                hovertemplate="%{y}: %{x:.2%}<extra></extra>",
            )
        )  # fmt: skip
    reasons = summary["verdict"].map(VERDICTS)
    for place in np.flatnonzero(summary["n"] == 0):
        figure.add_annotation(
            x=0.01, xref="paper", xanchor="left", y=int(place),
            text=f"<i>{reasons.iloc[place]}</i>", showarrow=False,
        )  # fmt: skip
    low, high = (table["mean"] - table["margin"]).min(), (table["mean"] + table["margin"]).max()
    pad = 0.04 * (high - low) + 0.002  # a bar may reach beyond what can be: then it is cut
    span = [max(-0.01, low - pad), min(1.01, high + pad)]
    figure.update_xaxes(title_text=ACCURACY, tickformat=PERCENT, range=span)
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=names,
        range=[len(names) - 0.5, -0.5], showgrid=True,
    )  # fmt: skip
    return styled(figure, 130 + row_height(names) * len(names), legend=LEGEND_ABOVE)

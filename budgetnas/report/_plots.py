"""Pictures of tables: grids, costs, parameters by stage, curves, confusion, short trainings."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from budgetnas.analysis import ELIMINATED, VERDICTS, Counts, Verdict, axis_column, share_table
from budgetnas.arch import COST_NAMES
from budgetnas.metric import DEFAULT_METRIC, Metric, attribute_of, title_of
from budgetnas.report._style import (
    ACCURACY,
    LEGEND_ABOVE,
    PALETTE,
    PERCENT,
    SCALE,
    line_style,
    plain,
    row_height,
    shade,
    styled,
    wrapped,
)

COST_TITLES = {name: words.capitalize() for name, words in COST_NAMES.items()} | {
    "macs": "Multiply-adds for one image"
}


def plot_costs(
    table: pd.DataFrame, cost: str = "params", limit: int | None = None, *, named: bool = False
) -> go.Figure:
    """Draw accuracy against cost, with the Pareto front; by ratio where costs differ that much.

    Args:
        table: From `cost_table`.
        cost: `params` or `macs`.
        named: Write names beside the points.
        limit: The budget; it is drawn if networks come within a factor of 10 of it.
    """
    figure, front = go.Figure(), table[table["front"]]
    figure.add_trace(
        go.Scatter(
            x=table[cost].tolist(), y=table["mean"].tolist(),
            mode="markers+text" if named else "markers",
            textposition=_sides(table[cost]), cliponaxis=False,
            text=[plain(name) for name in table["configuration"]], name="trained",
            marker={"color": PALETTE[5], "size": 8, "line": {"color": PALETTE[0], "width": 1}},
            hovertemplate="%{text}<br>%{x:,}: %{y:.2%}<extra></extra>",
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=front[cost].tolist(), y=front["mean"].tolist(), mode="lines+markers",
            name="best of its size or smaller", line={"color": PALETTE[1], "shape": "hv"},
            marker={"size": 9, "symbol": "square"}, hoverinfo="skip",
        )
    )  # fmt: skip
    wide = table[cost].max() >= 2 * table[cost].min()  # else none of 1, 2 and 5 may be in sight
    if limit is not None and table[cost].max() * 10 >= limit:
        figure.add_vline(x=limit, line={"color": "#444", "dash": "dash", "width": 1})
        figure.add_annotation(
            x=math.log10(limit) if wide else limit,  # unlike lines, it wants the logarithm
            y=0.02, yref="paper", text="budget", xanchor="right", showarrow=False,
        )  # fmt: skip
    scale = {"type": "log", "dtick": "D2"} if wide else {"type": "linear"}
    figure.update_xaxes(title_text=COST_TITLES[cost], tickformat=".3~s", **scale)
    figure.update_yaxes(title_text=ACCURACY, tickformat=PERCENT)
    return styled(figure, 420, legend=LEGEND_ABOVE)


def _sides(costs: pd.Series) -> list[str]:
    """Put names on the side where there is room for them."""
    middle = math.sqrt(costs.min() * costs.max())
    return ["top left" if cost > middle else "top right" for cost in costs]


def plot_stages(table: pd.DataFrame) -> go.Figure:
    """Draw a bar a network, of its parts.

    Args:
        table: From `stage_table`.
    """
    totals = table.groupby("network", sort=False)["params"].sum()
    names = {name: wrapped(f"{name} ({params:,})") for name, params in totals.items()}
    stages = sorted(
        {part for part in table["part"] if part.startswith("stage ")}, key=lambda p: int(p[6:])
    )
    figure = go.Figure()
    for place, part in enumerate(["stem", *stages, "head"]):
        rows = table[table["part"] == part]
        figure.add_trace(
            go.Bar(
                x=rows["share"].tolist(), y=[names[name] for name in rows["network"]], name=part,
                orientation="h", marker={"color": PALETTE[place % len(PALETTE)],
                                         "line": {"color": "white", "width": 1}},
                text=[f"{share:.0%}" for share in rows["share"]], textposition="inside",
                insidetextanchor="middle", textangle=0,
                customdata=rows["params"].tolist(),
                hovertemplate="%{customdata:,} parameters (%{x:.1%})",
            )
        )  # fmt: skip
    figure.update_xaxes(title_text="Share of the parameters", tickformat=".0%", range=[0, 1.02])
    figure.update_yaxes(
        type="category", categoryorder="array", autorange="reversed",
        categoryarray=list(names.values()),
    )  # fmt: skip
    height = 120 + row_height(names.values()) * len(names)
    return styled(
        figure,
        height,
        barmode="stack",
        legend=LEGEND_ABOVE,
        uniformtext={"minsize": 10, "mode": "hide"},
    )


TITLES = {
    "val_loss": "Validation loss",
    "train_accuracy": "Training accuracy",
    "train_loss": "Training loss",
}
STEEP = 5
"""Losses that differ by more than this factor are drawn on a logarithmic axis."""

MOST_TICKS = 15
"""Up to this many epochs, each has its tick."""

MOST_BANDS = len(PALETTE)
"""With more configurations, bands would hide each other."""


def plot_curves(
    bands: pd.DataFrame, *, metric: Metric = DEFAULT_METRIC, train: bool = False
) -> go.Figure:
    """Draw accuracy and loss against epochs: the mean over seeds, and the band they span.

    Args:
        bands: From `band_table`; the legend keeps its order of configurations.
        metric: What is drawn of the validation part, beside its loss.
        train: Draw the training part's accuracy and loss in a second column.
    """
    columns = [(attribute_of(metric), "val_loss"), *[("train_accuracy", "train_loss")] * train]
    known = {attribute_of(metric): title_of(metric).capitalize(), **TITLES}
    titles = [known[name] for row in zip(*columns, strict=True) for name in row]
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
    if bands["epoch"].max() <= MOST_TICKS:  # else plotly writes halves of epochs
        figure.update_xaxes(dtick=1)
    return _with_legend(figure, list(dict.fromkeys(bands["configuration"])))


def _lines(bands: pd.DataFrame, cells: Sequence[int], *, legend: bool) -> list[go.Scatter]:
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


APART = 1.04
"""The factor between the epochs of two lines, so that their intervals don't hide each other."""


def plot_fidelity(table: pd.DataFrame) -> go.Figure:
    """Draw tau against epochs, with its interval: a line a criterion.

    Args:
        table: From `fidelity_table`.
    """
    figure, names = go.Figure(), list(dict.fromkeys(table["criterion"]))
    for place, name in enumerate(names):
        rows, line = table[table["criterion"] == name], line_style(place)
        shift = APART ** (place - (len(names) - 1) / 2)
        figure.add_trace(
            go.Scatter(
                x=(rows["epochs"] * shift).tolist(), y=rows["tau"].tolist(), name=plain(name),
                mode="lines+markers", line=line, marker={"size": 8},
                customdata=rows["epochs"].tolist(),
                hovertemplate="%{customdata} epochs: %{y:.2f}",
                error_y={
                    "array": (rows["high"] - rows["tau"]).fillna(0).tolist(),
                    "arrayminus": (rows["tau"] - rows["low"]).fillna(0).tolist(),
                    "thickness": 1, "width": 3, "color": line["color"],
                },
            )
        )  # fmt: skip
    figure.add_hline(y=0, line={"color": "#444", "dash": "dash", "width": 1})
    epochs = sorted(set(table["epochs"].tolist()))
    figure.update_xaxes(
        type="log", title_text="Epochs of a short training", tickvals=epochs,
        ticktext=[f"{number:,}" for number in epochs],
    )  # fmt: skip
    figure.update_yaxes(title_text="Kendall's tau with the full ranking")
    return styled(figure, 420, legend=LEGEND_ABOVE, showlegend=True)


MARKS: dict[str, str] = {
    Verdict.BEST: "★ ",
    Verdict.EQUIVALENT: "≈ ",
    Verdict.NOT_DISTINGUISHED: "? ",
}
"""Marks of the best configuration, of equivalent ones and of those not distinguished."""

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
"""Verdicts that are left out of the legend where there is none."""


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

"""Accuracy against size: what more parameters bring."""

import math

import pandas as pd
import plotly.graph_objects as go

from budgetnas.arch import COST_NAMES
from budgetnas.report.style import ACCURACY, LEGEND_ABOVE, PALETTE, PERCENT, plain, styled

COST_TITLES = {name: words.capitalize() for name, words in COST_NAMES.items()} | {
    "macs": "Multiply-adds for one image"
}


def cost_table(summary: pd.DataFrame, cost: str = "params") -> pd.DataFrame:
    """Find the Pareto front: no network as small as these, or smaller, is as accurate.

    Args:
        summary: From `summary_table`.
        cost: `params` or `macs`.

    Returns:
        A row a configuration that was measured, the cheapest first: `configuration`, the cost,
        `mean` accuracy in [0, 1], `front`.
    """
    measured = summary.loc[summary["n"] > 0, ["configuration", cost, "mean"]]
    table = measured.sort_values([cost, "mean"], ascending=[True, False], ignore_index=True)
    before = table["mean"].cummax().shift(fill_value=-1.0)
    return table.assign(front=table["mean"] > before)


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

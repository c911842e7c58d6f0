"""How far short trainings of a study can be trusted, as `budgetnas calibrate` has found it."""

import pandas as pd
import plotly.graph_objects as go

from budgetnas.report.style import LEGEND_ABOVE, line_style, plain, styled
from budgetnas.study.calibration import Calibration

APART = 1.04
"""The factor between the epochs of two lines, so that their intervals don't hide each other."""


def calibration_table(calibration: Calibration) -> pd.DataFrame:
    """List how well each criterion ranks after each number of epochs.

    Returns:
        A row a candidate and criterion: `criterion`, `epochs`, `tau`, `low` and `high`, the ends
        of its 95 % interval. What is not known is missing.
    """
    rows = [
        (row.criterion, row.epochs, row.tau.value, row.tau.low, row.tau.high)
        for row in calibration.rows
    ]
    table = pd.DataFrame(rows, columns=["criterion", "epochs", "tau", "low", "high"])
    return table.astype({"tau": float, "low": float, "high": float})


def plot_calibration(table: pd.DataFrame) -> go.Figure:
    """Draw tau against epochs, with its interval: a line a criterion.

    Args:
        table: From `calibration_table`.
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


def calibration_caption(calibration: Calibration) -> str:
    """Say what was compared, and what the numbers do not say."""
    low, high = calibration.params
    seeds = f"{calibration.seeds} seed{'s' * (calibration.seeds > 1)}"
    return (
        f"{calibration.counted} of the study's space, from {low:,} to {high:,} parameters, were "
        f"measured in all ways, {seeds} each, on the study's validation images. A short training "
        "is one of its own, with a schedule of so many epochs; a full one has "
        f"{calibration.epochs} epochs of the recipe {calibration.recipe}. In brackets: 95 % "
        "intervals over architectures, from resamples. Regret is what is lost of the best full "
        f"accuracy, in percentage points, where only the first {calibration.top} of a ranking are "
        f"trained in full. {calibration.rule.capitalize()}. Networks of alike sizes are harder to "
        "rank than these; and a short training begins with the weights that its full one began "
        "with, which flatters it a little. Many numbers are compared here: the best is partly "
        "the luckiest."
    )

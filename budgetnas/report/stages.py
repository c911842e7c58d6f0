"""Where the parameters of networks are."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from budgetnas.arch import Arch, layer_table
from budgetnas.report.style import LEGEND_ABOVE, PALETTE, row_height, styled, wrapped


def stage_table(archs: Mapping[str, Arch]) -> pd.DataFrame:
    """Count the parameters of stem, stages and head.

    Args:
        archs: Networks by name.

    Returns:
        A row a network and part: `network`, `part` (stem, stage 1, ..., head), `params`, and
        their `share` of the network's, in [0, 1].
    """
    rows = [
        {"network": name, "part": _part(row.name), "params": row.params}
        for name, arch in archs.items()
        for row in layer_table(arch)
    ]
    table = pd.DataFrame(rows, columns=["network", "part", "params"])
    parts = table.groupby(["network", "part"], sort=False)["params"].sum().reset_index()
    total = parts.groupby("network")["params"].transform("sum")
    return parts.assign(share=parts["params"] / total)


def _part(layer: str) -> str:
    """Name the part of a network that a layer is in, from its name in the `state_dict`."""
    first, *rest = layer.split(".")
    return f"stage {int(rest[0]) + 1}" if first == "stages" else first


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

"""How all figures look: on screen, in print, and to the colour-blind."""

import html
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go

PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F",
)  # fmt: skip
"""Okabe and Ito's colours, grey for their yellow, which is too pale for lines on white."""

DASHES = ("solid", "dash", "dot", "dashdot")

SCALE = ((0.0, "#fffbe6"), (0.5, "#b5dcc0"), (1.0, "#3fa7a0"))
"""From light to dark, so that it reads alike with any kind of sight and in grey; no darker than
that black can be read on it."""

LEGEND_ABOVE = {
    "orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom",
    "traceorder": "normal",
}  # fmt: skip
"""A legend in a line above the figure."""

ACCURACY = "Validation accuracy"

PERCENT = ".1~%"
"""How axes write fractions."""


@dataclass(frozen=True)
class ReportFigure:
    """A figure of a report."""

    kind: Literal["grid", "costs", "curves", "stages", "confusion", "fits", "fidelity"]
    """Its kind, whatever its title."""
    title: str
    """Its title."""
    caption: str
    """How to read it."""
    figure: go.Figure
    """The picture."""
    pairs: pd.DataFrame | None = None
    """Mistakes to list beneath it, from `confused_pairs`."""
    classes: pd.DataFrame | None = None
    """Classes to list beneath it, from `class_table`."""


def line_style(place: int) -> dict[str, Any]:
    """Return the line of the configuration in this place: 32 that differ."""
    dash = DASHES[place // len(PALETTE) % len(DASHES)]
    return {"color": PALETTE[place % len(PALETTE)], "dash": dash, "width": 2}


def shade(color: str, opacity: float) -> str:
    """Return a colour of the palette, less opaque."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def plain(text: object) -> str:
    """Write text so that plotly shows it as it is: it would read tags and entities."""
    return html.escape(str(text), quote=False)


def wrapped(text: object, width: int = 36) -> str:
    """Write text as it is, on several lines if it is longer than a width in characters."""
    return "<br>".join(map(plain, textwrap.wrap(str(text), width, break_long_words=False)))


def row_height(names: Iterable[str]) -> int:
    """Return the height in pixels that a row needs for the longest of these wrapped names."""
    return 14 + 16 * max((name.count("<br>") + 1 for name in names), default=1)


def styled(figure: go.Figure, height: int, **layout: Any) -> go.Figure:
    """Give a figure the common look.

    Args:
        figure: Any figure; it is changed.
        height: In pixels.
        layout: What else to set.
    """
    figure.update_layout(
        height=height,
        template="none",
        colorway=PALETTE,
        font={"family": "system-ui, 'Liberation Sans', Arial, sans-serif", "size": 13},
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        paper_bgcolor="white",
        plot_bgcolor="white",
        hovermode="closest",
        hoverlabel={"namelength": -1},
    )
    figure.update_layout(**layout)
    axes = {
        "automargin": True, "showline": True, "linecolor": "#888", "ticks": "outside",
        "tickcolor": "#888", "gridcolor": "#e4e4e4", "zeroline": False,
    }  # fmt: skip
    figure.update_xaxes(**axes)
    figure.update_yaxes(**axes)
    return figure

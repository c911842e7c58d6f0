"""The report of a study file that trains nothing: which of its networks fit the budget."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from budgetnas._version import __version__
from budgetnas.analysis import cell_labels, count_asked, fit_table, stage_table
from budgetnas.arch import COST_NAMES, Arch
from budgetnas.report._plots import COST_TITLES, plot_stages
from budgetnas.report._style import (
    LEGEND_ABOVE,
    PALETTE,
    ReportFigure,
    row_height,
    styled,
    wrapped,
)
from budgetnas.report._words import listed
from budgetnas.study import StudyFile, asked_run, asks, config_path, study_folder
from budgetnas.study.options import RunOptions


@dataclass(frozen=True)
class CountedReport:
    """A study file whose networks are counted."""

    name: str
    """The study file's folder in studies."""
    folder: Path
    """That folder."""
    file: StudyFile
    """The question."""
    image_size: int
    """Side in pixels of the images that multiply-adds are counted for."""
    archs: tuple[Arch, ...]
    """The networks, in the table's order."""
    table: pd.DataFrame
    """From `fit_table`."""

    def as_json(self) -> dict[str, Any]:
        fits = self.table.loc[self.table["feasible"], "configuration"].tolist()
        return {"study": self.name, "best": None, "n": 0, "fits": fits}

    def answer_lines(self) -> list[str]:
        """Return which networks fit, in sentences."""
        budget, fits = self.file.budget, self.table["feasible"]
        over = [
            f"{row.configuration} (by {row.excess:,})" for row in self.table[~fits].itertuples()
        ]
        limit = f"{budget.limit:,} {COST_NAMES[budget.cost]}"
        names = self.table.loc[fits, "configuration"]
        lines = [
            f"{fits.sum()} of {len(self.table)} networks fit {limit}"
            + (f": {listed(names)}." if len(names) else "."),
            f"Over it: {listed(over)}." if over else "",
        ]
        return [line for line in lines if line]

    def method_lines(self) -> list[tuple[str, str]]:
        """Return how networks were counted."""
        data = f"{self.file.data.dataset}, {self.image_size} x {self.image_size} pixels"
        return [
            ("What is counted", "Trainable parameters and multiply-adds (convolutions and the "
             "linear layer, one image), from the description of each network: nothing is trained, "
             "no image is read. The numbers are exact, so there is no noise."),
            ("Counted for", data),
            ("Version", f"budgetnas {__version__}"),
            ("Command", self.file.command),
        ]  # fmt: skip


def find_counted(name: str | None) -> CountedReport | None:
    """Count the networks of a study file that trains nothing; None if it is something else."""
    if name is None or not asks(config_path(folder := study_folder(name))):
        return None
    asked = asked_run(RunOptions(study=str(folder)))
    if asked.file.train:
        return None
    counted = count_asked(asked)
    info = asked.data.info
    grid = asked.grid(info.channels or 3, info.num_classes or 10)
    table = fit_table(cell_labels(grid), counted.networks)
    archs = tuple(cell.arch for cell in grid.cells)
    return CountedReport(name, folder, asked.file, asked.data.image_size, archs, table)


def plot_fits(table: pd.DataFrame, cost: str, limit: int) -> go.Figure:
    """Draw a bar a network, and the budget as a line.

    Args:
        table: From `fit_table`.
        cost: `params` or `macs`.
        limit: The budget.
    """
    names = [wrapped(name) for name in table["configuration"]]
    figure = go.Figure()
    for feasible, title, color in ((True, "fits", PALETTE[0]), (False, "too large", PALETTE[1])):
        rows = table[table["feasible"] == feasible]
        figure.add_trace(
            go.Bar(
                x=rows[cost].tolist(), y=[wrapped(name) for name in rows["configuration"]],
                orientation="h", name=title, marker={"color": color},
                text=[f"{value:,}" for value in rows[cost]], textposition="auto",
                hovertemplate="%{y}: %{x:,}<extra></extra>",
            )
        )  # fmt: skip
    figure.add_vline(x=limit, line={"color": "#444", "dash": "dash", "width": 1})
    figure.update_xaxes(title_text=COST_TITLES[cost], tickformat="~s")
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=names, autorange="reversed"
    )
    return styled(
        figure, 120 + row_height(names) * len(names), legend=LEGEND_ABOVE, barmode="overlay"
    )


def counted_figures(report: CountedReport) -> list[ReportFigure]:
    budget = report.file.budget
    limit = f"The dashed line is the budget, {budget.limit:,} {COST_NAMES[budget.cost]}."
    fits = plot_fits(report.table, budget.cost, budget.limit)
    named = zip(report.table["configuration"], report.archs, strict=True)
    stages = plot_stages(stage_table(dict(named)))
    return [
        ReportFigure("fits", "What fits", limit, fits),
        ReportFigure(
            "stages", "Where the parameters are", "In brackets: the network's parameters.", stages
        ),
    ]

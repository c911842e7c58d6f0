"""Which figures a report has, each a table, a picture of it, and what to see in it."""

from collections.abc import Callable, Sequence

import pandas as pd

from budgetnas.analysis import (
    Counts,
    axis_names,
    band_table,
    class_table,
    confused_pairs,
    cost_table,
    fidelity_table,
    stage_table,
)
from budgetnas.metric import beside_accuracy, title_of, unequal_share
from budgetnas.report._plots import (
    COST_TITLES,
    MOST_BANDS,
    plot_confusion,
    plot_costs,
    plot_curves,
    plot_fidelity,
    plot_grid,
    plot_stages,
)
from budgetnas.report._read import Report, read_confusion
from budgetnas.report._style import ReportFigure

MOST_CURVES = 8
"""Networks of a search whose curves are drawn: the best."""
MOST_NAMED = 8
"""Configurations whose names are written beside their points."""
MOST_LINES = 32
"""Configurations of a grid whose curves are drawn: all, else the best. More look alike."""
MOST_BARS = 12
"""Networks whose parameters are broken down."""
MOST_MATRICES = 4
"""Configurations whose confusion is shown, else the best one's alone."""
MOST_PAIRS = 8
"""Mistakes that are listed beneath a confusion matrix."""


def report_figures(report: Report) -> list[ReportFigure]:
    return [drawn for draw in FIGURES for drawn in draw(report)]


def _metric(report: Report) -> str:
    return title_of(report.config.metric).capitalize()


def _grid(report: Report) -> list[ReportFigure]:
    if report.grid is None or len(report.grid.cells) < 2 or report.best is None:
        return []
    axes = axis_names(report.config)
    known = report.noise.df > 0
    spread = "95 % interval of the mean over seeds" if known else ""
    if len(axes) == 2:
        read = "★ is the best, ≈ equivalent, ? not distinguished." + f" ± is the {spread}." * known
    else:
        read = f"Bars are the {spread}." if known else "One seed each: no bars."
    title = f"{_metric(report)} by {', '.join(axes)}"
    return [ReportFigure("grid", title, read, plot_grid(report.summary, axes))]


def _costs(report: Report) -> list[ReportFigure]:
    budget = report.config.budget
    table = cost_table(report.summary, budget.cost)
    if table[budget.cost].nunique() < 2:
        return []
    name = COST_TITLES[budget.cost].lower()
    read = (
        f"A point is a network; nothing as cheap as those on the line is better. Budget: {budget}."
    )
    figure = plot_costs(
        table,
        budget.cost,
        budget.limit,
        named=report.grid is not None and len(table) <= MOST_NAMED,
    )
    return [ReportFigure("costs", f"{_metric(report)} against {name}", read, figure)]


def _curves(report: Report) -> list[ReportFigure]:
    curves = report.curves
    measured = report.summary[report.summary["n"] > 0]
    most = MOST_CURVES if report.grid is None else MOST_LINES
    best = measured if len(measured) <= most else measured.nlargest(most, "mean")
    order = {cell: place for place, cell in enumerate(best["cell"])}
    shown = curves[curves["cell"].isin(order)]
    if shown.empty or shown["epoch"].max() < 2:
        return []
    bands = band_table(shown)
    bands = bands.sort_values("cell", key=lambda cells: cells.map(order), kind="stable")
    train = bool(shown["train_accuracy"].notna().any())
    read = _lines(report, bands)
    if len(best) < len(measured) and report.grid is not None:
        read = f"The {len(best)} best of {len(measured)} configurations. {read}"
    if train:
        read += " Training accuracy is measured during the epoch, on augmented images."
    figure = plot_curves(bands, metric=report.config.metric, train=train)
    return [ReportFigure("curves", "Epoch by epoch", read, figure)]


def _lines(report: Report, bands: pd.DataFrame) -> str:
    many = bands["cell"].nunique()
    if report.grid is None:
        return f"The {many} best networks." if many > 1 else "The best network."
    if bands["n"].max() < 2:
        return "A line is one training."
    band = ", a band reaches from the lowest seed to the highest" if many <= MOST_BANDS else ""
    return f"A line is the mean over seeds{band}."


def _stages(report: Report) -> list[ReportFigure]:
    measured = report.summary[report.summary["n"] > 0]
    networks = {report.arch_of(row.cell): row.configuration for row in measured.itertuples()}
    if len(networks) < len(measured):  # a name would be one of several of the same network
        networks = {arch: str(arch) for arch in networks}
    few = dict(list(networks.items())[:MOST_BARS])
    if not few:
        return []
    read = "In brackets: the network's parameters."
    if len(few) < len(networks):
        read = f"The first {len(few)} of {len(networks)} networks. {read}"
    table = stage_table({name: arch for arch, name in few.items()})
    return [ReportFigure("stages", "Where the parameters are", read, plot_stages(table))]


def _confusion(report: Report) -> list[ReportFigure]:
    measured = report.summary[report.summary["n"] > 0]
    kept = [row for row in measured.itertuples() if report.confusion_of(row.cell) is not None]
    if len(kept) > MOST_MATRICES or report.grid is None:
        kept = [row for row in kept if row.verdict == "best"]
    return [_matrix(report, row.cell, row.configuration) for row in kept]


def _matrix(report: Report, cell: int, name: str) -> ReportFigure:
    matrix, classes = report.confusion_of(cell), report.config.facts.classes
    assert matrix is not None
    return _confused(matrix, classes, name, "validation images are wrong, all seeds together")


def _confused(
    matrix: Counts, classes: Sequence[str], name: str, wrong_images: str
) -> ReportFigure:
    """Draw which class is taken for which, beside a list of mistakes and one of classes."""
    wrong, images = int(matrix.sum() - matrix.trace()), int(matrix.sum())
    table = class_table(matrix, classes)
    read = (
        f"{wrong:,} of {images:,} {wrong_images}. Accuracy {1 - wrong / images:.2%}"
        f"{beside_accuracy(unequal_share(table['images'].tolist()))}, balanced "
        f"{table['recall'].mean():.2%}, the mean of the classes' recalls."
    )
    title, figure = f"Which class is taken for which: {name}", plot_confusion(matrix, classes)
    pairs = confused_pairs(matrix, classes).head(MOST_PAIRS)
    return ReportFigure("confusion", title, read, figure, pairs, table)


def _tested(report: Report) -> list[ReportFigure]:
    """Draw what the newest retraining takes for what, of the test part."""
    if report.runs.empty:
        return []
    run = report.runs.iloc[-1]
    matrix = read_confusion(report.folder / "runs" / run["run"])
    if matrix is None or len(matrix) != len(report.config.facts.classes):
        return []
    selected = " (test-selected)" if run["test_selected"] else ""
    wrong = f"test images are wrong{selected}"
    return [_confused(matrix, report.config.facts.classes, f"run {run['run']}", wrong)]


def _fidelity(report: Report) -> list[ReportFigure]:
    table = None if report.fidelity is None else fidelity_table(report.fidelity)
    if table is None or table["tau"].isna().all():
        return []
    read = (
        "1: short trainings rank as full ones do; 0: as chance would. Bars are 95 % intervals "
        "over architectures."
    )
    title = "How far short trainings can be trusted"
    return [ReportFigure("fidelity", title, read, plot_fidelity(table))]


# add yours here: from a report to its figures of one kind, none where there are no numbers for it
FIGURES: tuple[Callable[[Report], list[ReportFigure]], ...] = (
    _grid,
    _costs,
    _curves,
    _stages,
    _confusion,
    _tested,
    _fidelity,
)

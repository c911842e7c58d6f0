"""The page: one file that answers a study's question, and needs no network."""

import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from budgetnas.analysis import VERDICTS, axis_column, axis_names, front
from budgetnas.arch import describe_limits
from budgetnas.errors import InputError
from budgetnas.files import write_atomic
from budgetnas.metric import DEFAULT_METRIC, Metric
from budgetnas.report._counted import CountedReport, counted_figures, find_counted
from budgetnas.report._figures import report_figures
from budgetnas.report._read import Report, read_report
from budgetnas.report._style import ReportFigure
from budgetnas.report._words import (
    NOT_RECORDED,
    answer_lines,
    comparison_caption,
    fidelity_caption,
    method_lines,
)
from budgetnas.spec import printable
from budgetnas.study import StudyConfig
from budgetnas.study.trial_record import Kind

DOCTYPE = b"<!doctype html>"
"""How a page begins."""

MOST_ROWS = 20
"""Rows of a search's summary that are shown; all trials are in a table of their own."""

EPOCHS_KEPT = {
    "last": "the last epoch",
    "best-val": "the best on validation images",
    "best-test": "the best on test images",
}
"""How a retraining chose the weights that were tested."""

CHART = {
    "displaylogo": False,
    "responsive": True,
    # all but what would send the figure to a server
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
}
"""How figures behave in the browser."""


def write_report(name: str | None, out: Path | None = None, storage: str | None = None) -> Path:
    """Write a study's report.

    Args:
        name: The study's, or that of a study file: then its newest study's, and if it trains
            nothing, what fits its budget. None: the only study, else the newest.
        out: The file; report.html in the study's folder by default.
        storage: SQLAlchemy URL of the study's storage, if it is not what the study remembers.

    Returns:
        The file.

    Raises:
        InputError: If there is no such study, or nothing of it has ended yet.
    """
    return write_page(find_report(name, storage), out)


def find_report(name: str | None, storage: str | None = None) -> Report | CountedReport:
    """Read what a report is of; see `write_report`."""
    return find_counted(name) or read_report(name, storage)


def write_page(report: Report | CountedReport, out: Path | None = None) -> Path:
    """Write the page of a report that was read; see `write_report`."""
    path = out or report.folder / "report.html"
    require_page(path)
    write_atomic(path, render(report))
    return path


def require_page(path: Path) -> None:
    """Raise if the path is of something that is no page: a study's file, or a device.

    Raises:
        InputError: If something else is there.
    """
    if not os.path.lexists(path):
        return
    if path.is_file() and not path.is_symlink():
        with path.open("rb") as file:
            if file.read(len(DOCTYPE)).lower() == DOCTYPE:
                return
    raise InputError(f"--out must be a new file or a report, got {printable(path)}")


def render(report: Report | CountedReport) -> str:
    """Compose the page, as HTML."""
    if isinstance(report, CountedReport):
        return _fill("counted", counted_figures(report), _counted_words(report))
    return _fill("page", report_figures(report), _study_words(report))


def _fill(template: str, figures: list[ReportFigure], words: dict[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("budgetnas", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "hundredths": hundredths, "percent": percent, "rounded": rounded, "whole": whole,
    }  # fmt: skip
    return environment.get_template(f"{template}.html.j2").render(
        figures=[_embedded(place, drawn) for place, drawn in enumerate(figures)],
        plotly=Markup(get_plotlyjs()),  # noqa: S704  # a library's, not a user's
        **words,
    )


def _counted_words(report: CountedReport) -> dict[str, Any]:
    return {
        "about": report.file,
        "answer": report.answer_lines(),
        "method": report.method_lines(),
        "name": report.name,
        "question": report.file.question,
        "rows": report.table.to_dict("records"),
    }


def _study_words(report: Report) -> dict[str, Any]:
    summary, table, config = report.summary, report.table, report.config
    rows = summary if report.grid else summary.head(MOST_ROWS)
    heading, label = _label(report)
    return {
        "about": config.about,
        "answer": answer_lines(report),
        "any_failed": report.grid is not None and bool(summary["failures"].any()),
        "any_test_selected": bool(report.runs["test_selected"].any()),
        "beside": config.facts.largest_share,
        "fidelity": report.fidelity,
        "fidelity_caption": report.fidelity and fidelity_caption(report.fidelity),
        "comparison": report.comparison,
        "comparison_caption": report.comparison and comparison_caption(report.comparison),
        "epochs_kept": EPOCHS_KEPT,
        "front": [] if report.grid else _front(report),
        "failed": table[table["kind"] == Kind.FAILED].to_dict("records"),
        "heading": heading,
        "is_search": report.grid is None,
        "label": label,
        "metric": config.metric,
        "other_metric": _other_metric(config),
        "left_out": len(summary) - len(rows),
        "method": method_lines(report),
        "name": config.name,
        "not_recorded": NOT_RECORDED,
        "open": int((table["kind"] == Kind.OPEN).sum()),
        "question": config.about.question or _question(report),
        "recipe": config.recipe.to_toml(),
        "repeated": report.noise.df > 0,
        "rows": rows.to_dict("records"),
        "runs_unequal": bool(report.runs["largest_class"].notna().any()),
        "runs": report.runs.to_dict("records"),
        "trials": table.to_dict("records"),
        "verdicts": VERDICTS,
    }


def _other_metric(config: StudyConfig) -> Metric | None:
    """Return the metric that is shown beside the study's; of equal classes, none."""
    if config.metric != DEFAULT_METRIC:
        return DEFAULT_METRIC
    return "balanced" if config.facts.largest_share else None


def _front(report: Report) -> list[dict[str, Any]]:
    return [
        {**asdict(step), "network": str(report.arch_of(step.number))}
        for step in front(report.trials)
    ]


def _label(report: Report) -> tuple[str, str]:
    axes = axis_names(report.config)
    if len(axes) == 1:
        return axes[0], axis_column(axes[0])
    return ("Configuration" if axes else "Network"), "configuration"


def _question(report: Report) -> str:
    limits = describe_limits(report.config.all_limits)
    return f"Which network of at most {limits} is the most accurate?"


def _embedded(place: int, drawn: ReportFigure) -> dict[str, Any]:
    """Turn a figure into what the template needs; plotly escapes what it writes."""
    chart = to_html(
        drawn.figure,
        config=CHART,
        full_html=False,
        include_plotlyjs=False,
        div_id=f"figure-{place + 1}",
    )
    pairs = [] if drawn.pairs is None else drawn.pairs.to_dict("records")
    return {
        "title": drawn.title,
        "caption": drawn.caption,
        "chart": Markup(chart),  # noqa: S704
        "pairs": pairs,
        "classes": [] if drawn.classes is None else drawn.classes.to_dict("records"),
    }


NOTHING = "\N{EN DASH}"


def percent(share: float | None) -> str:
    return NOTHING if _is_missing(share) else f"{share:.2%}"


def hundredths(share: float | None) -> str:
    """Write a difference of fractions in percentage points, without their unit."""
    return NOTHING if share is None or _is_missing(share) else f"{100 * share:.2f}"


def whole(number: float | None) -> str:
    """Write a number without decimals."""
    return NOTHING if _is_missing(number) else f"{number:,.0f}"


def rounded(number: float | None) -> str:
    """Write a large number in three digits: 1.12M."""
    if number is None or _is_missing(number):
        return NOTHING
    power = min(3, max(0, math.floor(math.log10(max(number, 1))) // 3))
    return f"{number / 1000**power:.3g}{('', 'k', 'M', 'G')[power]}"


def _is_missing(number: float | None) -> bool:
    return number is None or pd.isna(number) or math.isinf(number)

"""The answer to a study's question, in sentences that are computed from its table."""

import math
from collections.abc import Iterable

import pandas as pd

from budgetnas.analysis import (
    ELIMINATED,
    VERDICTS,
    Noise,
    Verdict,
    advice_line,
    epochs_in_full,
    guessing_of,
    margin_of,
    points_of,
    winner_line,
)
from budgetnas.arch import COST_NAMES
from budgetnas.metric import DEFAULT_METRIC, beside_accuracy, title_of
from budgetnas.report.read import Report
from budgetnas.study.trial_record import Kind

MOST_NAMED = 6
"""Configurations that a sentence names, before it counts the rest."""

ONE_SEED = (
    "One seed each: how much a seed changes is not known here, so nothing is shown to be "
    "equivalent, and worse means beyond the choice of validation images only."
)

NOT_RECORDED = "not recorded"
"""What is said of what an older version has not written down."""


def points(share: float) -> str:
    """Write a difference of accuracies in percentage points."""
    return f"{100 * share:.2f} points"


def answer_lines(report: Report) -> list[str]:
    """Return what a study has found, the most important first."""
    if report.best is None:
        lines = [_of_nothing(report), _progress(report)]
    else:
        lines = _of_grid(report) if report.grid else _of_search(report)
    advice = report.fidelity.advice if report.fidelity else ""
    return [line for line in [*lines, advice] if line]


def _of_nothing(report: Report) -> str:
    """Return why there is nothing to compare, and of failures the commonest reason."""
    failed, stopped = report.counts.failed, report.counts.pruned
    if not failed:
        return f"No training has been finished: {stopped} stopped early."
    failures = report.table.loc[report.table["kind"] == Kind.FAILED, "failure"]
    reasons = failures.fillna(NOT_RECORDED)
    alike = reasons.str.partition(", got ")[0]  # what was got, and in which epoch, differs
    commonest = reasons[alike == alike.mode()[0]]
    many = f"All {failed} trainings" if failed > 1 else "The only training"
    if stopped:
        many = f"No training has been finished: {stopped} stopped early, {failed}"
    most = "" if len(commonest) == failed else f", {len(commonest)} of them for this reason"
    return f"{many} failed{most}: {commonest.iloc[0]}."


def _of_grid(report: Report) -> list[str]:
    best, summary = report.best, report.summary
    assert best is not None
    worse = report.of_verdict(Verdict.WORSE)
    others = [
        f"{VERDICTS[verdict].capitalize()}: {listed(rows['configuration'])}."
        for verdict, rows in summary[summary["n"] == 0].groupby("verdict", sort=False)
    ]
    winner = winner_line(report.finalists)
    named = f"{'Best mean' if winner else 'Best'}: {best['configuration']} at {best['mean']:.2%}"
    named += _beside(report)
    return [
        winner,
        f"{named}{_spread(best, report.noise)}.",
        *_not_worse(report),
        f"Worse: {listed(_gap(row) for _, row in worse.iterrows())}." if len(worse) else "",
        _out(summary),
        advice_line(report.finalists),
        *others,
        "" if report.noise.df else ONE_SEED,
        _progress(report),
    ]


def _spread(best: pd.Series, noise: Noise) -> str:
    """Say of how many seeds a mean is, and how far one is from another."""
    lost = f"; {best['failures']} failed" if best["failures"] else ""
    if math.isnan(best["margin"]):
        return f" (one seed{lost})" if best["n"] == 1 else f" ({best['n']} seeds{lost})"
    mean = f"mean of n = {best['n']} seeds" if best["n"] > 1 else "n = 1 seed"
    return (
        f" ± {100 * best['margin']:.2f} ({mean}{lost}; "
        f"one seed's standard deviation is {points(noise.sd)})"
    )


def _not_worse(report: Report) -> list[str]:
    """Name what is shown to be as good as the best, and what is not shown to be worse."""
    equivalent, open_ = (
        report.of_verdict(verdict)["configuration"]
        for verdict in (Verdict.EQUIVALENT, Verdict.NOT_DISTINGUISHED)
    )
    margin = points_of(margin_of(report.config))
    lines = []
    if len(equivalent):
        less = f"shown to be less than {margin} below it"
        lines.append(f"Equivalent ({less}): {listed(equivalent)}.")
    if len(open_):
        lines.append(f"Not distinguished from it: {listed(open_)}.")
    if not lines and int((report.summary["n"] > 0).sum()) > 1:
        lines.append("All others that were measured are worse.")
    return lines


def _out(summary: pd.DataFrame) -> str:
    """Name what a race has dropped; what was never measured is named among the others."""
    rows = summary[(summary["verdict"] == ELIMINATED) & (summary["n"] > 0)]
    named = [f"{row.configuration} after {row.out_after:.0f} seeds" for row in rows.itertuples()]
    return f"Out of the race: {listed(named)}." if named else ""


def _gap(row: pd.Series) -> str:
    return f"{row['configuration']} (by {points(row['difference'])})"


def listed(names: Iterable[str]) -> str:
    """Name a few things, and count the others."""
    known = list(names)
    more = len(known) - MOST_NAMED
    if more <= 1:
        return "; ".join(known)
    return f"{'; '.join(known[:MOST_NAMED])}; and {more} others"


def _progress(report: Report) -> str:
    """Say of an unfinished grid how far it is."""
    if report.grid is None or not report.left:
        return ""
    size = report.grid.size
    return f"So far: {size - report.left} of {size} trainings have ended."


def _of_search(report: Report) -> list[str]:
    best, counts = report.best, report.counts
    assert best is not None
    limits = ", ".join(f"{b.limit:,} {COST_NAMES[b.cost]}" for b in report.config.all_limits)
    winner = winner_line(report.finalists)
    which = "Best of the search's own trainings" if winner else "Best"
    return [
        winner,
        advice_line(report.finalists),
        f"{which}: trial {best['cell']}, {best['mean']:.2%}{_beside(report)} with "
        f"{best['params']:,.0f} parameters (budget: {limits}): {best['configuration']}.",
        _guessing(report),
        _undecided(report, decided=bool(winner)),
        f"{counts.trained} networks were trained, {counts.pruned} of them stopped early; "
        f"{counts.over_budget} draws were over the budget and never trained, "
        f"{counts.duplicates} were duplicates, {counts.failed} failed.",
        _epochs(report),
    ]


def _beside(report: Report) -> str:
    """Name what is measured, unless it is accuracy; of unequal classes the largest one's share."""
    config = report.config
    if config.metric != DEFAULT_METRIC:
        return f" {title_of(config.metric)}"
    return beside_accuracy(config.facts.largest_share)


def _guessing(report: Report) -> str:
    """Say so where not even the best is better than guessing."""
    best, luck = report.best, guessing_of(report.config, report.trials)
    assert best is not None
    if best["mean"] > luck:
        return ""
    return (
        f"No trial is better than guessing: the luckiest of so many that guess may have "
        f"{luck:.2%}. More epochs or more images are needed."
    )


def _epochs(report: Report) -> str:
    """Return what stopping early has saved."""
    done, whole = report.counts.epochs, epochs_in_full(report.config, report.trials)
    if done >= whole:
        return ""
    return (
        f"They were trained for {done:,} epochs, {done / whole:.2f} times as many as without "
        "stopping early."
    )


def _undecided(report: Report, *, decided: bool) -> str:
    """Return how many trainings of the search do not tell from the best one."""
    many = len(report.of_verdict(Verdict.NOT_DISTINGUISHED))
    if not many:
        return " ".join(_not_worse(report))
    others = "1 other is" if many == 1 else f"{many} others are"
    more = (
        "" if decided else "; `budgetnas finalists` trains the best with several seeds, and tells"
    )
    return f"{others} not distinguished from it, with one training each{more}."

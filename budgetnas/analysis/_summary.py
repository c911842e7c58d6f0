"""A row a configuration, and what is shown of how they differ.

`budgetnas.analysis._noise` defines the noise, `budgetnas.analysis._winner` the verdicts. What a
race has eliminated is neither the best nor equivalent, whatever the others' means have become.
"""

import math
from collections.abc import Mapping

import pandas as pd

from budgetnas.analysis._noise import Measurement, Noise, Repeats, pooled
from budgetnas.analysis._trials import SPREAD, axis_column, axis_names, cell_labels
from budgetnas.analysis._winner import Judged, Verdict, compare, judge
from budgetnas.metric import BUILT_IN, CORRECT, attribute_of, unpack
from budgetnas.space import MARGIN, Grid
from budgetnas.study import StudyConfig
from budgetnas.study.trial_record import Kind

ELIMINATED = "out"
VERDICTS: dict[str, str] = {
    **{str(verdict): str(verdict) for verdict in Verdict},
    ELIMINATED: "out of the race",
    "failed": "failed",
    "over budget": "over budget",
    "stopped early": "stopped early",
    "duplicate": "duplicate",
    "open": "not finished",
    "not run": "not run",
}
"""The verdicts on a configuration, and how they read."""


def margin_of(config: StudyConfig) -> float:
    """Return by how much a smaller network may be below the best and still win, in [0, 1]."""
    grid = config.proposal
    return grid.race.margin if isinstance(grid, Grid) and grid.race is not None else MARGIN


def measure_noise(config: StudyConfig, table: pd.DataFrame) -> Noise:
    """Pool what seeds change within configurations.

    Args:
        config: What defines the study.
        table: Its trials, from `trial_table`.
    """
    trained = table[table["kind"] == Kind.TRAINED]
    measured = measured_repeats(config, trained).values()
    return pooled((repeats.accuracies for repeats in measured), config.facts.val, config.alike)


def measured_repeats(config: StudyConfig, table: pd.DataFrame) -> dict[int, Repeats]:
    """Return what was measured of each configuration that was, by `cell`.

    Args:
        config: What defines the study.
        table: Its trials, from `trial_table`.
    """
    measured = attribute_of(config.metric)
    return {
        cell: Repeats.of(
            Measurement(row[measured], unpack(row[CORRECT], config.facts.val), row.get(SPREAD))
            for row in group.to_dict("records")
        )
        for cell, group in _completed(table, measured).groupby("cell")
    }


def _completed(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Leave out what was stopped early: it is no measurement of what was asked.

    A duplicate stays if the trial that it repeats was measured.
    """
    measured = table["kind"].isin([Kind.TRAINED, Kind.DUPLICATE]) & table[column].notna()
    return table[measured & ~table["stopped_early"].astype(bool)]


def summary_table(config: StudyConfig, table: pd.DataFrame) -> pd.DataFrame:
    """Compare the configurations of a study.

    Args:
        config: What defines the study.
        table: Its trials, from `trial_table`.

    Returns:
        A row a configuration, in the grid's order, in a search the best first: `cell`,
        `configuration`, a column an axis; `n`, its trainings that count; `mean` and `sd` of
        their metric; `standard_error` of the mean and `margin`, half its 95 % interval over seeds,
        both from the pooled deviation; `out_after`, the rounds of a race after which it was out,
        missing if it was not; `difference` to the best mean of those that were not, `noise` of
        that difference, `bound`, the upper end of its one-sided interval; `params`, `macs`,
        `seconds` a training; `accuracy` and `balanced`, the means by each metric; `failures`,
        `stopped`; `verdict`, of `VERDICTS`.
    """
    noise = measure_noise(config, table)
    measured = attribute_of(config.metric)
    done, cells = _completed(table, measured), table.groupby("cell")
    values = done.groupby("cell")[measured]
    summary = _configurations(config, table).set_index("cell")
    summary["n"] = values.count().reindex(summary.index, fill_value=0)
    summary["mean"] = values.mean()
    summary["sd"] = values.std(ddof=1)
    summary["standard_error"] = noise.sd / summary["n"].where(summary["n"] > 0) ** 0.5
    summary["margin"] = [noise.of_mean(n) if n else math.nan for n in summary["n"]]
    for name in ("params", "macs", "out_after"):
        summary[name] = cells[name].first()
    summary["seconds"] = done.groupby("cell")["seconds"].mean()
    for metric in dict.fromkeys([*BUILT_IN, config.metric]):
        summary[metric] = done.groupby("cell")[attribute_of(metric)].mean()
    for name, those in (
        ("failures", table["kind"] == Kind.FAILED),
        ("stopped", table["stopped_early"].astype(bool)),
    ):
        counted = those.groupby(table["cell"]).sum()
        summary[name] = counted.reindex(summary.index, fill_value=0).astype(int)
    judged = judge_all(summary, noise, measured_repeats(config, table), margin_of(config))
    for name in ("difference", "noise", "bound"):
        summary[name] = pd.Series(
            {cell: getattr(found, name) for cell, found in judged.items()}, dtype=float
        )
    kinds = cells["kind"].agg(set).to_dict()
    summary["verdict"] = [
        _verdict(row, judged.get(cell), kinds.get(cell, set())) for cell, row in summary.iterrows()
    ]
    if not isinstance(config.proposal, Grid):
        summary = _ranked(summary)
    return summary.reset_index()


def judge_all(
    summary: pd.DataFrame, noise: Noise, repeats: Mapping[int, Repeats], margin: float
) -> dict[int, Judged]:
    """Compare all that was measured with the best of those that are not out, by `cell`."""
    still_in = summary.index[(summary["n"] > 0) & summary["out_after"].isna()]
    measured = {cell: repeats[cell] for cell in still_in}
    sizes = {cell: (summary.loc[cell, "params"], cell) for cell in still_in}
    judged = judge(noise, measured, sizes, margin)
    best = [cell for cell, found in judged.items() if found.verdict is Verdict.BEST]
    others = len(measured) - 1
    return judged | {
        cell: compare(noise, repeats[best[0]], repeats[cell], others, margin)
        for cell in repeats.keys() - judged.keys()
        if best
    }


def _ranked(summary: pd.DataFrame) -> pd.DataFrame:
    """Sort by mean; of equals, the smallest network is first."""
    return summary.sort_values(["mean", "params"], ascending=[False, True], kind="stable")


def _configurations(config: StudyConfig, table: pd.DataFrame) -> pd.DataFrame:
    """List all configurations: of a grid those, too, that have not begun."""
    grid = config.proposal
    if isinstance(grid, Grid):
        rows = [
            {
                "cell": index,
                "configuration": label,
                **{axis_column(name): cell.values[name] for name in axis_names(config)},
            }
            for index, (cell, label) in enumerate(zip(grid.cells, cell_labels(grid), strict=True))
        ]
        return pd.DataFrame(rows)
    trained = table[table["kind"] == Kind.TRAINED]
    return trained[["cell", "configuration"]].copy()


def _verdict(row: pd.Series, judged: Judged | None, kinds: set[str]) -> str:
    """Return what became of a configuration."""
    if not math.isnan(row["out_after"]):
        return ELIMINATED
    if judged is not None:
        return str(judged.verdict)
    if row["stopped"]:
        return "stopped early"
    for kind in (Kind.OPEN, Kind.FAILED, Kind.OVER_BUDGET, Kind.DUPLICATE):
        if kind in kinds:
            return str(kind)
    return "not run"

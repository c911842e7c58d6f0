"""Tables of a study: a row a trial, a row an epoch, a row a configuration and its verdict.

`budgetnas.analysis._noise` defines the noise, `budgetnas.analysis._winner` the verdicts. What a
race has eliminated is neither the best nor equivalent, whatever the others' means have become.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial

from budgetnas.analysis._noise import Measurement, Noise, Repeats, pooled
from budgetnas.analysis._winner import Judged, Verdict, compare, judge
from budgetnas.metric import BUILT_IN, CORRECT, CURVES, attribute_of, spread_of, unpack
from budgetnas.space import MARGIN, SEED, Grid
from budgetnas.study import StudyConfig
from budgetnas.study.trial_record import NUMBERS, Kind, TrialRecord

NETWORK = "network"
"""The axis of a grid that chooses the network."""
SPREAD = "spread"
"""The column of a `Measurement`'s, there by registered metrics only."""
LAST = ("stopped_early", "out_after", "failure", "arch", CORRECT)
"""The last columns."""


def axis_column(name: str) -> str:
    """Name the column of an axis, whose own name may be `epochs` or `params`."""
    return f"axis: {name}"


def axis_names(config: StudyConfig) -> tuple[str, ...]:
    """Name what configurations differ in; nothing in a search."""
    grid = config.proposal
    return tuple(axis.name for axis in grid.axes) if isinstance(grid, Grid) else ()


def cell_labels(grid: Grid) -> list[str]:
    """Name the configurations of a grid, in its order: `momentum 0.9, batch size 32`.

    Where nothing but the network differs, its name says enough.
    """
    if [axis.name for axis in grid.axes] == [NETWORK]:
        return [cell.values[NETWORK] for cell in grid.cells]
    return [str(cell) for cell in grid.cells]


def trial_table(config: StudyConfig, trials: Iterable[FrozenTrial]) -> pd.DataFrame:
    """List the trials of a study.

    In a grid, a duplicate (the same network, recipe and seed under another name) has the
    measurements of the trial that it repeats; it was not trained again.

    Returns:
        A row a trial: `number`; `kind`; `cell`, which tells configurations apart (the index in
        the grid; in a search the trial's own number); `configuration`, its name; a column an axis
        of a grid; `seed`, counted from 0; `measured`, the number of the trial that was trained for
        it, its own or the one it repeats; `params` and `macs`; `val_accuracy` and
        `val_balanced_accuracy` in [0, 1]; `val_loss`; `epochs`; `seconds`; `selected_epoch`;
        `stopped_early`; `out_after`, the rounds of a race after which it was not to be trained;
        `failure`; `arch` (JSON); `right`, which validation images were correct (see
        `budgetnas.metric`). What a trial has not got is missing.
    """
    found = _Found(config, trials)
    rows = [
        {
            "number": record.number,
            "kind": str(record.kind),
            **found.configuration(record),
            "measured": measured.number,
            **measured.numbers,
            **_registered(config, measured),
            "stopped_early": record.is_stopped,
            "out_after": record.eliminated_after,
            "failure": record.failure,
            "arch": record.arch_json,
            CORRECT: measured.correct_bits,
        }
        for record in found.records
        for measured in [found.measured(record)]
    ]
    axes = [axis_column(name) for name in axis_names(config)]
    columns = ["number", "kind", "cell", "configuration", *axes, "seed", "measured", *NUMBERS]
    own = [] if config.metric in BUILT_IN else [attribute_of(config.metric), SPREAD]
    table = pd.DataFrame(rows, columns=[*columns, *own, *LAST])
    for name in (*NUMBERS, *own, "out_after"):
        table[name] = pd.to_numeric(table[name])
    return table


def _registered(config: StudyConfig, record: TrialRecord) -> dict[str, float | None]:
    """Return what was measured by a metric that users have registered, and its spread."""
    if config.metric in BUILT_IN:
        return {}
    spread = spread_of(config.metric, record.confusion) if record.is_completed else None
    return {attribute_of(config.metric): record.measured(config.metric), SPREAD: spread}


class _Found:
    """The trials of a study, with what is looked up for each."""

    def __init__(self, config: StudyConfig, trials: Iterable[FrozenTrial]) -> None:
        self.records = [TrialRecord(trial) for trial in trials]
        self._numbered = {record.number: record for record in self.records}
        self._grid = config.proposal if isinstance(config.proposal, Grid) else None
        cells = self._grid.cells if self._grid else ()
        self._indices = {frozenset(cell.values.items()): at for at, cell in enumerate(cells)}
        self._labels = cell_labels(self._grid) if self._grid else []

    def measured(self, record: TrialRecord) -> TrialRecord:
        """Return the trial that was trained for this one: itself, or in a grid what it repeats."""
        original = record.duplicate_of if self._grid else None
        return self._numbered.get(record.number if original is None else original, record)

    def configuration(self, record: TrialRecord) -> dict[str, Any]:
        """Return the columns `cell`, `configuration`, `seed` and the axes of a trial."""
        if self._grid is None:
            return {"cell": record.number, "configuration": _title(record), "seed": 0}
        cell, seed = self._index(self._grid, record.trial)
        values = self._grid.cells[cell].values
        return {
            "cell": cell,
            "configuration": self._labels[cell],
            "seed": seed,
            **{axis_column(name): value for name, value in values.items()},
        }

    def _index(self, grid: Grid, trial: FrozenTrial) -> tuple[int, int]:
        """Return a trial's index in the grid, by number before it has drawn, and its seed."""
        values = frozenset((name, v) for name, v in trial.params.items() if name != SEED)
        if values in self._indices and SEED in trial.params:
            return self._indices[values], int(trial.params[SEED])
        seed, index = divmod(trial.number, len(grid.cells))
        return index, seed


def _title(record: TrialRecord) -> str:
    """Name what a search has drawn: the network, and the fields of the recipe if there are any."""
    if not record.is_drawn:
        return f"trial {record.number}"
    fields = record.overrides.model_dump(exclude_none=True)
    words = [
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in fields.items()
    ]
    return ", ".join([str(record.arch), *words])


def curve_table(config: StudyConfig, trials: Iterable[FrozenTrial]) -> pd.DataFrame:
    """List every epoch of every trained trial, and of each duplicate in a grid the original's.

    Of a trial without curves only the study's metric is known, which it has reported.

    Returns:
        A row an epoch: `cell`, `configuration`, `seed`, `trial`, `epoch` (from 1), `lr`,
        `train_loss`, `train_accuracy` (on augmented images, in [0, 1]), `val_loss`,
        `val_accuracy`, `val_balanced_accuracy`.
    """
    found = _Found(config, trials)
    rows = [
        {**known, "trial": record.number, "epoch": number, **epoch}
        for record in found.records
        if (measured := found.measured(record)).kind is Kind.TRAINED
        for known in [found.configuration(record)]
        for number, epoch in _epochs(measured, attribute_of(config.metric))
    ]
    measures = list(dict.fromkeys([*CURVES, attribute_of(config.metric)]))
    columns = ["cell", "configuration", "seed", "trial", "epoch", *measures]
    table = pd.DataFrame(rows, columns=columns)
    for name in measures:
        table[name] = pd.to_numeric(table[name])
    return table


def _epochs(record: TrialRecord, reported_as: str) -> list[tuple[int, dict[str, float]]]:
    curves = record.curves
    if not curves:
        reported = sorted(record.trial.intermediate_values.items())
        return [(number, {reported_as: value}) for number, value in reported]
    return [
        (number, dict(zip(curves, values, strict=True)))
        for number, values in enumerate(zip(*curves.values(), strict=True), start=1)
    ]


def band_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Sum up curves over seeds.

    Args:
        curves: From `curve_table`.

    Returns:
        A row a configuration, metric and epoch: `cell`, `configuration`, `metric`, `epoch`, `n`
        (seeds), `mean`, `low` and `high` (the lowest and the highest seed). Epochs of which
        nothing is known are missing.
    """
    keys = ["cell", "configuration", "epoch"]
    metrics = curves.columns.drop([*keys, "seed", "trial", "lr"])
    long = curves.melt(id_vars=keys, value_vars=metrics, var_name="metric")
    grouped = long.dropna(subset="value").groupby([*keys, "metric"], sort=True)["value"]
    bands = grouped.agg(n="count", mean="mean", low="min", high="max").reset_index()
    return bands[["cell", "configuration", "metric", "epoch", "n", "mean", "low", "high"]]


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
    """List all configurations, of a grid also those that have not begun."""
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

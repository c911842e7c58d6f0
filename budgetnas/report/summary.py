"""A row a configuration, and which differences between them are more than noise.

All configurations of a study are measured on the same validation images, and seed k of one has
the random choices of seed k of every other. What is taken for noise, of the difference between
the means of two configurations, has two parts:

- the seeds: t(0.975, df) * s * sqrt(1/n_a + 1/n_b), where s is the standard deviation of one
  training's accuracy, pooled over the configurations that were trained with 2 seeds or more, and
  df the sum of their n - 1. What seeds have in common can only make the true noise smaller.
- the images: 1.96 * sqrt(2 p (1 - p) / images), with p the mean of the two. That would be right
  for errors on different images; on the same images it is an upper bound, unless networks are
  right where others are wrong.

They are independent, so that their squares add up. A difference that is not above the noise is a
tie.
"""

import math
from dataclasses import dataclass

import pandas as pd
from scipy.special import stdtrit

from budgetnas.report.trials import axis_column, axis_names, cell_labels
from budgetnas.space.grid import Grid
from budgetnas.study.config import StudyConfig
from budgetnas.study.trials import Kind

CONFIDENCE = 0.975
"""The quantile of an interval that holds 95 % of what chance does."""
Z = 1.96
"""The same quantile of the normal distribution."""

BEST, TIE, WORSE = "best", "tie", "worse"
VERDICTS = {
    BEST: "best",
    TIE: "within the noise",
    WORSE: "worse",
    "failed": "failed",
    "over budget": "over budget",
    "stopped early": "stopped early",
    "duplicate": "duplicate",
    "open": "not finished",
    "not run": "not run",
}
"""The verdicts on a configuration, and how they read."""


@dataclass(frozen=True)
class Noise:
    """How far accuracies of a study differ by chance."""

    sd: float
    """Standard deviation of one training's accuracy over seeds, pooled; NaN if not known."""
    df: int
    """Its degrees of freedom; 0: nothing was repeated."""
    images: int
    """Validation images."""

    def of_mean(self, n: int) -> float:
        """Return the half-width of a mean's 95 % interval over seeds; NaN if not known."""
        return self._t * self.sd * math.sqrt(1 / n) if self.df else math.nan

    def of_difference(self, a: float, n_a: int, b: float, n_b: int) -> float:
        """Return how far the means of two configurations differ by chance.

        Args:
            a: One's mean accuracy, in [0, 1].
            n_a: Its seeds.
            b: The other's mean.
            n_b: Its seeds.
        """
        seeds = self._t * self.sd * math.sqrt(1 / n_a + 1 / n_b) if self.df else 0.0
        p = (a + b) / 2
        return math.hypot(seeds, Z * math.sqrt(2 * p * (1 - p) / self.images))

    @property
    def _t(self) -> float:
        return float(stdtrit(self.df, CONFIDENCE))


def measure_noise(config: StudyConfig, table: pd.DataFrame) -> Noise:
    """Pool what seeds change within configurations.

    Args:
        config: What defines the study.
        table: Its trials, from `trial_table`.
    """
    done = _completed(table)
    values = done[done["kind"] == Kind.TRAINED].groupby("cell")["val_accuracy"]
    sizes, variances = values.count(), values.var(ddof=1)
    repeated = sizes >= 2
    df = int((sizes[repeated] - 1).sum())
    squares = float(((sizes[repeated] - 1) * variances[repeated]).sum())
    sd = math.sqrt(squares / df) if df else math.nan
    return Noise(sd=sd, df=df, images=config.facts.val)


def _completed(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out what was stopped early: it is no measurement of what was asked.

    A duplicate stays if it has what its twin measured.
    """
    measured = table["kind"].isin([Kind.TRAINED, Kind.DUPLICATE]) & table["val_accuracy"].notna()
    return table[measured & ~table["stopped_early"].astype(bool)]


def summary_table(config: StudyConfig, table: pd.DataFrame) -> pd.DataFrame:
    """Compare the configurations of a study.

    Args:
        config: What defines the study.
        table: Its trials, from `trial_table`.

    Returns:
        A row a configuration, in the grid's order, in a search the best first: `cell`,
        `configuration`, a column an axis; `n`, its trainings that count; `mean` and `sd` of their
        accuracies; `standard_error` of the mean and `margin`, half its 95 % interval over seeds,
        both from the pooled deviation; `difference` to the best mean, `noise` of that difference;
        `params`, `macs`, `seconds` a training; `failures`, `stopped`; `verdict`, of `VERDICTS`.
    """
    noise = measure_noise(config, table)
    done, cells = _completed(table), table.groupby("cell")
    values = done.groupby("cell")["val_accuracy"]
    summary = _configurations(config, table).set_index("cell")
    summary["n"] = values.count().reindex(summary.index, fill_value=0)
    summary["mean"] = values.mean()
    summary["sd"] = values.std(ddof=1)
    summary["standard_error"] = noise.sd / summary["n"].where(summary["n"] > 0) ** 0.5
    summary["margin"] = [noise.of_mean(n) if n else math.nan for n in summary["n"]]
    for name in ("params", "macs"):
        summary[name] = cells[name].first()
    summary["seconds"] = done.groupby("cell")["seconds"].mean()
    for name, those in (
        ("failures", table["kind"] == Kind.FAILED),
        ("stopped", table["stopped_early"].astype(bool)),
    ):
        counted = those.groupby(table["cell"]).sum()
        summary[name] = counted.reindex(summary.index, fill_value=0).astype(int)
    summary = _compared(summary, noise)
    kinds = cells["kind"].agg(set).to_dict()
    summary["verdict"] = [
        _verdict(row, kinds.get(cell, set())) for cell, row in summary.iterrows()
    ]
    if not isinstance(config.proposal, Grid):
        summary = _ranked(summary)
    return summary.drop(columns="is_best").reset_index()


def _compared(summary: pd.DataFrame, noise: Noise) -> pd.DataFrame:
    """Add each configuration's difference to the best, and how much of that chance makes."""
    measured = _ranked(summary[summary["n"] > 0])
    if measured.empty:
        return summary.assign(is_best=False, difference=math.nan, noise=math.nan)
    best = measured.iloc[0]
    return summary.assign(
        is_best=summary.index == best.name,
        difference=best["mean"] - summary["mean"],
        noise=[
            noise.of_difference(mean, n, best["mean"], best["n"]) if n else math.nan
            for mean, n in zip(summary["mean"], summary["n"], strict=True)
        ],
    )


def _ranked(summary: pd.DataFrame) -> pd.DataFrame:
    """Sort by mean; of equals, the smallest network is first."""
    return summary.sort_values(["mean", "params"], ascending=[False, True], kind="stable")


def _configurations(config: StudyConfig, table: pd.DataFrame) -> pd.DataFrame:
    """List all configurations: of a grid those, too, that have not begun."""
    grid = config.proposal
    if isinstance(grid, Grid):
        rows = [
            {
                "cell": place,
                "configuration": label,
                **{axis_column(name): cell.values[name] for name in axis_names(config)},
            }
            for place, (cell, label) in enumerate(zip(grid.cells, cell_labels(grid), strict=True))
        ]
        return pd.DataFrame(rows)
    trained = table[table["kind"] == Kind.TRAINED]
    return trained[["cell", "configuration"]].copy()


def _verdict(row: pd.Series, kinds: set[str]) -> str:
    """Say what became of a configuration."""
    if row["is_best"]:
        return BEST
    if row["n"]:
        return TIE if row["difference"] <= row["noise"] else WORSE
    if row["stopped"]:
        return "stopped early"
    for kind in (Kind.OPEN, Kind.FAILED, Kind.OVER_BUDGET, Kind.DUPLICATE):
        if kind in kinds:
            return str(kind)
    return "not run"

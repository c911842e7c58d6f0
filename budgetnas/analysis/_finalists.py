"""The finalists of a search: which of them wins, and by which rule.

`budgetnas.analysis._winner` states the rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from optuna.trial import FrozenTrial

from budgetnas.analysis._best import best_trial, best_within
from budgetnas.analysis._noise import Noise, Repeats
from budgetnas.analysis._tables import (
    NETWORK,
    axis_column,
    judge_all,
    margin_of,
    measure_noise,
    measured_repeats,
    summary_table,
    trial_table,
)
from budgetnas.analysis._winner import (
    MOST_SEEDS,
    Judged,
    Size,
    Verdict,
    alike_of,
    seeds_to_tell,
    winner,
)
from budgetnas.errors import InputError
from budgetnas.metric import Metric, title_of
from budgetnas.space import Grid
from budgetnas.study import StudyConfig, config_path, study_folder
from budgetnas.study.begun import BegunStudy
from budgetnas.study.trial_record import TrialRecord, trainings_left

VARIANT = "finalists"
"""Name of the comparison of a study's best trials, and of its folder in the study's."""


def finalist_name(trial: int) -> str:
    """Name the finalist that a trial has become."""
    return f"trial {trial}"


def trial_of(name: str) -> int:
    """Return the number of the trial that a finalist was: `finalist_name` undone."""
    return int(name.removeprefix("trial "))


@dataclass(frozen=True)
class Winner:
    """The finalist that wins: the smallest of the best one and those shown to be as good."""

    trial: int
    """The trial of the search that it was."""
    params: int
    """Trainable parameters."""
    macs: int
    """Multiply-adds for one image."""
    mean: float
    """Its mean over seeds of the metric on the validation images, in [0, 1]."""
    margin: float | None
    """Half its 95 % interval over seeds; None if not known."""
    n: int
    """Its seeds."""
    rule: str
    """Why it wins."""
    advice: str
    """Finalists not distinguished from the best mean, and seeds that would tell; "" if none."""


@dataclass(frozen=True)
class FinalistStudy:
    """The comparison of a study's finalists, finished or not."""

    config: StudyConfig
    """Its definition."""
    trials: Sequence[FrozenTrial]
    """Its trials, by number."""

    @property
    def grid(self) -> Grid:
        """The finalists with their recipes."""
        assert isinstance(self.config.proposal, Grid), "finalists are a grid"
        return self.config.proposal

    @property
    def margin(self) -> float:
        return margin_of(self.config)

    @property
    def left(self) -> int:
        """How many of its trainings have not ended."""
        return trainings_left(self.grid, self.trials)

    @cached_property
    def _measured(self) -> pd.DataFrame:
        return trial_table(self.config, self.trials)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The finalists, the best first: `summary_table` and the column `trial`."""
        summary = summary_table(self.config, self._measured)
        trials = [trial_of(name) for name in summary[axis_column(NETWORK)]]
        ranked = summary.assign(trial=trials)
        return ranked.sort_values(["mean", "params"], ascending=[False, True], kind="stable")

    @cached_property
    def winner(self) -> Winner | None:
        """The winner once all finalists are trained; None before that, or if all failed."""
        return self.winner_within()

    def winner_within(self, params: int | None = None) -> Winner | None:
        """Return the winner of the finalists of at most N parameters.

        Args:
            params: The N; None: of all finalists.
        """
        rows = self.table.set_index("cell")
        rows = rows[(rows["n"] > 0) & rows["out_after"].isna()]
        if params is not None:
            rows = rows[rows["params"] <= params]
        if self.left or rows.empty:
            return None
        repeats = measured_repeats(self.config, self._measured)
        race = _Ended(
            rows,
            noise=measure_noise(self.config, self._measured),
            repeats={cell: repeats[cell] for cell in rows.index},
            margin=self.margin,
        )
        return race.winner()


@dataclass(frozen=True)
class _Ended:
    """The finalists that are still in when all trainings have ended."""

    rows: pd.DataFrame
    """From `FinalistStudy.table`, by `cell`."""
    noise: Noise
    repeats: Mapping[int, Repeats]
    margin: float

    @cached_property
    def judged(self) -> Mapping[int, Judged]:
        return judge_all(self.rows, self.noise, self.repeats, self.margin)

    def winner(self) -> Winner:
        """Name the one that wins, and say why."""
        found = winner(self.judged, self.repeats, self._sizes())
        row = self.rows.loc[found]
        return Winner(
            trial=int(row["trial"]),
            params=int(row["params"]),
            macs=int(row["macs"]),
            mean=float(row["mean"]),
            margin=None if pd.isna(row["margin"]) else float(row["margin"]),
            n=int(row["n"]),
            rule=self._rule(found),
            advice=self._advice(),
        )

    def _sizes(self) -> dict[int, Size]:
        named = self.rows[["params", "macs", "trial"]].astype(int).itertuples()
        return {row.Index: (row.params, row.macs, row.trial) for row in named}

    def _rule(self, found: int) -> str:
        alike = alike_of(self.judged)
        whole = [cell for cell in alike if self.repeats[cell].n == self.repeats[found].n]
        margin, sure = points_of(self.margin), "at 95 % confidence"
        if self.judged[found].verdict is Verdict.EQUIVALENT:
            failed = " and never failed" if len(whole) < len(alike) else ""
            within = f"shown to be less than {margin} below the best mean, {sure}{failed}"
            return f"the smallest of {len(whole)} that are {within}"
        others = {each.verdict for cell, each in self.judged.items() if cell != found}
        if others <= {Verdict.WORSE}:
            return "the best mean, all others are shown to be worse or failed"
        sizes = self._sizes()
        if min(self.judged, key=lambda cell: sizes[cell]) == found:
            return "the best mean, and the smallest that is not shown to be worse"
        return f"the best mean, no smaller one is shown to be less than {margin} below it, {sure}"

    def _advice(self) -> str:
        """Name those not distinguished from the best, and the number of seeds that would tell."""
        verdicts = {cell: found.verdict for cell, found in self.judged.items()}
        open_ = [cell for cell in self.rows.index if verdicts[cell] is Verdict.NOT_DISTINGUISHED]
        if not open_:
            return ""
        (best,) = (cell for cell, verdict in verdicts.items() if verdict is Verdict.BEST)
        told, numbers = list[str](), list[int]()
        for cell in open_:
            one, other = self.repeats[best], self.repeats[cell]
            seeds = seeds_to_tell(self.noise, one, other, len(verdicts) - 1, self.margin)
            numbers += [] if seeds is None else [seeds]
            smaller = self.rows.loc[cell, "params"] < self.rows.loc[best, "params"]
            words = f"{'smaller, ' if smaller else ''}{_would_tell(seeds)}"
            told.append(f"{finalist_name(self.rows.loc[cell, 'trial'])} ({words})")
        more = f"More seeds are needed: --seeds {min(numbers)}." if numbers else FEW_IMAGES
        return f"Not distinguished from the best mean: {'; '.join(told)}. {more}"


FEW_IMAGES = "More validation images are needed."


def _would_tell(seeds: int | None) -> str:
    if seeds is None:
        return f"{MOST_SEEDS} seeds would not tell"
    return f"about {seeds} seeds each would tell"


def points_of(margin: float) -> str:
    """Write a margin in percentage points: `1 point`, `0.5 points`."""
    return f"{100 * margin:g} point{'s' * (margin != 0.01)}"


def read_finalists(config: StudyConfig, storage: str | None) -> FinalistStudy | None:
    """Read the comparison of a study's finalists; None if it has not begun.

    Args:
        config: The study.
        storage: SQLAlchemy URL of the study's storage, if it is not what the study remembers.
    """
    if "/" in config.name:
        return None
    name = f"{config.name}/{VARIANT}"
    folder = study_folder(name)
    if not config_path(folder).is_file():
        return None
    begun = BegunStudy(name, folder, StudyConfig.read(folder), guessed=False)
    return FinalistStudy(begun.config, begun.trials(storage if config.storage else None))


@dataclass(frozen=True)
class Chosen:
    """The best of a study, and the rule."""

    trial: TrialRecord
    """The trial."""
    rule: str
    """Why it is the best."""


def chosen(
    study: BegunStudy,
    trials: Sequence[FrozenTrial],
    storage: str | None,
    purpose: str,
    params: int | None = None,
    metric: Metric | None = None,
) -> Chosen:
    """Choose the winner of a search's finalists, or else the best of its trials; say the rule.

    A grid has no finalists: its best is the configuration of the best mean.

    Args:
        study: The study.
        trials: Its trials, by number.
        storage: SQLAlchemy URL of its storage, if it is not what the study remembers.
        purpose: What it is for: `to retrain`.
        params: At most N parameters; None: any that the study allows.
        metric: By which number; the study's own by default.

    Raises:
        InputError: If none was completed yet.
    """
    best = best_trial(trials, metric)
    if params is not None:
        best = best_within(trials, params, metric)
    if best is None:
        of = "" if params is None else f" of at most {params:,} parameters"
        raise InputError(f"study {study.name!r} has no completed trial{of} {purpose} yet")
    if isinstance(study.config.proposal, Grid):
        return Chosen(best, "the best mean of the configurations with the most seeds")
    finalists = read_finalists(study.config, storage)
    by = study.config.metric if metric is None else metric
    if finalists is not None and metric not in (None, finalists.config.metric):
        why = f"its finalists are compared by {finalists.config.metric}"
    elif finalists is not None and (found := finalists.winner_within(params)):
        return Chosen(TrialRecord(trials[found.trial]), f"the finalists' winner, {found.rule}")
    else:
        why = _no_winner(finalists)
    return Chosen(best, f"best {title_of(by)} of the search ({why})")


def _no_winner(finalists: FinalistStudy | None) -> str:
    if finalists is None:
        return "no finalists yet"
    if finalists.left:
        return f"its finalists are unfinished: {finalists.left} trainings are left"
    if finalists.winner is None:
        return "all of its finalists failed"
    return "none of its finalists that are still in is so small"


def winner_line(finalists: FinalistStudy | None) -> str:
    """Name the winner in a sentence; nothing where there is none."""
    if finalists is None or finalists.winner is None:
        return ""
    winner, epochs = finalists.winner, finalists.config.recipe.epochs
    spread = "" if winner.margin is None else f" ± {100 * winner.margin:.2f}"
    return (
        f"Finalists' winner: trial {winner.trial}, {winner.mean:.2%}{spread} (mean of "
        f"n = {winner.n} seeds, {epochs} epochs each) with {winner.params:,} parameters: "
        f"{winner.rule}."
    )


def advice_line(finalists: FinalistStudy | None) -> str:
    """Return what would tell the finalists apart that nothing has; nothing where there is none."""
    return finalists.winner.advice if finalists is not None and finalists.winner else ""

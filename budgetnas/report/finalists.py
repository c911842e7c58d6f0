"""The finalists of a search: which of them wins, and by which rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from optuna.trial import FrozenTrial

from budgetnas.errors import InputError
from budgetnas.report.summary import BEST, TIE, summary_table
from budgetnas.report.trials import axis_column, trial_table
from budgetnas.space import Grid
from budgetnas.study.begun import BegunStudy
from budgetnas.study.config import StudyConfig
from budgetnas.study.metric import title_of
from budgetnas.study.place import config_path, study_folder
from budgetnas.study.trials import best_trial, trainings_left

VARIANT = "finalists"
"""What the comparison of a study's best trials is called, and its folder in the study's."""
NETWORK = "network"
"""The only thing that finalists are told apart by."""


def finalist_name(trial: int) -> str:
    """Name the finalist that a trial has become."""
    return f"trial {trial}"


def trial_of(name: str) -> int:
    """Return the number of the trial that a finalist was: `finalist_name` undone."""
    return int(name.removeprefix("trial "))


@dataclass(frozen=True)
class Winner:
    """The finalist that wins: of those that tie with the best, the smallest."""

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


@dataclass(frozen=True)
class FinalistStudy:
    """The comparison of a study's finalists, finished or not."""

    config: StudyConfig
    """What defines it."""
    trials: Sequence[FrozenTrial]
    """Its trials, by number."""

    @property
    def grid(self) -> Grid:
        """The finalists with their recipes."""
        assert isinstance(self.config.proposal, Grid), "finalists are a grid"
        return self.config.proposal

    @property
    def left(self) -> int:
        """How many of its trainings have not ended."""
        return trainings_left(self.grid, self.trials)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The finalists, the best first: `summary_table` and the column `trial`."""
        summary = summary_table(self.config, trial_table(self.config, self.trials))
        trials = [trial_of(name) for name in summary[axis_column(NETWORK)]]
        ranked = summary.assign(trial=trials)
        return ranked.sort_values(["mean", "params"], ascending=[False, True], kind="stable")

    @cached_property
    def winner(self) -> Winner | None:
        """The winner once all finalists are trained; None before that, or if all failed.

        One of which a seed failed does not win where another ties that none failed of.
        """
        ties = self.table[self.table["verdict"].isin([BEST, TIE])]
        if self.left or ties.empty:
            return None
        whole = ties[ties["n"] == ties["n"].max()]
        first = whole.sort_values(["params", "macs", "trial"]).iloc[0]
        return Winner(
            trial=int(first["trial"]),
            params=int(first["params"]),
            macs=int(first["macs"]),
            mean=float(first["mean"]),
            margin=None if pd.isna(first["margin"]) else float(first["margin"]),
            n=int(first["n"]),
            rule=_rule(len(ties), len(whole)),
        )


def _rule(ties: int, whole: int) -> str:
    if ties == 1:
        return "no other is within the noise of it"
    if whole < ties:
        return f"the smallest of {whole} that tie and never failed"
    return f"the smallest of {ties} that tie"


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


def chosen(
    study: BegunStudy, trials: Sequence[FrozenTrial], storage: str | None, purpose: str
) -> tuple[FrozenTrial, str | None]:
    """Choose the winner of a search's finalists, or else the best of its trials; say the rule.

    A grid has no finalists and no rule: its best is that of its configurations.

    Args:
        study: The study.
        trials: Its trials, by number.
        storage: SQLAlchemy URL of its storage, if it is not what the study remembers.
        purpose: What it is for: `to retrain`.

    Raises:
        InputError: If none was completed yet.
    """
    best = best_trial(trials)
    if best is None:
        raise InputError(f"study {study.name!r} has no completed trial {purpose} yet")
    if isinstance(study.config.proposal, Grid):
        return best, None
    finalists = read_finalists(study.config, storage)
    if finalists is not None and (winner := finalists.winner):
        rule = f"best: trial {winner.trial}, the finalists' winner, {winner.rule}"
        return trials[winner.trial], rule
    why, measured = "no finalists yet", title_of(study.config.metric)
    if finalists is not None:
        why = f"its finalists are unfinished: {finalists.left} trainings are left"
        why = why if finalists.left else "all of its finalists failed"
    return best, f"best: trial {best.number}, best {measured} of the search ({why})"


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

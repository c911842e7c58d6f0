"""Everything that a report says, read from a study and summed up."""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from optuna.trial import FrozenTrial
from pydantic import TypeAdapter, ValidationError

from budgetnas.analysis import (
    Counts,
    FinalistStudy,
    Noise,
    Repeats,
    Verdict,
    curve_table,
    measure_noise,
    measured_repeats,
    read_finalists,
    summary_table,
    trial_table,
)
from budgetnas.arch import Arch
from budgetnas.data import count_openings
from budgetnas.errors import InputError
from budgetnas.space import Grid
from budgetnas.spec import parse_json, read_text
from budgetnas.study import (
    Comparison,
    Fidelity,
    StudyConfig,
    find_study,
    search_command,
    study_folder,
)
from budgetnas.study.begun import hardware_of, require_unchanged, storage_url
from budgetnas.study.storage import existing_study
from budgetnas.study.trial_record import Tally, TrialRecord, own_trials, tally, trainings_left


@dataclass(frozen=True)
class TestedRun:
    """A finished retraining, from its result.json."""

    target: str
    """The target that was asked for."""
    params: int
    """Trainable parameters."""
    epochs: int
    """Epochs trained."""
    test_accuracy: float
    """Share right on the test part, in [0, 1]."""
    test_images: int
    """Size of the test part."""
    test_balanced_accuracy: float | None = None
    """Mean over classes of the share right on the test part, in [0, 1]."""
    largest_class: float | None = None
    """The share of the test images that the largest class has; None of equal classes."""
    trial: int | None = None
    """The study's trial it comes from."""
    test_selected: bool = False
    """Whether the test part was seen after every epoch, as some papers do."""
    select: str = "last"
    """Whose weights are tested: last, best-val or best-test."""
    last_test_accuracy: float | None = None
    """As `test_accuracy`, after the last epoch; None where its weights were never tested."""


def run_table(folder: Path) -> pd.DataFrame:
    """List the finished retrainings in a study's folder.

    Returns:
        A row a run, by name: `run`, and the fields of `TestedRun`.

    Raises:
        InputError: If a result can't be read.
    """
    paths = sorted(folder.glob("runs/*/result.json"))
    rows = [{"run": path.parent.name, **asdict(_read_result(path))} for path in paths]
    return pd.DataFrame(rows, columns=["run", *TestedRun.__dataclass_fields__])


def read_confusion(run: Path) -> Counts | None:
    """Read a run's test images [true class, predicted class]; None where that is not there.

    Raises:
        InputError: If it is damaged.
    """
    path = run / "confusion.csv"
    if not path.is_file():
        return None
    try:
        matrix: Counts = pd.read_csv(path, index_col=0).to_numpy().astype(np.int64)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: damaged: {str(error).splitlines()[0]}") from None
    if matrix.shape != (len(matrix), len(matrix)) or not matrix.sum():
        raise InputError(f"{path}: damaged: it must have a row and a column a class, and images")
    return matrix


def _read_result(path: Path) -> TestedRun:
    try:
        return TypeAdapter(TestedRun).validate_python(parse_json(read_text(path), str(path)))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise InputError(f"{path}: damaged: {where}: {problem['msg']}") from None


@dataclass(frozen=True)
class Report:
    """A study as it is at this moment: numbers, before they become sentences and pictures."""

    config: StudyConfig
    """Its definition."""
    folder: Path
    """Where it is."""
    trials: list[FrozenTrial]
    """Its trials, by number."""
    hardware: str | None
    """Hardware that its trials were trained on."""
    openings: int
    """How often its test part was opened, by retrainings."""
    storage: str | None = None
    """The storage that it was read from, where it is not what the study remembers."""

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def grid(self) -> Grid | None:
        """The grid, unless the study is a search."""
        return self.config.proposal if isinstance(self.config.proposal, Grid) else None

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a trial, from `trial_table`."""
        return trial_table(self.config, self.trials)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """A row an epoch, from `curve_table`."""
        return curve_table(self.config, self.trials)

    @cached_property
    def noise(self) -> Noise:
        """How far accuracies differ by chance."""
        return measure_noise(self.config, self.table)

    @cached_property
    def repeats(self) -> dict[int, Repeats]:
        """Measurements of each configuration, by `cell`."""
        return measured_repeats(self.config, self.table)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row a configuration, from `summary_table`."""
        return summary_table(self.config, self.table)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row a retraining, from `run_table`."""
        return run_table(self.folder)

    @cached_property
    def fidelity(self) -> Fidelity | None:
        """How far its short trainings can be trusted; None where that was not measured."""
        return Fidelity.read(self.folder)

    @cached_property
    def comparison(self) -> Comparison | None:
        """Its winner beside baselines; None where that was not measured."""
        return Comparison.read(self.folder)

    @cached_property
    def finalists(self) -> FinalistStudy | None:
        """The race of a search's finalists, which may be this study; None if there is none."""
        if self.grid is not None:
            return FinalistStudy(self.config, self.trials) if self.grid.race is not None else None
        return read_finalists(self.config, self.storage)

    @cached_property
    def counts(self) -> Tally:
        return tally(self.trials)

    @property
    def left(self) -> int:
        """How many trainings of a grid have not ended; a search has no end of its own: 0."""
        return 0 if self.grid is None else trainings_left(self.grid, self.trials)

    @property
    def best(self) -> "pd.Series | None":
        """The best configuration's row of the summary; None before anything is measured."""
        found = self.summary[self.summary["verdict"] == Verdict.BEST]
        return None if found.empty else found.iloc[0]

    def of_verdict(self, verdict: Verdict) -> pd.DataFrame:
        """Return the configurations of which this is shown, the best of them first."""
        found = self.summary[self.summary["verdict"] == verdict]
        return found.sort_values("mean", ascending=False, kind="stable")

    @property
    def command(self) -> str:
        """The command that runs the study, or goes on with it."""
        return self.config.about.command or command_of(self.config, self.counts.trained)

    def as_json(self) -> dict[str, Any]:
        """Return what was found as plain data; null is what is not known."""
        best = self.best
        if best is None:
            return {"study": self.config.name, "best": None, "winner": None, "n": 0}
        found = {
            "configuration": best["configuration"],
            "value": float(best["mean"]),
            "margin": None if np.isnan(best["margin"]) else float(best["margin"]),
            "params": int(best["params"]),
            "equivalent": self.of_verdict(Verdict.EQUIVALENT)["configuration"].tolist(),
            "not_distinguished": self.of_verdict(Verdict.NOT_DISTINGUISHED)[
                "configuration"
            ].tolist(),
        }
        winner = self.finalists and self.finalists.winner
        return {
            "study": self.config.name,
            "best": found,
            "winner": asdict(winner) if winner else None,
            "n": int(best["n"]),
        }

    def arch_of(self, cell: int) -> Arch:
        if self.grid is not None:
            return self.grid.cells[cell].arch
        return self._numbered[cell].arch

    @cached_property
    def _numbered(self) -> dict[int, TrialRecord]:
        return {trial.number: TrialRecord(trial) for trial in self.trials}

    def confusion_of(self, cell: int) -> Counts | None:
        """Add up a configuration's confusion matrices over its seeds.

        Returns:
            Validation images [true class, predicted class], each counted once a seed; None where
            none was kept.
        """
        numbers = self.table.loc[self.table["cell"] == cell, "measured"]
        kept = [self._numbered[number].confusion for number in numbers]
        matrices = [np.asarray(matrix, dtype=np.int64) for matrix in kept if matrix]
        return np.sum(matrices, axis=0) if matrices else None


def command_of(config: StudyConfig, trials: int) -> str:
    """Return the command of a study whose file has none."""
    if isinstance(config.proposal, Grid):
        return f"budgetnas run studies/{config.name.partition('/')[0]}"
    return search_command(config, max(1, trials))


def read_report(name: str | None, storage: str | None = None) -> Report:
    """Read a study, running or finished.

    Args:
        name: The study's; None: the only one, else the newest.
        storage: SQLAlchemy URL of its storage, if it is not what the study remembers.

    Raises:
        InputError: If there is no such study, or no training of it has ended yet.
    """
    found, _ = find_study(name)
    folder = study_folder(found)
    config = StudyConfig.read(folder)
    with existing_study(config.name, storage_url(config, folder, storage)) as study:
        require_unchanged(study, config)
        trials = own_trials(study.get_trials(deepcopy=False))
        hardware = hardware_of(study)
    report = Report(config, folder, trials, hardware, count_openings(folder), storage)
    if not report.counts.trained and not report.counts.failed:
        raise InputError(f"study {config.name!r}: nothing has been trained yet; {report.command}")
    return report

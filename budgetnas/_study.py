"""`Study`: a study that has begun, from Python: its trials as a table, its best, what follows."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from budgetnas.analysis import Best, FrontStep, chosen, front, trial_table
from budgetnas.metric import Metric
from budgetnas.study.begun import find_begun

if TYPE_CHECKING:
    import pandas as pd

    from budgetnas.runs import RunResult


class Study:
    """A study, running or finished. Each call reads what its storage holds at that moment."""

    def __init__(self, name: str | None = None, *, storage: str | None = None) -> None:
        """Find a study.

        Args:
            name: Its name, below ./studies; None: the only study, else the newest.
            storage: SQLAlchemy URL of its storage, if it is not what the study remembers.

        Raises:
            InputError: If there is no such study.
        """
        self._begun, self._storage = find_begun(name), storage

    @property
    def name(self) -> str:
        """The study's name."""
        return self._begun.name

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._begun.folder

    @property
    def metric(self) -> Metric:
        """The metric of its networks."""
        return self._begun.config.metric

    def trials(self) -> "pd.DataFrame":
        """Return a row a trial: number, kind, params, MACs, accuracies, seconds, arch and more."""
        return trial_table(self._begun.config, self._begun.trials(self._storage))

    @property
    def best(self) -> Best:
        """The network that `retrain("best")` trains: the finalists' winner, else the best trial.

        Raises:
            InputError: If no trial was completed yet.
        """
        trials = self._begun.trials(self._storage)
        record = chosen(self._begun, trials, self._storage, "to name").trial
        value = record.measured()
        assert value is not None, "it was completed"
        return Best(record.number, value, record.params, record.arch.model_dump(mode="json"))

    def front(self) -> Sequence[FrontStep]:
        """Return the completed trials that are better than every smaller one, by parameters."""
        return front(self._begun.trials(self._storage))

    def retrain(self, target: str | int = "best", **options: Any) -> "RunResult":
        """Retrain one of its networks in full, and test it once.

        Args:
            target: `best`, or a trial's number.
            options: Those of `budgetnas.retrain`.
        """
        from budgetnas.workflows.retrain import retrain

        return retrain(str(target), study=self.name, storage=self._storage, **options)

    def report(self, out: Path | None = None) -> Path:
        """Write its report, one HTML page; return the file.

        Args:
            out: The file; report.html in the study's folder by default.

        Raises:
            InputError: If no training has ended yet.
        """
        from budgetnas.report import write_report

        return write_report(self.name, out, self._storage)

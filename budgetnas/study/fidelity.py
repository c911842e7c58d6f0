"""`Fidelity`, the content of fidelity.json: how far a short training can be trusted."""

from typing import Annotated

from pydantic import Field

from budgetnas.recipe import Epochs
from budgetnas.spec import Spec
from budgetnas.study.finding import NOT_KNOWN, Finding
from budgetnas.study.metric import DEFAULT_METRIC, Metric, title_of

SEARCHES_BY = title_of(DEFAULT_METRIC)
"""The criterion that a search ranks by, and a recommendation is for; by another metric, that."""

LEAST_ARCHS = 5
"""Of fewer architectures, resampled, no interval says anything."""

RULE = (
    "recommended is the fewest epochs whose tau by what the search ranks by has a 95 % interval "
    "above 0, and is not below the lower end of the highest tau's; none where the highest's "
    "reaches 0"
)
"""How `recommended` follows from the rows."""


class Estimate(Spec):
    """A statistic, with its 95 % interval; null is what is not known."""

    value: float | None
    """Of the architectures that were trained."""
    low: float | None
    """The lower end of its interval."""
    high: float | None
    """The upper end."""

    def words(self, unit: float = 1.0) -> str:
        """Write it for people: `0.71 (0.42 to 0.91)`.

        Args:
            unit: What one of it is written as: 100, of a fraction in percentage points.
        """
        if self.value is None:
            return NOT_KNOWN
        if self.low is None or self.high is None:
            return f"{unit * self.value:.2f}"
        return f"{unit * self.value:.2f} ({unit * self.low:.2f} to {unit * self.high:.2f})"


class Row(Spec):
    """How one criterion ranks after so many epochs."""

    epochs: Epochs
    """Of a short training."""
    cost: float
    """These epochs as a share of a full training's."""
    criterion: str
    """What the architectures were ranked by."""
    tau: Estimate
    """Kendall's tau-b between that ranking and the one by the full training's metric, in
    [-1, 1]."""
    regret: Estimate
    """The full training's metric, in [0, 1], that is lost where only the top k are trained in
    full: the best of all less the best of those."""


class Fidelity(Finding):
    """What short trainings of a study have told of full ones."""

    FILE = "fidelity.json"

    study: str
    """The study's name."""
    version: str
    """The version of budgetnas that wrote it."""
    metric: Metric = DEFAULT_METRIC
    """What the search ranks by, on the validation images."""
    command: str
    """The command that made it, or goes on with it."""
    finished: bool
    """Whether every training has ended."""
    archs: Annotated[int, Field(ge=LEAST_ARCHS)]
    """Architectures that were chosen."""
    n: Annotated[int, Field(ge=0)]
    """Those of which every training was measured."""
    params: tuple[int, int]
    """The fewest and the most parameters among the chosen."""
    seeds: Annotated[int, Field(ge=1)]
    """How often each was trained."""
    short: tuple[Epochs, ...]
    """The candidates for a trial's epochs."""
    epochs: Epochs
    """Of a full training."""
    recipe: str
    """Of a full training, by name."""
    top: Annotated[int, Field(ge=1)]
    """The k of the regret."""
    rows: tuple[Row, ...]
    """A row a candidate and criterion; none before enough architectures are measured."""
    recommended: Epochs | None
    """Epochs of a trial; null where none can be recommended."""
    rule: str = RULE
    """How that was chosen."""

    @property
    def counted(self) -> str:
        """Say of how many architectures it is."""
        return f"{self.n} of {self.archs} architectures"

    @property
    def advice(self) -> str:
        """Say in a sentence what is recommended, and why."""
        if not self.finished:
            return f"Fidelity is measured for {self.counted} so far. {self.command}"
        best = self._best()
        if best is None:
            enough = self.n >= LEAST_ARCHS
            why = "by it all are equal" if enough else f"at least {LEAST_ARCHS} are needed"
            return f"No trial length can be recommended: {self.counted} were measured, {why}."
        chosen = next((row for row in self._ranked() if row.epochs == self.recommended), None)
        if chosen is None:
            return (
                f"No trial length can be recommended: of {self.n} architectures, even after "
                f"{_epochs(best)} tau is {best.tau.words()}, which may be chance."
            )
        return (
            f"Recommended: trials of {_epochs(chosen)}, {chosen.cost:.1%} of a full training's: "
            f"tau {chosen.tau.words()}{_beside(chosen, best)}, of {self.n} architectures."
        )

    def _ranked(self) -> list[Row]:
        """The rows that a recommendation is made from."""
        by = title_of(self.metric)
        return [row for row in self.rows if row.criterion == by and row.tau.value is not None]

    def _best(self) -> Row | None:
        """The candidate with the highest tau; of equals, the one with the fewest epochs."""
        return max(self._ranked(), key=lambda row: (row.tau.value, -row.epochs), default=None)

    def choose(self) -> int | None:
        """Recommend a number of epochs by the rule, from the rows."""
        best = self._best()
        if not self.finished or best is None or best.tau.low is None or best.tau.low <= 0:
            return None
        least = best.tau.low
        return min(
            row.epochs
            for row in self._ranked()
            if (row.tau.value or 0) >= least and (row.tau.low or 0) > 0
        )


def _epochs(row: Row) -> str:
    return f"{row.epochs} epoch{'s' * (row.epochs > 1)}"


def _beside(chosen: Row, best: Row) -> str:
    """Return how good the best is, where it was not chosen."""
    if chosen.epochs == best.epochs:
        return ""
    return f", the best, {_epochs(best)}, {best.tau.words()}"

"""Results of comparisons of a study's networks, kept as files beside study.toml."""

from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field

from budgetnas.files import write_atomic
from budgetnas.metric import DEFAULT_METRIC, Metric, title_of
from budgetnas.recipe import Epochs
from budgetnas.spec import Spec, parse_json, read_text
from budgetnas.study._config import Count

PUBLISHED = "published"
"""A comparison's name for the recipe that efficient-resnet was published with."""
NOT_KNOWN = "not known"


class Finding(Spec):
    """A result about a study: the content of a JSON file in the study's folder."""

    FILE: ClassVar[str]
    """The file's name."""

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read what was found out about the study in a folder, if anything was.

        Raises:
            InputError: If it is damaged.
        """
        path = folder / cls.FILE
        if not path.is_file():
            return None
        return cls.parse(parse_json(read_text(path), str(path)), str(path))

    def write(self, folder: Path) -> None:
        write_atomic(folder / self.FILE, self.model_dump_json(indent=2) + "\n")


class Compared(Spec):
    """One network, trained by one recipe with several seeds; null is what is not known."""

    network: str
    """Its name: `winner`, `best random`."""
    arch: str
    """The network in a few words."""
    recipe: str
    """The recipe's name."""
    params: int | None
    """Trainable parameters; null before its turn came."""
    macs: int | None
    """Multiply-adds for one image."""
    n: Count
    """The seeds that it was trained with."""
    mean: float | None
    """Their mean of the study's metric on the validation images, in [0, 1]."""
    margin: float | None
    """Half the mean's 95 % interval over seeds."""
    difference: float | None
    """How far it is below the best."""
    noise: float | None
    """How far it could be by chance."""
    verdict: str
    """The verdict (`budgetnas.analysis`), or why it was not measured: over budget."""
    seconds: float | None
    """Seconds of one training."""
    failures: Count
    """Its trainings that failed."""


class Part(Spec):
    """The gain from one thing: a mean on the validation images minus another one."""

    name: str
    """The recipe, the architecture or the search."""
    this: str
    """The network with it."""
    other: str
    """The network without it."""
    gain: float | None
    """The difference of the means, a fraction; null is not known."""
    noise: float | None
    """How far it could be from 0 by chance (`budgetnas.analysis`)."""
    same: bool
    """Whether both are the very same trainings."""

    @property
    def words(self) -> str:
        what = f"{self.this} less {self.other}"
        if self.same:
            return f"{self.name}: nothing: {self.this} and {self.other} are the same training"
        if self.gain is None or self.noise is None:
            return f"{self.name}: {NOT_KNOWN}: {what}"
        verdict = "" if abs(self.gain) > self.noise else ", not distinguished from 0"
        return (
            f"{self.name}: {100 * self.gain:+.2f} points (noise {100 * self.noise:.2f}{verdict}): "
            f"{what}"
        )


class Luck(Spec):
    """The gain from chance alone."""

    sd: float | None
    """Standard deviation of one training's accuracy over seeds, pooled; null is not known."""
    df: Count
    """Its degrees of freedom."""
    trials: Annotated[int, Field(ge=1)]
    """Completed trials that the search chose its best from."""
    gain: float | None
    """sd times the expected maximum of N standard normal numbers: by how much the luckiest of N
    trainings of one network is expected to be above their mean."""

    @property
    def words(self) -> str:
        if self.sd is None or self.gain is None:
            return f"luck: {NOT_KNOWN}: nothing was trained with two seeds"
        return (
            f"luck: one seed's standard deviation is {100 * self.sd:.2f} points; picking the "
            f"luckiest of {self.trials} equal networks would gain {100 * self.gain:.2f} points"
        )


class Comparison(Finding):
    """A search's winner beside what it has to beat, all trained alike."""

    FILE = "comparison.json"

    study: str
    """The search's name."""
    version: str
    """The version of budgetnas that wrote it."""
    command: str
    """The command that made it, or goes on with it."""
    finished: bool
    """Whether every training has ended."""
    winner: Count
    """The trial of the search that is the winner here."""
    trials: Annotated[int, Field(ge=1)]
    """Completed trials of the search when the comparison began."""
    random: Count
    """Random networks that were to be drawn, of which the best is compared; 0: none."""
    seeds: Annotated[int, Field(ge=1)]
    """Seeds of each."""
    epochs: Epochs
    """Epochs of each training."""
    recipe: str
    """The recipe of each training but that by the published recipe."""
    metric: Metric = DEFAULT_METRIC
    """The metric of the comparison."""
    largest_class: float | None = None
    """Its share of the validation images, where classes are unequal; null of equal ones."""
    notes: tuple[str, ...] = ()
    """Networks that are missing, and those trained with something that their trial had drawn."""
    rows: tuple[Compared, ...] = ()
    """The networks; none before the random ones are drawn."""
    parts: tuple[Part, ...] = ()
    """The gains from the recipe, the architecture and the search."""
    luck: Luck | None = None
    """The gain from luck."""

    @property
    def lines(self) -> list[str]:
        """Return what gave the accuracy, a line each, as far as it is known."""
        unfinished = f"Comparison is not finished. To continue: {self.command}"
        known = [part.words for part in self.parts]
        return [
            *([] if self.finished else [unfinished]),
            *known,
            *([self.luck.words] if self.luck else []),
            *self.notes,
        ]


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
    """How one criterion ranks after a number of epochs."""

    epochs: Epochs
    """Epochs of a short training."""
    cost: float
    """These epochs as a share of a full training's."""
    criterion: str
    """The criterion of the ranking."""
    tau: Estimate
    """Kendall's tau-b between that ranking and the one by the full training's metric, in
    [-1, 1]."""
    regret: Estimate
    """The full training's metric, in [0, 1], that is lost where only the top k are trained in
    full: the best of all less the best of those."""


class Fidelity(Finding):
    """How well short trainings of a study predict full ones."""

    FILE = "fidelity.json"

    study: str
    """The study's name."""
    version: str
    """The version of budgetnas that wrote it."""
    metric: Metric = DEFAULT_METRIC
    """The search's metric, on the validation images."""
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
    """Trainings of each."""
    short: tuple[Epochs, ...]
    """The candidates for a trial's epochs."""
    epochs: Epochs
    """Epochs of a full training."""
    recipe: str
    """The recipe of a full training, by name."""
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
        """The number of architectures that were measured, in words."""
        return f"{self.n} of {self.archs} architectures"

    @property
    def advice(self) -> str:
        """The recommendation and its reason, in a sentence."""
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

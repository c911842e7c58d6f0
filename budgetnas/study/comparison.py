"""`Comparison`, the content of comparison.json: a search's winner beside its baselines."""

from typing import Annotated

from pydantic import Field

from budgetnas.recipe import Epochs
from budgetnas.spec import Spec
from budgetnas.study.config import Count
from budgetnas.study.finding import NOT_KNOWN, Finding
from budgetnas.study.metric import DEFAULT_METRIC, Metric


class Compared(Spec):
    """One network, trained by one recipe with several seeds; null is what is not known."""

    network: str
    """What it is called here: `winner`, `best random`."""
    arch: str
    """The network in a few words."""
    recipe: str
    """What it was trained by."""
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
    """What is shown of it (`budgetnas.analysis`), or why it was not measured: over budget."""
    seconds: float | None
    """Of one training."""
    failures: Count
    """Its trainings that failed."""


class Part(Spec):
    """What one thing gave: a mean on the validation images less another one."""

    name: str
    """What gave it: the recipe, the architecture, the search."""
    this: str
    """What was trained with it."""
    other: str
    """What was trained without it."""
    gain: float | None
    """The difference of the means, a fraction; null is not known."""
    noise: float | None
    """How far it could be from 0 by chance (`budgetnas.analysis`)."""
    same: bool
    """Whether both are the very same trainings."""

    @property
    def words(self) -> str:
        """Say it in a line: `search: +0.56 points, noise 3.27, ...`."""
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
    """What chance alone gives."""

    sd: float | None
    """Standard deviation of one training's accuracy over seeds, pooled; null is not known."""
    df: Count
    """Its degrees of freedom."""
    trials: Annotated[int, Field(ge=1)]
    """Completed trials that the search chose its best from."""
    gain: float | None
    """sd times the expected maximum of so many standard normal numbers: by how much the luckiest
    of so many trainings of one network is expected to be above their mean."""

    @property
    def words(self) -> str:
        """Say it in a line."""
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
    """With how many each is trained."""
    epochs: Epochs
    """Of each training."""
    recipe: str
    """Of each training but that by the published recipe."""
    metric: Metric = DEFAULT_METRIC
    """What networks are compared by."""
    largest_class: float | None = None
    """Its share of the validation images, where classes are unequal; null of equal ones."""
    notes: tuple[str, ...] = ()
    """What is missing, and what was trained with something that its trial had drawn."""
    rows: tuple[Compared, ...] = ()
    """The networks; none before the random ones are drawn."""
    parts: tuple[Part, ...] = ()
    """What the recipe, the architecture and the search gave."""
    luck: Luck | None = None
    """What luck gives."""

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

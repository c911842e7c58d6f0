"""How a study proposes networks: drawn freely, drawn to fill the budget, or given as a grid."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from budgetnas.arch import Arch
from budgetnas.errors import InputError
from budgetnas.recipe import Recipe
from budgetnas.space._domains import Range, Suggester
from budgetnas.space._space import Space
from budgetnas.spec import Maybe, Spec

DEFAULT_SAMPLER = "random"
"""No other was better than it at equal epochs (studies/small-networks/results)."""


class Free(Spec):
    """Every trial is drawn by one of Optuna's samplers."""

    name: Literal["free"] = "free"
    sampler: str = DEFAULT_SAMPLER
    """Which of Optuna's samplers draws."""
    space: Space = Space()
    """What it draws from."""
    presets: bool = True
    """Begin with the published networks that fit."""


Ratio = Annotated[float, Field(gt=0, le=1_000)]
Share = Annotated[float, Field(gt=0, le=1)]


class Fill(Spec):
    """Every trial is drawn so that it fits, and uses of the budget what it was drawn to use.

    One of Optuna's samplers draws everything but the widths as `Free` does, how many times as
    wide each stage is as the one before, and which share of the budget to fill. The counter is
    then inverted: of the widths in the space, those are taken that come nearest to that share.
    """

    name: Literal["fill"] = "fill"
    sampler: str = DEFAULT_SAMPLER
    """Which of Optuna's samplers draws."""
    space: Space = Space()
    """What it draws from."""
    fill: Range[Share] = Range(low=0.8, high=1.0)
    """Which share of the budget a network has; of several limits, of the one it fills most."""
    ratio: Range[Ratio] = Range(low=0.5, high=4.0, log=True)
    """How many times as wide a stage is as the one before it."""
    presets: bool = True
    """Begin with the published networks that fit."""


Names = Annotated[tuple[str, ...], Field(min_length=1)]
MAX_SEEDS = 10_000
Seeds = Annotated[int, Field(ge=1, le=MAX_SEEDS)]

MARGIN = 0.01
"""By how much a smaller network may be below the best and still win, in [0, 1], unless said: as
MLPerf asks of a network that was made cheaper for 99 % of the accuracy that it had. A tighter one
could not be shown on a few thousand validation images: their noise alone is about as large."""

SEED = "seed"
"""The parameter of a trial that says which of the seeds it has."""


class Axis(Spec):
    """One thing that configurations differ in."""

    name: str
    """What it is called: `learning rate`."""
    values: Names
    """What its values are called."""


class Cell(Spec):
    """One configuration."""

    values: dict[str, str]
    """The name of its value on each axis."""
    arch: Arch
    """What is trained."""
    recipe: Recipe
    """How."""

    def __str__(self) -> str:
        """Return a short description: `learning rate 0.1, momentum 0.9`."""
        return ", ".join(f"{axis} {value}" for axis, value in self.values.items())


class Race(Spec):
    """The rule by which a configuration that is shown to be worse is out, and trained no more.

    A round is the trainings of all configurations with one seed. After each complete round from
    the second on, a configuration is out if its mean accuracy is below the best mean of those
    still in by more than the noise of that difference, unless it is shown as well to be less than
    the margin below it: then it may still win by its size. The noise (`budgetnas.analysis`) is
    that of those still in; with m of them, its quantile is 1 - alpha / (2 (m - 1)) (Bonferroni).

    So one that is as good as the best is out after a given round with a probability of at most
    alpha. One that is not out is not shown to be as good: which of them wins is decided by
    `budgetnas.analysis`, once all seeds are trained. Only what complete rounds have measured
    counts, so that a race that was interrupted, or that several workers train, is the race that it
    would have been.
    """

    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """How probable it may be, in each round, that one as good as the best is out."""
    margin: Annotated[float, Field(ge=0, le=1)] = MARGIN
    """By how much a smaller network may be below the best one and still win, in [0, 1]."""


class Grid(Spec):
    """A finite list of configurations, each of them trained once with every seed.

    All configurations are trained with the first seed, then all with the second, so that an
    unfinished study compares like with like. Seed k is the same for every configuration: the order
    of images, their augmentation, and the initial weights where the networks are the same.
    """

    name: Literal["grid"] = "grid"
    axes: Annotated[tuple[Axis, ...], Field(min_length=1)]
    """What configurations differ in."""
    cells: Annotated[tuple[Cell, ...], Field(min_length=1)]
    """The configurations."""
    seeds: Seeds
    """With how many seeds each is trained."""
    race: Maybe[Race] = None
    """Whether hopeless configurations are out before all seeds; "none": each has every seed."""

    @model_validator(mode="after")
    def _cells_are_on_the_axes(self) -> Self:
        known = {axis.name: axis.values for axis in self.axes}
        several = [tuple(cell.values.items()) for cell in self.cells]
        if len(known) < len(self.axes) or len(set(several)) < len(several):
            raise ValueError("axes and cells must differ from each other")
        for number, cell in enumerate(self.cells):
            off = cell.values.keys() != known.keys() or [
                name for name, value in cell.values.items() if value not in known[name]
            ]
            if off:
                raise ValueError(f"cells.{number}.values: must be one of each axis")
        return self

    @property
    def size(self) -> int:
        return len(self.cells) * self.seeds

    def at(self, number: int) -> tuple[Cell, int]:
        """Return what the trial of this number trains, and which of the seeds it has."""
        seed, place = divmod(number, len(self.cells))
        return self.cells[place], seed

    def draw(self, trial: Suggester) -> tuple[Cell, int]:
        """Suggest a trial's configuration and seed, so that the storage shows them."""
        values = {
            axis.name: trial.suggest_categorical(axis.name, axis.values) for axis in self.axes
        }
        # of all seeds there could be: of a single one, Optuna would not ask the sampler
        seed = trial.suggest_int(SEED, 0, MAX_SEEDS - 1)
        return self.cell_of(values), seed

    def cell_of(self, values: Mapping[str, Any]) -> Cell:
        """Return the configuration of these values, one of each axis; others are left out.

        Raises:
            InputError: If there is none.
        """
        named = {axis.name: values[axis.name] for axis in self.axes}
        for cell in self.cells:
            if cell.values == named:
                return cell
        raise InputError(f"the grid has no configuration {named}")


# add yours here, and cases in `proposer` and `draw_from` of budgetnas.trials
Proposal = Annotated[Free | Fill | Grid, Field(discriminator="name")]

PROPOSALS: dict[str, type[Free] | type[Fill]] = {"fill": Fill, "free": Free}
"""How a search may draw, by name."""

DEFAULT_PROPOSAL = "fill"

"""`finalists`: the best trials of a search, trained longer with several seeds, as a race."""

from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import pandas as pd

from budgetnas.analysis import VARIANT, FinalistStudy, Winner, read_finalists
from budgetnas.comparing.choice import Choice
from budgetnas.comparing.derived import derived_name, train_grid
from budgetnas.comparing.options import FinalistsOptions
from budgetnas.errors import InputError
from budgetnas.events import Notice, Watcher
from budgetnas.metric import Metric
from budgetnas.progress import SearchProgress, verb
from budgetnas.searching.loop import Stopped
from budgetnas.space import Grid
from budgetnas.study.begun import BegunStudy, find_begun

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Finalist:
    """One of the finalists, and how it compares with the best of them."""

    trial: int
    """The trial of the search that it was."""
    arch: str
    """Its network, in a few words."""
    params: int | None
    """Trainable parameters; None before its turn came."""
    macs: int | None
    """Multiply-adds for one image; None before its turn came."""
    n: int
    """The seeds that it was trained with."""
    mean: float | None
    """Their mean of the metric on the validation images, in [0, 1]."""
    margin: float | None
    """Half the mean's 95 % interval over seeds."""
    difference: float | None
    """How far it is below the best."""
    noise: float | None
    """How far it could be by chance."""
    bound: float | None
    """How far it is below the best at most, at a one-sided 95 % corrected for several."""
    verdict: str
    """best, equivalent, not distinguished, worse, out, or why it was not measured."""
    out_after: int | None
    """The rounds after which it was out of the race; None if it was not."""
    failures: int
    """Its trainings that failed."""


@dataclass(frozen=True)
class Finalists:
    """The finalists of a search, as `--json` prints them."""

    study: str
    """The comparison, a study in the folder of the search."""
    search: str
    """The study whose finalists they are."""
    epochs: int
    """Of a training of theirs."""
    seeds: int
    """With how many each is trained that stays in the race."""
    metric: Metric
    """What they are compared by."""
    largest_class: float | None
    """The share of the validation images that the largest class has; null of equal classes."""
    equivalence_margin: float
    """By how much a smaller one may be below the best and still win, in [0, 1]."""
    stopped: Stopped
    """Why it ended: all is trained, or time is up."""
    rows: tuple[Finalist, ...]
    """The finalists, the best first."""
    winner: Winner | None
    """Which of them wins; None before all are trained."""

    def as_json(self) -> dict[str, Any]:
        """Return plain data; null is what is not known."""
        return asdict(self)


@verb(FinalistsOptions, SearchProgress)
def finalists(options: FinalistsOptions, watch: Watcher) -> Finalists:
    """Train the best trials of a search longer, each with several seeds, and name the winner.

    They are compared on the search's validation images. After every round of seeds whoever is
    shown to be worse is out (`budgetnas.space.Race` says by which test). In the end the smallest
    wins that is shown to be less than the margin below the best mean, else the best mean
    (`budgetnas.analysis`). What has begun is continued as it began, with more seeds if asked.

    Raises:
        InputError: If what is asked can't be.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    base = find_begun(options.study)
    _require_search(base)
    if base.guessed:
        watch(Notice(f"study {base.name}"))
    settled = Choice(options).settle(base, options.storage)
    for text in settled.told:
        watch(Notice(text))
    result = train_grid(
        base, VARIANT, settled.grid, settled.recipe, settled.about, options, watch,
        settled.adapted, settled.metric,
    )  # fmt: skip
    found = read_finalists(base.config, options.storage)
    assert found is not None, "they have just been trained"
    return _summed_up(base.name, found, result.stopped)


def _require_search(base: BegunStudy) -> None:
    if isinstance(base.config.proposal, Grid):
        raise InputError(
            f"finalists are the best trials of a search, study {base.name!r} is a grid, "
            "whose configurations are compared already"
        )
    derived_name(base, VARIANT)


def _summed_up(search: str, found: FinalistStudy, stopped: Stopped) -> Finalists:
    config, grid = found.config, found.grid
    rows = tuple(_finalist(row, grid) for row in found.table.itertuples())
    return Finalists(
        config.name, search, config.recipe.epochs, grid.seeds, config.metric,
        config.facts.largest_share, found.margin, stopped, rows, found.winner,
    )  # fmt: skip


def _finalist(row: Any, grid: Grid) -> Finalist:
    return Finalist(
        trial=row.trial,
        arch=str(grid.cells[row.cell].arch),
        params=_known(int, row.params),
        macs=_known(int, row.macs),
        n=row.n,
        mean=_known(float, row.mean),
        margin=_known(float, row.margin),
        difference=_known(float, row.difference),
        noise=_known(float, row.noise),
        bound=_known(float, row.bound),
        verdict=row.verdict,
        out_after=_known(int, row.out_after),
        failures=row.failures,
    )


def _known(kind: type[Number], value: Any) -> Number | None:
    return None if pd.isna(value) else kind(value)

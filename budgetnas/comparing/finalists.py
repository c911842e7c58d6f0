"""`finalists`: the best trials of a search, trained longer with several seeds, as a race."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from budgetnas.analysis import VARIANT, FinalistStudy, Winner, read_finalists
from budgetnas.arch import Budget
from budgetnas.comparing.asked_finalists import AskedFinalists
from budgetnas.comparing.derived import Means, derived_name, train_grid
from budgetnas.errors import InputError
from budgetnas.events import Notice, Watcher, nobody
from budgetnas.progress import SearchProgress, shows
from budgetnas.recipe import Recipe
from budgetnas.searching.loop import Stopped
from budgetnas.space import Grid
from budgetnas.study.begun import BegunStudy, find_begun
from budgetnas.study.metric import Metric

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


@shows(SearchProgress)
def finalists(
    study: str | None = None,
    *,
    top: int | None = None,
    seeds: int | None = None,
    margin: float | None = None,
    epochs: int | None = None,
    recipe: Recipe | str | None = None,
    budget: Budget | str | int | None = None,
    metric: str | None = None,
    data_dir: str | Path | None = None,
    storage: str | None = None,
    device: str = "auto",
    timeout: float | None = None,
    workers: int | str = 1,
    watch: Watcher | None = None,
    show_progress: bool = True,
) -> Finalists:
    """Train the best trials of a search longer, each with several seeds, and name the winner.

    They are compared on the search's validation images. After every round of seeds whoever is
    shown to be worse is out (`budgetnas.space.Race` says by which test). In the end the smallest
    wins that is shown to be less than the margin below the best mean, else the best mean
    (`budgetnas.analysis`). What has begun is continued as it began, with more seeds if asked.

    Args:
        study: The search; the only study, else the newest.
        top: How many of its best trials, 2 at least; 5, or all where there are fewer.
        seeds: With how many seeds each; 3.
        margin: By how many percentage points a smaller network may be below the best and still
            win; 1. With 0 only the best mean wins.
        epochs: Instead of the recipe's.
        recipe: How to train; `full` for 30 epochs by default. Fields that a trial had drawn
            replace those of a named recipe.
        budget: Only trials of at most so many parameters.
        metric: What finalists are chosen and compared by, `accuracy` or `balanced`; the search's
            own by default.
        data_dir: Where the study's images are now, if they have been moved.
        storage: SQLAlchemy URL of the study's storage, if it is not what the study remembers.
        device: auto, cpu, cuda or cuda:N.
        timeout: Seconds after which it stops at the next epoch.
        workers: How many trainings at once, or auto.
        watch: Told what happens, instead of showing it.
        show_progress: Show on stderr how far it is; False to be silent.

    Raises:
        InputError: If what is asked can't be.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    watch = watch or nobody
    asked = AskedFinalists.of(top, seeds, margin, epochs, recipe, budget, metric)
    base = find_begun(study)
    _require_search(base)
    if base.guessed:
        watch(Notice(f"study {base.name}"))
    settled = asked.settle(base, storage)
    for text in settled.told:
        watch(Notice(text))
    means = Means(data_dir, storage, device, timeout, workers, watch)
    result = train_grid(
        base, VARIANT, settled.grid, settled.recipe, settled.about, means, settled.adapted,
        settled.metric,
    )  # fmt: skip
    found = read_finalists(base.config, storage)
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

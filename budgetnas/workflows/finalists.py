"""`finalists`: a search's best trials, trained longer with several seeds, until one wins."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import pandas as pd

from budgetnas.analysis import (
    NETWORK,
    VARIANT,
    FinalistStudy,
    Winner,
    best_trials,
    finalist_name,
    points_of,
    read_finalists,
)
from budgetnas.arch import count_params
from budgetnas.errors import InputError
from budgetnas.events import Notice, Watcher
from budgetnas.metric import Metric
from budgetnas.progress import SearchProgress, verb
from budgetnas.recipe import Recipe
from budgetnas.space import MARGIN, Axis, Cell, Grid, Race
from budgetnas.study import About, StudyConfig, require_same
from budgetnas.study.begun import BegunStudy, find_begun
from budgetnas.study.trial_record import TrialRecord, training_key
from budgetnas.trials import Stopped
from budgetnas.workflows._derived import derived_name, recipe_for, train_derived
from budgetnas.workflows.options import LEAST_FINALISTS, SEEDS, TOP, FinalistsOptions

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Finalist:
    """One of the finalists, and how it compares with the best of them."""

    trial: int
    """Its number as a trial of the search."""
    arch: str
    """Its network, in a few words."""
    params: int | None
    """Trainable parameters; None before its first training."""
    macs: int | None
    """Multiply-adds for one image; None before its first training."""
    n: int
    """Number of seeds that it was trained with."""
    mean: float | None
    """Mean over seeds of the metric on the validation images, in [0, 1]."""
    margin: float | None
    """Half the mean's 95 % interval over seeds."""
    difference: float | None
    """Difference to the best mean, in [0, 1]."""
    noise: float | None
    """Half the difference's 95 % interval."""
    bound: float | None
    """Upper bound of the difference, at a one-sided 95 % corrected for several."""
    verdict: str
    """best, equivalent, not distinguished, worse, out, or the reason that it was not measured."""
    out_after: int | None
    """Number of rounds after which it was eliminated; None if it was not."""
    failures: int
    """Number of its trainings that failed."""


@dataclass(frozen=True)
class Finalists:
    """The finalists of a search, as `--json` prints them."""

    study: str
    """Name of the finalists' study, in the folder of the search."""
    search: str
    """The study whose finalists they are."""
    epochs: int
    """Epochs of a training."""
    seeds: int
    """Number of seeds of each that is not eliminated."""
    metric: Metric
    """What they are compared by."""
    largest_class: float | None
    """The share of the validation images that the largest class has; null of equal classes."""
    equivalence_margin: float
    """Largest difference to the best with which a smaller one wins, in [0, 1]."""
    stopped: Stopped
    """Why it ended: all are trained, or the time is up."""
    rows: tuple[Finalist, ...]
    """The finalists, the best first."""
    winner: Winner | None
    """The winner; None before all are trained."""

    def as_json(self) -> dict[str, Any]:
        """Return plain data, with null for what is unknown."""
        return asdict(self)


@verb(FinalistsOptions, SearchProgress)
def finalists(options: FinalistsOptions, watch: Watcher) -> Finalists:
    """Train the best trials of a search longer, each with several seeds, and name the winner.

    They are compared on the search's validation images. After every round of seeds those that are
    shown to be worse are eliminated (by the test of `budgetnas.space.Race`). In the end the
    smallest wins that is shown to be less than the margin below the best mean, else the best mean
    (`budgetnas.analysis`). A race that has begun is continued as it began, with more seeds if
    asked.

    Raises:
        InputError: If the options are not possible.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    base = find_begun(options.study)
    if isinstance(base.config.proposal, Grid):
        raise InputError(
            f"finalists are the best trials of a search, study {base.name!r} is a grid, "
            "whose configurations are compared already"
        )
    derived_name(base, VARIANT)
    if base.guessed:
        watch(Notice(f"study {base.name}"))
    found = _choose(options, base)
    for text in found.notices:
        watch(Notice(text))
    result = train_derived(
        base, VARIANT, options, watch, adapted=found.adapted, proposal=found.grid,
        recipe=found.recipe, about=found.about, metric=found.metric,
    )  # fmt: skip
    trained = read_finalists(base.config, options.storage)
    assert trained is not None, "they have just been trained"
    return _summed_up(base.name, trained, result.stopped)


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


@dataclass(frozen=True)
class _Chosen:
    """The finalists, and how they are trained."""

    grid: Grid
    recipe: Recipe
    """Without what a trial had drawn."""
    about: About
    adapted: Sequence[str]
    """What the recipe had to give up for the images."""
    metric: Metric
    notices: Sequence[str] = ()


def _choose(asked: FinalistsOptions, base: BegunStudy) -> _Chosen:
    """Choose the finalists of a search, or find those that it has.

    Raises:
        InputError: If there are too few, or it has other finalists.
    """
    trials, began = base.trials(asked.storage), StudyConfig.begun(base.folder / VARIANT)
    if began is not None:
        best = best_trials(trials, metric=began.metric)[0]
        return _again(asked, base, began, finalist_name(best.number))
    metric = asked.metric or base.config.metric
    return _anew(asked, base, best_trials(trials, metric=metric), metric)


def _again(asked: FinalistsOptions, base: BegunStudy, began: StudyConfig, best: str) -> _Chosen:
    """Continue with the finalists of a search, with more seeds if asked."""
    grid = began.proposal
    assert isinstance(grid, Grid), "finalists are a grid"
    _require_same(asked, base, began, grid)
    notice = (
        f"{best}, the best of the search, is no finalist; to choose anew, "
        f"remove {base.folder / VARIANT}"
    )
    known = any(cell.values[NETWORK] == best for cell in grid.cells)
    about, seeds = began.about, asked.seeds or grid.seeds
    then = FinalistsOptions.of_command(about.command or "")
    command = _command(then.model_copy(update={"seeds": seeds}), base.name)
    return _Chosen(
        grid.changed(seeds=seeds), began.recipe, about.changed(command=command),
        [about.adapted] if about.adapted else [], began.metric, [] if known else [notice],
    )  # fmt: skip


def _require_same(
    asked: FinalistsOptions, base: BegunStudy, began: StudyConfig, grid: Grid
) -> None:
    assert grid.race is not None, "finalists race"
    then = FinalistsOptions.of_command(began.about.command or "")
    there = len(grid.cells)
    recipe = recipe_for(asked, base.config)[0] if "recipe" in asked.model_fields_set else None
    fewer = asked.top == then.top
    margin = None if asked.margin is None else points_of(asked.margin / 100)
    options: dict[str, tuple[object, object]] = {
        "--top": (there, there if fewer else asked.top),
        "--margin": (points_of(grid.race.margin), margin),
        "--epochs": (began.recipe.epochs, asked.epochs),
        "--metric": (began.metric, asked.metric),
        "--recipe": (began.recipe, recipe),
    }
    given = {name: both for name, both in options.items() if both[1] is not None}
    way_out = f"or remove {base.folder / VARIANT} to choose anew"
    require_same(f"study {began.name!r}", given, way_out)
    largest = max(count_params(cell.arch) for cell in grid.cells)
    if asked.budget and largest > asked.budget.limit:
        raise InputError(
            f"--budget must be at least {largest:,}, the parameters of the largest finalist "
            f"of study {base.name!r}, got {asked.budget} ({way_out})"
        )


def _anew(
    asked: FinalistsOptions, base: BegunStudy, ranked: Sequence[TrialRecord], metric: Metric
) -> _Chosen:
    """Take the best trials whose trainings differ, up to the number asked for."""
    config, most = base.config, asked.top or TOP
    recipe, adapted = recipe_for(asked, config)
    cells, more = dict[str, Cell](), list[str]()
    for record in ranked:
        if asked.budget is not None and record.params > asked.budget.limit:
            continue
        own, notices = recipe_for(asked, config, record.drawn)
        key = training_key(record.arch, own, config.facts.train)
        if key not in cells and len(cells) < most:
            values = {NETWORK: finalist_name(record.number)}
            cells[key] = Cell(values=values, arch=record.arch, recipe=own)
            more += [f"recipe: {text}" for text in notices if text not in adapted]
    more += _fewer(asked, base, len(cells))
    seeds, margin = asked.seeds or SEEDS, MARGIN if asked.margin is None else asked.margin / 100
    names = tuple(cell.values[NETWORK] for cell in cells.values())
    grid = Grid(
        axes=(Axis(name=NETWORK, values=names),),
        cells=tuple(cells.values()),
        seeds=seeds,
        race=Race(margin=margin),
    )
    about = About(
        question=f"Which of the {len(cells)} best trials of {base.name} is best, trained longer?",
        # the number that is asked for, also where there are fewer: the same command continues
        command=_command(asked.model_copy(update={"top": most, "seeds": seeds}), base.name),
    )
    return _Chosen(grid, recipe, about, adapted, metric, more)


def _fewer(asked: FinalistsOptions, base: BegunStudy, found: int) -> list[str]:
    """Return a notice of fewer finalists than asked for, and raise for too few for a race."""
    of = f" of at most {asked.budget} parameters" if asked.budget else ""
    if found < LEAST_FINALISTS:
        raise InputError(
            f"finalists must be {LEAST_FINALISTS} completed trials{of} or more whose "
            f"trainings differ, study {base.name!r} has {found or 'none'}"
        )
    if asked.top is None or found >= asked.top:
        return []
    has = f"study {base.name!r} has {found} completed trials{of} whose trainings differ"
    return [f"--top {asked.top}: {has}; these are the finalists"]


def _command(options: FinalistsOptions, study: str) -> str:
    rest = ("margin", "epochs", "recipe", "budget", "metric", "seeds")
    return options.command("finalists", study, "top", *rest)

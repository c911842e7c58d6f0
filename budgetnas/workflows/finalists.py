"""Which trials of a search become its finalists, and how they are trained."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
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
from budgetnas.study import About, StudyConfig, config_path, require_same
from budgetnas.study.begun import BegunStudy, find_begun
from budgetnas.study.options import Drawn
from budgetnas.study.trial_record import TrialRecord, training_key
from budgetnas.trials import Stopped
from budgetnas.workflows._derived import derived_name, train_grid
from budgetnas.workflows.options import LEAST_FINALISTS, SEEDS, TOP, FinalistsOptions


@dataclass(frozen=True)
class Settled:
    """The finalists, and how they are trained."""

    grid: Grid
    """The networks with their recipes."""
    recipe: Recipe
    """The recipe before anything that a trial had drawn."""
    about: About
    """Words for their report."""
    adapted: Sequence[str]
    """What the recipe had to give up for the images."""
    metric: Metric
    """What they are compared by."""
    told: Sequence[str] = ()
    """What else the user should know."""


@dataclass(frozen=True)
class Choice:
    """Which trials become finalists, by what is asked."""

    asked: FinalistsOptions

    def settle(self, base: BegunStudy, storage: str | None) -> Settled:
        """Choose the finalists of a search, or find those that it has.

        Raises:
            InputError: If there are too few, or it has others than are asked for.
        """
        trials, folder = base.trials(storage), base.folder / VARIANT
        if config_path(folder).is_file():
            began = StudyConfig.read(folder)
            ranked = best_trials(trials, metric=began.metric)
            return self._again(began, folder, ranked, base.config)
        return self._chosen(base, best_trials(trials, metric=self._metric(base.config)))

    def _again(
        self, began: StudyConfig, folder: Path, ranked: Sequence[TrialRecord], config: StudyConfig
    ) -> Settled:
        """Go on with the finalists that there are, with more seeds if that is asked for."""
        grid = began.proposal
        assert isinstance(grid, Grid), "finalists are a grid"
        self._require_same(began, grid, folder, config)
        best = finalist_name(ranked[0].number)
        told = f"{best}, the best of the search, is no finalist; to choose anew, remove {folder}"
        known = any(cell.values[NETWORK] == best for cell in grid.cells)
        about, seeds = began.about, self.asked.seeds or grid.seeds
        then = FinalistsOptions.of_command(about.command or "")
        command = _command(then.model_copy(update={"seeds": seeds}), config.name)
        return Settled(
            grid.changed(seeds=seeds), began.recipe, about.changed(command=command),
            [about.adapted] if about.adapted else [], began.metric, [] if known else [told],
        )  # fmt: skip

    def _require_same(
        self, began: StudyConfig, grid: Grid, folder: Path, config: StudyConfig
    ) -> None:
        assert grid.race is not None, "finalists race"
        then = FinalistsOptions.of_command(began.about.command or "")
        there = len(grid.cells)
        recipe = self._fitted(config)[0] if "recipe" in self.asked.model_fields_set else None
        margin = None if self.asked.margin is None else points_of(self._margin)
        fewer = self.asked.top == then.top
        options: dict[str, tuple[object, object]] = {
            "--top": (there, there if fewer else self.asked.top),
            "--margin": (points_of(grid.race.margin), margin),
            "--epochs": (began.recipe.epochs, self.asked.epochs),
            "--metric": (began.metric, self.asked.metric),
            "--recipe": (began.recipe, recipe),
        }
        given = {name: both for name, both in options.items() if both[1] is not None}
        what, way_out = f"study {began.name!r}", f"or remove {folder} to choose anew"
        require_same(what, given, way_out)
        largest = max(count_params(cell.arch) for cell in grid.cells)
        if self.asked.budget and largest > self.asked.budget.limit:
            raise InputError(
                f"--budget must be at least {largest:,}, the parameters of the largest finalist "
                f"of study {config.name!r}, got {self.asked.budget} ({way_out})"
            )

    def _chosen(self, base: BegunStudy, ranked: Sequence[TrialRecord]) -> Settled:
        """Take the best trials whose trainings differ, up to as many as are asked for."""
        recipe, adapted = self._fitted(base.config)
        cells, told, trained = list[Cell](), list[str](), set[str]()
        for record in self._within(ranked):
            cell, notices = self._cell(record, base.config)
            key = training_key(cell.arch, cell.recipe, base.config.facts.train)
            if key not in trained and len(cells) < (self.asked.top or TOP):
                trained.add(key)
                cells.append(cell)
                told += [f"recipe: {text}" for text in notices if text not in adapted]
        told += self._fewer(base, len(cells))
        names = tuple(cell.values[NETWORK] for cell in cells)
        grid = Grid(
            axes=(Axis(name=NETWORK, values=names),),
            cells=tuple(cells),
            seeds=self.asked.seeds or SEEDS,
            race=Race(margin=self._margin),
        )
        about = self._about(base, len(cells))
        return Settled(grid, recipe, about, adapted, self._metric(base.config), told)

    def _metric(self, config: StudyConfig) -> Metric:
        """What finalists are chosen and compared by."""
        return self.asked.metric or config.metric

    def _within(self, ranked: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Leave out what is larger than asked for."""
        most = self.asked.budget
        return [record for record in ranked if most is None or record.params <= most.limit]

    def _cell(self, record: TrialRecord, config: StudyConfig) -> tuple[Cell, list[str]]:
        """Train a trial's network; a recipe that adapts takes what the trial had drawn, too."""
        recipe, notices = self._fitted(config, record.drawn)
        values = {NETWORK: finalist_name(record.number)}
        return Cell(values=values, arch=record.arch, recipe=recipe), notices

    def _fewer(self, base: BegunStudy, found: int) -> list[str]:
        """Say that there are fewer than asked for; refuse too few for a race."""
        of = f" of at most {self.asked.budget} parameters" if self.asked.budget else ""
        if found < LEAST_FINALISTS:
            raise InputError(
                f"finalists must be {LEAST_FINALISTS} completed trials{of} or more whose "
                f"trainings differ, study {base.name!r} has {found or 'none'}"
            )
        if self.asked.top is None or found >= self.asked.top:
            return []
        has = f"study {base.name!r} has {found} completed trials{of} whose trainings differ"
        return [f"--top {self.asked.top}: {has}; these are the finalists"]

    @property
    def _margin(self) -> float:
        """The margin that is asked for, in [0, 1]."""
        return MARGIN if self.asked.margin is None else self.asked.margin / 100

    def _fitted(self, config: StudyConfig, drawn: Drawn | None = None) -> tuple[Recipe, list[str]]:
        """Fit the recipe to a study's images, and lay over it what a trial had drawn; notices."""
        facts = config.facts
        return self.asked.fitted_recipe(config.data, facts.channels, facts.train, drawn)

    def _about(self, base: BegunStudy, many: int) -> About:
        # the number that is asked for, also where there are fewer: the same goes on
        settled = {"top": self.asked.top or TOP, "seeds": self.asked.seeds or SEEDS}
        return About(
            question=f"Which of the {many} best trials of {base.name} is best, trained longer?",
            command=_command(self.asked.model_copy(update=settled), base.name),
        )


def _command(options: FinalistsOptions, study: str) -> str:
    rest = ("margin", "epochs", "recipe", "budget", "metric", "seeds")
    return options.command("finalists", study, "top", *rest)


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

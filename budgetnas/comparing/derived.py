"""Training more networks for a study that has begun, as a study in a folder of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import FrozenTrial

from budgetnas.comparing.options import ComparingOptions
from budgetnas.errors import InputError
from budgetnas.events import Watcher
from budgetnas.files import require_writable
from budgetnas.metric import Metric
from budgetnas.recipe import Recipe
from budgetnas.searching.plan import Plan, Settled
from budgetnas.searching.work import Job, SearchResult, work
from budgetnas.space import Fill, Free, Grid
from budgetnas.study import About, StudyConfig, config_path, study_folder
from budgetnas.study.begun import BegunStudy, find_begun, storage_url
from budgetnas.train import choose_device


def derived_name(base: BegunStudy, variant: str) -> str:
    """Name a comparison of a study: `digits-100k/finalists`."""
    if "/" in base.name:
        raise InputError(
            f"{base.name!r} is a sub-study; run this command on {base.name.partition('/')[0]!r}"
        )
    return f"{base.name}/{variant}"


def train_grid(
    base: BegunStudy,
    variant: str,
    grid: Grid,
    recipe: Recipe,
    about: About,
    options: ComparingOptions,
    watch: Watcher,
    notices: Sequence[str] = (),
    metric: Metric | None = None,
) -> SearchResult:
    """Train a grid on the images, split and seed of a study, or go on with it.

    Args:
        base: The study.
        variant: What the grid is called; its folder, in the study's.
        grid: The configurations, fitted to the study's images.
        recipe: What is written down as the grid's recipe; each configuration has its own.
        about: Words for its report.
        options: With what it is trained.
        watch: Told what happens.
        notices: What recipes had to give up for these images.
        metric: What is compared; the study's own by default.

    Raises:
        InputError: If it has begun with another grid, or what is asked can't be.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    settled = Settled(recipe, grid, list(notices))
    return _train(base, _Derived(variant, settled, about, metric=metric), options, watch)


def train_drawn(
    base: BegunStudy,
    variant: str,
    proposal: Free | Fill,
    trials: int,
    about: About,
    options: ComparingOptions,
    watch: Watcher,
) -> SearchResult:
    """Train what a proposal draws exactly as the trials of a study, until there are so many.

    Args:
        base: The study.
        variant: What it is called; its folder, in the study's.
        proposal: Where networks come from; what is over the study's limits does not count.
        trials: How many trained trials there should be in the end.
        about: Words for its report.
        options: With what they are trained.
        watch: Told what happens.

    Raises:
        InputError: If it has begun otherwise, or what is asked can't be.
        SearchFailed: After five failed trials in a row.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    settled = Settled(base.config.recipe, proposal, [])
    return _train(
        base, _Derived(variant, settled, about, trials, as_searched=True), options, watch
    )


def derived_trials(
    base: BegunStudy, variant: str, storage: str | None
) -> tuple[StudyConfig, Sequence[FrozenTrial]]:
    """Read what was trained for a study: what defines it, and its trials by number."""
    found = find_begun(derived_name(base, variant))
    return found.config, found.trials(storage if base.config.storage else None)


@dataclass(frozen=True)
class _Derived:
    """What a study that is derived from another shall be."""

    variant: str
    settled: Settled
    about: About
    trials: int = 0
    """How many trained ones it shall have; a grid has its own number."""
    metric: Metric | None = None
    """What is compared; the study's own by default."""
    as_searched: bool = False
    """Whether it has the study's pruner, and its choice of an epoch, too."""

    def plan(self, name: str, config: StudyConfig, data_dir: Path | None) -> Plan:
        """Take the images, split, seed and limits of a study."""
        source = config.data if data_dir is None else config.data.at(data_dir)
        return Plan(
            name, source, config.seed, config.train_samples, at_most=False, budget=config.budget,
            pruner=config.pruner if self.as_searched else "none",
            settle=lambda facts: self.settled, metric=self.metric or config.metric,
            select=config.select if self.as_searched else "last",
            about=self.about, limits=config.limits, plugins=config.plugins,
        )  # fmt: skip


def _train(
    base: BegunStudy, derived: _Derived, options: ComparingOptions, watch: Watcher
) -> SearchResult:
    """Begin a derived study, or go on with it."""
    name, config = derived_name(base, derived.variant), base.config
    folder = study_folder(name)
    began = StudyConfig.read(folder) if config_path(folder).is_file() else None
    plan = derived.plan(name, config, options.data_dir)
    require_writable(folder)
    url = storage_url(config, base.folder, options.storage) if config.storage else None
    job = Job(
        name, folder, plan, began, options.data_dir, url, derived.trials, options.deadline(),
        choose_device(options.device), options.workers,
    )  # fmt: skip
    return work(job, watch)

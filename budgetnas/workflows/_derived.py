"""Training more networks for a study that has begun, as a study in a folder of its own."""

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from budgetnas._version import __version__
from budgetnas.errors import InputError
from budgetnas.events import Watcher
from budgetnas.files import require_writable
from budgetnas.metric import Metric
from budgetnas.recipe import Recipe
from budgetnas.space import Fill, Free, Grid
from budgetnas.study import About, StudyConfig, study_folder
from budgetnas.study.begun import BegunStudy, find_begun, storage_url
from budgetnas.study.storage import redacted
from budgetnas.train import choose_device
from budgetnas.workflows.begin import read_again
from budgetnas.workflows.options import ComparingOptions
from budgetnas.workflows.work import SearchResult, numerics_of, work


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
    fields = {
        "recipe": recipe, "proposal": grid, "about": about, "metric": metric or base.config.metric,
        "pruner": "none", "select": "last",
    }  # fmt: skip
    return _train(base, variant, fields, 0, options, watch, notices)


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
    return _train(base, variant, {"proposal": proposal, "about": about}, trials, options, watch)


def derived_trials(
    base: BegunStudy, variant: str, storage: str | None
) -> tuple[StudyConfig, Sequence[FrozenTrial]]:
    """Read what was trained for a study: what defines it, and its trials by number."""
    found = find_begun(derived_name(base, variant))
    return found.config, found.trials(storage if base.config.storage else None)


def _train(
    base: BegunStudy,
    variant: str,
    fields: dict[str, Any],
    trials: int,
    options: ComparingOptions,
    watch: Watcher,
    adapted: Sequence[str] = (),
) -> SearchResult:
    """Begin a study on the images, split, seed and limits of another, or go on with it."""
    name = derived_name(base, variant)
    folder = study_folder(name)
    began = StudyConfig.begun(folder)
    require_writable(folder)
    stored = base.config.storage
    url = storage_url(base.config, base.folder, options.storage) if stored else None
    deadline, device = options.deadline(), choose_device(options.device)
    notices = list[str]()
    images = read_again(began or base.config, options.data_dir, watch)
    config = base.config.changed(
        name=name, version=__version__, smaller=(), confusion=False, data=images.source,
        storage=redacted(url) if url else None,
        numerics=numerics_of(began, device, notices.append), **fields,
    )  # fmt: skip
    return work(
        config, images, options, watch,
        began=began, url=url, trials=trials, deadline=deadline, adapted=adapted,
        notices=notices,
    )  # fmt: skip

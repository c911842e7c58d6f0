"""Training a grid of networks for a study that has begun, as a study in a folder of its own."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from budgetnas.errors import InputError
from budgetnas.events import Watcher, nobody
from budgetnas.files import require_writable
from budgetnas.recipe import Recipe
from budgetnas.searching.asked_workers import check_workers
from budgetnas.searching.plan import Plan, Settled
from budgetnas.searching.work import Job, SearchResult, work
from budgetnas.space import Grid
from budgetnas.study.begun import BegunStudy
from budgetnas.study.config import About, StudyConfig, storage_url
from budgetnas.study.place import config_path, study_folder
from budgetnas.train.device import choose_device


@dataclass(frozen=True)
class Means:
    """With what a comparison is trained; none of it changes what is trained."""

    data_dir: str | Path | None = None
    """Where the study's images are now, if they have been moved."""
    storage: str | None = None
    """SQLAlchemy URL of the study's storage, if it is not what the study remembers."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    timeout: float | None = None
    """Seconds after which it stops at the next epoch."""
    workers: int | str = 1
    """How many trainings at once, or auto."""
    watch: Watcher = nobody
    """Told what happens."""


def derived_name(base: BegunStudy, variant: str) -> str:
    """Name a comparison of a study: `digits-100k/finalists`."""
    if "/" in base.name:
        raise InputError(
            f"only a study of its own is compared further, {base.name!r} is one of "
            f"{base.name.partition('/')[0]!r}"
        )
    return f"{base.name}/{variant}"


def train_grid(
    base: BegunStudy,
    variant: str,
    grid: Grid,
    recipe: Recipe,
    about: About,
    means: Means,
    notices: Sequence[str] = (),
) -> SearchResult:
    """Train a grid on the images, split and seed of a study, or go on with it.

    Args:
        base: The study.
        variant: What the grid is called; its folder, in the study's.
        grid: The configurations, fitted to the study's images.
        recipe: What is written down as the grid's recipe; each configuration has its own.
        about: Words for its report.
        means: With what it is trained.
        notices: What recipes had to give up for these images.

    Raises:
        InputError: If it has begun with another grid, or what is asked can't be.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    if means.timeout is not None and not means.timeout > 0:
        raise InputError(f"timeout > 0 must hold, got {means.timeout:g}")
    at_once = check_workers(means.workers)
    name, config = derived_name(base, variant), base.config
    folder = study_folder(name)
    began = StudyConfig.read(folder) if config_path(folder).is_file() else None
    source = config.data if means.data_dir is None else config.data.at(means.data_dir)
    plan = Plan(
        name, source, config.seed, config.train_samples, at_most=False, budget=config.budget,
        pruner="none", settle=lambda facts: Settled(recipe, grid, list(notices)), about=about,
    )  # fmt: skip
    require_writable(folder)
    url = storage_url(config, base.folder, means.storage) if config.storage else None
    deadline = math.inf if means.timeout is None else time.monotonic() + means.timeout
    job = Job(
        name, folder, plan, began, means.data_dir, url, 0, deadline,
        choose_device(means.device), at_once,
    )  # fmt: skip
    return work(job, means.watch)

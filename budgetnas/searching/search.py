"""`search`: from what a user asks to a study with N trained trials."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from budgetnas.arch import Budget, as_also, as_limits
from budgetnas.data.view import check_background, check_fit
from budgetnas.errors import InputError
from budgetnas.events import Watcher, nobody
from budgetnas.files import require_writable
from budgetnas.progress import SearchProgress, shows
from budgetnas.recipe import Recipe
from budgetnas.searching.asked_workers import check_workers
from budgetnas.searching.begin import require_possible
from budgetnas.searching.pruners import PRUNERS
from budgetnas.searching.request import (
    SearchRequest,
    as_budget,
    at_least_one,
)
from budgetnas.searching.samplers import SAMPLERS, known
from budgetnas.searching.work import Job, SearchResult, work
from budgetnas.space import PROPOSALS, Space
from budgetnas.study.asked_recipe import AskedRecipe
from budgetnas.study.config import StudyConfig, require_same, storage_url
from budgetnas.study.metric import as_metric
from budgetnas.study.place import budget_needed, config_path, study_folder, study_name
from budgetnas.study.storage import check_storage, default_url, redacted, require_file
from budgetnas.train.device import choose_device


@shows(SearchProgress)
def search(
    budget: Budget | str | int | None = None,
    *,
    also: str | Sequence[str | int] | None = None,
    max_macs: str | int | None = None,
    max_bytes: str | int | None = None,
    bits: int | None = None,
    trials: int = 100,
    study: str | None = None,
    storage: str | None = None,
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    fit: str | None = None,
    background: str | None = None,
    skip_unreadable: bool | None = None,
    train_samples: int | None = None,
    epochs: int | None = None,
    space: Space | Path | str | dict[str, Any] | None = None,
    recipe: Recipe | str | dict[str, Any] | None = None,
    proposal: str | None = None,
    presets: bool | None = None,
    sampler: str | None = None,
    pruner: str | None = None,
    metric: str | None = None,
    device: str = "auto",
    seed: int | None = None,
    timeout: float | None = None,
    workers: int | str = 1,
    watch: Watcher | None = None,
    show_progress: bool = True,
) -> SearchResult:
    """Run or resume a study until it has so many trained trials.

    The study is begun on the first call; later calls continue it, and may leave out everything
    but its name. No architecture over the budget is trained, and no test image is seen.

    Args:
        budget: The most trainable parameters; needed to begin a study.
        also: Smaller budgets to search for in the same study: `500k,1M`, or a list.
        max_macs: The most multiply-adds for one image, beside the budget.
        max_bytes: The most bytes of stored weights, beside the budget.
        bits: In how many bits each of those is stored: 8, 16 or 32 (the default).
        trials: How many trained trials the study should have in the end.
        study: Its name; `<dataset>-<budget>` by default.
        storage: SQLAlchemy URL; a file in the study's folder by default.
        dataset: Name of the data set; cifar10 by default.
        data_dir: Where data sets are kept; for `folder`, the folder of images.
        image_size: Side of an image in pixels; the data set's own by default.
        fit: `crop` (default), `pad` or `squash` pictures that are not square.
        background: What is behind transparent pixels and around padded pictures: white (default),
            black, grey or #rrggbb.
        skip_unreadable: Leave out files of a folder that can't be read, instead of refusing them.
        train_samples: Train on so many images only, stratified; validation stays whole.
        epochs: Epochs of a trial, instead of the recipe's.
        space: What to draw from: a `Space`, a space file, or a dict of what such a file says; the
            default space by default.
        recipe: How to train a trial: a `Recipe`, a name or file, or a dict of what a recipe file
            says; `short` by default.
        proposal: `fill` draws what fits, `free` whatever the space holds; see `PROPOSALS`.
        presets: Whether the published networks that fit come first; they do by default.
        sampler: A name in `SAMPLERS`; random by default, which tpe was measured to tie with.
        pruner: A name in `PRUNERS`; halving by default.
        metric: What trials are compared by: `accuracy`, the default, or `balanced`, the mean over
            classes of the share that is right, where classes are unequal.
        device: auto, cpu, cuda or cuda:N.
        seed: What every random choice is derived from; 0 by default.
        timeout: Seconds after which the search stops at the next epoch.
        workers: How many trials to train at once, in processes of their own; `auto` measures how
            many are fastest. What more than one draw depends on which trials had ended, so then
            each training can be replayed, but not the order of trials.
        watch: Told what happens, instead of showing it.
        show_progress: Show on stderr how far it is; False to be silent.

    Raises:
        InputError: If what is asked can't be.
        SearchFailed: After five failed trials in a row.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    watch = watch or nobody
    limit = as_budget(budget)
    asked = SearchRequest(
        budget=limit,
        also=as_also(also, limit),
        limits=as_limits(max_macs, max_bytes, bits),
        proposal=None if proposal is None else known("proposal", proposal, dict(PROPOSALS)),
        presets=presets,
        dataset=dataset,
        data_dir=data_dir,
        image_size=image_size,
        fit=None if fit is None else check_fit(fit),
        skip_unreadable=skip_unreadable,
        background=None if background is None else check_background(background),
        train_samples=at_least_one("train_samples", train_samples),
        epochs=at_least_one("epochs", epochs),
        space=Space.of(space),
        recipe=AskedRecipe.of(recipe, "short", epochs),
        sampler=None if sampler is None else known("sampler", sampler, dict(SAMPLERS)),
        pruner=None if pruner is None else known("pruner", pruner, dict(PRUNERS)),
        metric=as_metric(metric),
        seed=seed,
        storage=storage,
    )
    at_least_one("trials", trials)
    if timeout is not None and not timeout > 0:
        raise InputError(f"timeout > 0 must hold, got {timeout:g}")
    at_once = check_workers(workers)
    folder = study_folder(asked.default_name() if study is None else study)
    name = study_name(folder)
    began = StudyConfig.read(folder) if config_path(folder).is_file() else None
    if began:
        asked.require_same(began)
        storage = _same_storage(began, folder, storage)
        require_file(name, storage)
    else:
        if "/" in name:
            raise InputError(
                f"a search's name has no '/', which a study file's runs have: {name!r}"
            )
        if asked.budget is None:
            raise budget_needed(name)
        smallest = asked.also[-1] if asked.also else asked.budget
        limits = (smallest, *(asked.limits or ()))
        require_possible(limits, asked.space or Space(), asked.source())
    require_writable(folder)
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    where = choose_device(device)
    if storage is not None:
        check_storage(storage)  # what is wrong with it should be said before images are read
    plan = None if began else asked.plan(name)
    job = Job(
        name, folder, plan, began, data_dir, storage, trials, deadline, where, at_once
    )  # fmt: skip
    return work(job, watch)


def _same_storage(began: StudyConfig, folder: Path, storage: str | None) -> str:
    """Return the URL to continue with; a search must not move to another storage unnoticed."""
    if storage is not None:
        stored = began.storage or default_url(folder)
        require_same(f"study {began.name!r}", {"--storage": (stored, redacted(storage))})
    return storage_url(began, folder, storage)

"""`search`: from what a user asks to a study with N trained trials."""

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
import torch

from budgetnas.arch import Budget
from budgetnas.data import DataSource
from budgetnas.data.load import load_train
from budgetnas.errors import InputError, TrialFailed
from budgetnas.events import Estimated, Loading, Notice, SearchStarted, Watcher, nobody
from budgetnas.files import require_writable, system_guard
from budgetnas.recipe import Recipe, load_recipe
from budgetnas.recipe.named import RECIPES
from budgetnas.searching.begin import begin, facts_of, require_possible, split_images
from budgetnas.searching.estimate import estimate_seconds
from budgetnas.searching.loop import Loop, Stopped, describe_best
from budgetnas.searching.request import SearchRequest, as_budget, at_least_one
from budgetnas.searching.samplers import PRUNERS, SAMPLERS, known
from budgetnas.searching.task import Task
from budgetnas.space import Space
from budgetnas.study.config import StudyConfig, require_same, storage_url
from budgetnas.study.owned import owned_study
from budgetnas.study.place import config_path, study_folder
from budgetnas.study.storage import check_storage, default_url, redacted, require_file
from budgetnas.study.trials import Best, tally
from budgetnas.train.engine import recipe_statistics
from budgetnas.train.memory import memory_guard
from budgetnas.train.numerics import choose_device, device_title, use_threads

SLOW = 3600
"""Seconds beyond which a search on a CPU names what would shorten it."""


@dataclass(frozen=True)
class SearchResult:
    """A study after a search, as `--json` prints it."""

    study: str
    """The study's name."""
    storage: str
    """SQLAlchemy URL of its storage, without a password."""
    trained: int
    """Trained trials."""
    pruned: int
    """Those of the trained that were stopped early."""
    over_budget: int
    """Draws over the budget, never trained."""
    duplicates: int
    """Draws of what had been drawn before."""
    failed: int
    """Trials that failed for a known reason."""
    stopped: Stopped
    """Why the search ended."""
    best: Best | None
    """The best completed trial."""

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def search(
    budget: Budget | str | int | None = None,
    *,
    trials: int = 100,
    study: str | None = None,
    storage: str | None = None,
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    train_samples: int | None = None,
    epochs: int | None = None,
    space: Space | Path | str | None = None,
    recipe: Recipe | str | None = None,
    sampler: str | None = None,
    pruner: str | None = None,
    device: str = "auto",
    seed: int | None = None,
    timeout: float | None = None,
    watch: Watcher = nobody,
) -> SearchResult:
    """Run or resume a study until it has so many trained trials.

    The study is begun on the first call; later calls continue it, and may leave out everything
    but its name. No architecture over the budget is trained, and no test image is seen.

    Args:
        budget: The most trainable parameters; needed to begin a study.
        trials: How many trained trials the study should have in the end.
        study: Its name; `<dataset>-<budget>` by default.
        storage: SQLAlchemy URL; a file in the study's folder by default.
        dataset: Name of the data set; cifar10 by default.
        data_dir: Where data sets are kept; for `folder`, the folder of images.
        image_size: Side of an image in pixels; the data set's own by default.
        train_samples: Train on so many images only, stratified; validation stays whole.
        epochs: Epochs of a trial, instead of the recipe's.
        space: What to draw from; the default space by default.
        recipe: How to train a trial; `short` by default.
        sampler: A name in `SAMPLERS`; tpe by default.
        pruner: A name in `PRUNERS`; median by default.
        device: auto, cpu, cuda or cuda:N.
        seed: What every random choice is derived from; 0 by default.
        timeout: Seconds after which the search stops at the next epoch.
        watch: Told what happens.

    Raises:
        InputError: If what is asked can't be.
        SearchFailed: After five failed trials in a row.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    asked = SearchRequest(
        budget=as_budget(budget),
        dataset=dataset,
        data_dir=data_dir,
        image_size=image_size,
        train_samples=at_least_one("train_samples", train_samples),
        epochs=at_least_one("epochs", epochs),
        space=Space.from_file(Path(space)) if isinstance(space, str | Path) else space,
        recipe=load_recipe(recipe) if isinstance(recipe, str) else recipe,
        # what is named adapts to the images; what the user wrote is taken at its word
        recipe_adapts=recipe is None or (isinstance(recipe, str) and recipe in RECIPES),
        sampler=None if sampler is None else known("sampler", sampler, dict(SAMPLERS)),
        pruner=None if pruner is None else known("pruner", pruner, dict(PRUNERS)),
        seed=seed,
        storage=storage,
    )
    at_least_one("trials", trials)
    if timeout is not None and not timeout > 0:
        raise InputError(f"timeout > 0 must hold, got {timeout:g}")
    name = asked.default_name() if study is None else study
    folder = study_folder(name)
    began = StudyConfig.read(folder) if config_path(folder).is_file() else None
    if began:
        known("sampler", began.sampler, dict(SAMPLERS))
        known("pruner", began.pruner, dict(PRUNERS))
        asked.require_same(began)
        storage = _same_storage(began, folder, storage)
        require_file(name, storage)
    else:
        require_possible(asked, folder)
    require_writable(folder)
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    where = choose_device(device)
    if storage is not None:
        check_storage(storage)  # what is wrong with it should be said before images are read
    return _run(name, folder, began, asked, storage, trials, deadline, where, watch)


def _run(
    name: str,
    folder: Path,
    began: StudyConfig | None,
    asked: SearchRequest,
    storage: str | None,
    trials: int,
    deadline: float,
    device: torch.device,
    watch: Watcher,
) -> SearchResult:
    """Load the data, begin or continue the study, and loop."""
    source = _moved(began.data, asked.data_dir) if began else asked.source()
    with memory_guard("the images"):
        images = load_train(source, lambda *progress: watch(Loading(*progress)))
    seed = began.seed if began else asked.seed or 0
    samples = began.train_samples if began else asked.train_samples
    parts = split_images(images, seed, samples)
    facts = facts_of(images, parts)
    if began:
        require_same(f"study {name!r}", {"the data": (began.facts, facts)})
    config, notices = (
        (began, []) if began else begin(name, asked, source, facts, seed, storage, device)
    )
    use_threads(config.numerics)
    train, val = images.take(parts.train), images.take(parts.val)
    statistics = recipe_statistics(config.recipe, train)
    with memory_guard("the images"):
        task = Task(train.to(device), val.to(device), statistics, config.numerics, seed)
    url = storage or default_url(folder)
    with owned_study(config, folder, url, begun=began is not None) as study:
        for text in notices:
            watch(Notice(text))
        counted = tally(study.get_trials(deepcopy=False))
        watch(SearchStarted(name, counted, trials))
        if counted.trained < trials:
            _tell_estimate(config, task, trials - counted.trained, device, watch)
        study.set_user_attr("data", source.title)
        config.changed(data=source).write(folder)
        with system_guard():
            stopped = Loop(study, config, folder, task, watch).run(trials, deadline)
        return _result(study, name, url, stopped)


def _moved(data: DataSource, data_dir: str | Path | None) -> DataSource:
    """The data of a study, which may have been moved: its fingerprint tells whether it is it."""
    return data if data_dir is None else data.at(data_dir)


def _same_storage(began: StudyConfig, folder: Path, storage: str | None) -> str:
    """Return the URL to continue with; a search must not move to another storage unnoticed."""
    if storage is not None:
        stored = began.storage or default_url(folder)
        require_same(f"study {began.name!r}", {"--storage": (stored, redacted(storage))})
    return storage_url(began, folder, storage)


def _tell_estimate(
    config: StudyConfig, task: Task, missing: int, device: torch.device, watch: Watcher
) -> None:
    try:
        seconds = estimate_seconds(config, task, missing)
    except TrialFailed:
        return  # the trials will say what does not fit or diverges
    slow = device.type == "cpu" and seconds > SLOW
    watch(Estimated(seconds, missing, device_title(device), slow))


def _result(study: optuna.Study, name: str, url: str, stopped: Stopped) -> SearchResult:
    listed = study.get_trials(deepcopy=False)
    return SearchResult(
        study=name,
        storage=redacted(url),
        **asdict(tally(listed)),
        stopped=stopped,
        best=describe_best(listed),
    )

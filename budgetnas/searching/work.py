"""`work`: from a plan, or a study that has begun, to trials; what searches and runs share."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
import torch

from budgetnas.analysis import Best, describe_best, epochs_in_full, guessing_of
from budgetnas.data import DataSource
from budgetnas.data.gather import write_unreadable
from budgetnas.data.images import ImageSet
from budgetnas.data.load import load_train
from budgetnas.errors import InputError
from budgetnas.events import Estimated, Loading, Notice, SearchStarted, Watcher
from budgetnas.executors import (
    Executor,
    InProcessExecutor,
    TrialSettings,
    Workers,
    choose_workers,
    devices_of,
    process_pool,
)
from budgetnas.files import system_guard
from budgetnas.metric import WEIGHTED, Metric, largest_notices
from budgetnas.plugins import changes, needed
from budgetnas.searching.begin import begin, facts_of, split_images
from budgetnas.searching.busy import OtherWork, describe_busy
from budgetnas.searching.crash import crash_noted
from budgetnas.searching.estimate import estimate_seconds, middling
from budgetnas.searching.loop import Loop, Stopped
from budgetnas.searching.plan import Plan
from budgetnas.searching.record import Record
from budgetnas.space import Grid
from budgetnas.study import DataFacts, StudyConfig, require_same, write_files
from budgetnas.study.begun import add_hardware, owned_study, write_data
from budgetnas.study.options import AskedWorkers
from budgetnas.study.storage import default_url, redacted
from budgetnas.study.trial_record import tally
from budgetnas.train import (
    TrainingData,
    attempt,
    choose_numerics,
    device_title,
    give_memory_back,
    hardware,
    memory_guard,
    unchanged_process,
    use_threads,
)

SLOW = 3600
"""Seconds beyond which work on a CPU names what would shorten it."""


@dataclass(frozen=True)
class SearchResult:
    """A study after a search or a run, as `--json` prints it."""

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
    epochs: int
    """Epochs that the trained trials were trained, of `epochs_in_full`."""
    epochs_in_full: int
    """Epochs that they would have been trained, had none been stopped early."""
    metric: Metric
    """What trials are compared by: the best one's value."""
    largest_class: float | None
    """The share of the validation images that the largest class has; null of equal classes."""
    stopped: Stopped
    """Why the search ended."""
    best: Best | None
    """The best completed trial."""
    guessing: float
    """What the luckiest of so many trials that guess exceeds in 1 of 40 cases only."""

    @property
    def only_guesses(self) -> bool:
        """Whether trials were completed, and not even the best is better than guessing."""
        return self.best is not None and self.best.value <= self.guessing

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


UNKNOWN_TIME = "how long it will take is not known, a training can't be timed"


@dataclass(frozen=True)
class Job:
    """What is to be done on one study: begin it by a plan, or continue it."""

    name: str
    folder: Path
    plan: Plan | None
    """What it shall be; it may be None where it has begun."""
    began: StudyConfig | None
    """What it is, where it has begun."""
    data_dir: str | Path | None
    """Where the data is now, if it has been moved."""
    storage: str | None
    trials: int
    """How many trained trials it shall have; what has an end has its own number."""
    deadline: float
    device: torch.device
    workers: AskedWorkers = 1
    """How many trials are to be trained at once."""


@unchanged_process()
def work(job: Job, watch: Watcher) -> SearchResult:
    """Load the data, begin or continue the study, and loop."""
    if job.began:
        require_same(f"study {job.name!r}", changes(job.began.plugins))
    source, seed, samples, at_most = _data_of(job)
    with memory_guard("the images"):
        images = load_train(source, lambda *progress: watch(Loading(*progress)))
    for text in images.all_notices:
        watch(Notice(text))
    parts = split_images(images, seed, samples, at_most)
    config, notices = _settled(job, facts_of(images, parts))
    notices += _only_here(config, job)
    with memory_guard("the images"):
        train, val = images.take(parts.train), images.take(parts.val)
    workers = None
    if job.began is None:  # now only: how many workers there are decides how many threads
        workers = _choose_workers(job, config, train, watch)
        config = config.changed(numerics=workers.numerics)
    data = TrainingData(train, val, config.numerics)
    url = job.storage or default_url(job.folder)
    trials = config.proposal.size if isinstance(config.proposal, Grid) else job.trials
    with owned_study(config, job.folder, url, begun=job.began is not None) as study:
        write_unreadable(job.folder, images.unreadable)
        for text in (*notices, *_unequal(config)):
            watch(Notice(text))
        before = tally(study.get_trials(deepcopy=False))
        largest = config.facts.largest_share
        watch(SearchStarted(job.name, before, trials, config.metric, largest))
        record = Record(study, config, job.folder)
        missing = record.missing(trials)
        if missing and workers is None:
            workers = _choose_workers(job, config, train, watch)
        workers = workers or Workers(1, config.numerics)
        use_threads(config.numerics)
        if missing:
            add_hardware(study, hardware(job.device))
        write_data(study, source.title)
        config.changed(data=source).write(job.folder)
        write_files(config, job.folder)
        with system_guard(), crash_noted(job.folder) as crash:
            if missing:
                if crash is None or record.running():
                    _tell_estimate(config, data, missing, workers, job.device, watch)
                else:
                    watch(Notice(f"{UNKNOWN_TIME}: the process before died of {crash} at it"))
            with _executor(config, job, data, min(workers.count, missing)) as executor:
                stopped = Loop(record, executor, watch, crash).run(trials, job.deadline)
        return _result(study, config, url, stopped)


def _only_here(config: StudyConfig, job: Job) -> list[str]:
    """Return notices of what is registered, but by no plugin, and raise if workers need it."""
    _, alone = needed(config.plugins, config.registered())
    if alone and job.workers != 1:
        raise InputError(
            f"--workers: {', '.join(alone)}: registered in this process only; name the module or "
            "the file that registers it with --plugins"
        )
    return [f"{what}: registered in this process only, no --plugins name it" for what in alone]


def _unequal(config: StudyConfig) -> list[str]:
    """Say that classes are unequal, and what of a study does not count them alike."""
    advice = [
        *(["--metric balanced"] if config.metric == "accuracy" else []),
        *([] if config.recipe.class_weights else [WEIGHTED]),
    ]
    return largest_notices("validation", config.facts.largest_share, advice)


def _choose_workers(job: Job, config: StudyConfig, images: ImageSet, watch: Watcher) -> Workers:
    return choose_workers(
        job.workers, config.numerics, images, job.device, lambda: middling(config),
        begins=job.began is None, notify=lambda text: watch(Notice(text)),
    )  # fmt: skip


def _executor(
    config: StudyConfig, job: Job, data: TrainingData, workers: int
) -> AbstractContextManager[Executor]:
    settings = TrialSettings.of(config)
    if workers > 1:
        give_memory_back()  # of the estimate: here nothing is trained any more
        return process_pool(settings, job.folder, data, devices_of(job.device), workers)
    with memory_guard("the images"):
        here = data.to(job.device)
    return nullcontext(InProcessExecutor(settings, job.folder, here))


def _data_of(job: Job) -> tuple[DataSource, int, int | None, bool]:
    """Return which images, the seed of their split, and how many of them to train on.

    The data of a study may have been moved: its fingerprint tells whether it is it.
    """
    if job.began is None:
        assert job.plan is not None, "a study begins with a plan"
        return job.plan.source, job.plan.seed, job.plan.train_samples, job.plan.at_most
    began = job.began
    source = began.data if job.data_dir is None else began.data.at(job.data_dir)
    at_most = job.plan is not None and job.plan.at_most
    return source, began.seed, began.train_samples, at_most


def _settled(job: Job, facts: DataFacts) -> tuple[StudyConfig, list[str]]:
    """Return what defines the study, with notices if it begins now.

    Raises:
        InputError: If it has begun otherwise than it is now, with both values.
    """
    plan, began = job.plan, job.began
    if began is None:
        assert plan is not None, "a study begins with a plan"
        failed = list[str]()
        numerics = choose_numerics(job.device, failed.append)
        config, notices = begin(plan, facts, job.storage, numerics)
        return config, failed + notices
    what = f"study {job.name!r}"
    require_same(what, {"the data": (began.facts, facts)})
    if plan is None:
        return began, []
    config, _ = begin(plan, facts, job.storage, began.numerics)
    same: Mapping[str, tuple[object, object]] = {
        "the study file's": (began.definition(), config.definition())
    }
    require_same(what, same, f"undo the change, or remove {job.folder}")
    return config.changed(storage=began.storage), []


def _tell_estimate(
    config: StudyConfig,
    data: TrainingData,
    missing: int,
    workers: Workers,
    device: torch.device,
    watch: Watcher,
) -> None:
    with OtherWork() as others:
        seconds = attempt(
            lambda: (
                estimate_seconds(config, data, missing, device) / min(workers.speedup, missing)
            ),
            UNKNOWN_TIME,
            lambda text: watch(Notice(text)),
        )
    if seconds is None:
        return
    slow = device.type == "cpu" and seconds > SLOW
    at_once = min(workers.count, missing)
    busy = describe_busy(others.cores, config.numerics.threads) if device.type == "cpu" else ""
    watch(Estimated(seconds, missing, device_title(device), slow, at_once, busy))


def _result(study: optuna.Study, config: StudyConfig, url: str, stopped: Stopped) -> SearchResult:
    listed = study.get_trials(deepcopy=False)
    return SearchResult(
        study=config.name,
        storage=redacted(url),
        **asdict(tally(listed)),
        epochs_in_full=epochs_in_full(config, listed),
        metric=config.metric,
        largest_class=config.facts.largest_share,
        stopped=stopped,
        best=describe_best(listed),
        guessing=guessing_of(config, listed),
    )

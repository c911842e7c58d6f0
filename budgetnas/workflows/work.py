"""`work`: a study's trials, from its definition and its images."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
import torch

from budgetnas.analysis import Best, describe_best, epochs_in_full, guessing_of
from budgetnas.data.images import ImageSet
from budgetnas.data.load import write_unreadable
from budgetnas.errors import InputError
from budgetnas.events import Estimated, Notice, SearchStarted, Watcher
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
from budgetnas.plugins import needed
from budgetnas.space import Grid
from budgetnas.study import StudyConfig, require_same, study_folder, write_files
from budgetnas.study.begun import add_hardware, owned_study, write_data
from budgetnas.study.options import Resources
from budgetnas.study.storage import default_url, redacted
from budgetnas.study.trial_record import tally
from budgetnas.train import (
    TrainingData,
    attempt,
    choose_device,
    choose_numerics,
    device_title,
    give_memory_back,
    hardware,
    memory_guard,
    unchanged_process,
    use_threads,
)
from budgetnas.trials import Loop, Record, Stopped, crash_noted, require_usable
from budgetnas.workflows._estimate import OtherWork, describe_busy, estimate_seconds, middling
from budgetnas.workflows.begin import StudyImages, require_trainable

SLOW = 3600
"""Seconds above which the estimate for a CPU names what would shorten it."""


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
    """Trained trials that were stopped early."""
    over_budget: int
    """Draws over the budget, never trained."""
    duplicates: int
    """Draws of networks that had been drawn before."""
    failed: int
    """Trials that failed for a known reason."""
    epochs: int
    """Epochs of the trained trials, of `epochs_in_full`."""
    epochs_in_full: int
    """Epochs of the same trials, had none been stopped early."""
    metric: Metric
    """The metric of trials' values."""
    largest_class: float | None
    """The largest class's share of the validation images; null of equal classes."""
    stopped: Stopped
    """Why the search ended."""
    best: Best | None
    """The best completed trial."""
    guessing: float
    """The value that the luckiest of as many guessing trials exceeds in 1 of 40 cases."""

    @property
    def only_guesses(self) -> bool:
        """Whether trials were completed, and the best is no better than guessing."""
        return self.best is not None and self.best.value <= self.guessing

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


UNKNOWN_TIME = "how long it will take is not known, a training can't be timed"


@unchanged_process()
def work(
    config: StudyConfig,
    images: StudyImages,
    options: Resources,
    watch: Watcher,
    *,
    began: StudyConfig | None,
    url: str | None,
    trials: int,
    deadline: float,
    adapted: Sequence[str] = (),
) -> SearchResult:
    """Begin or continue a study until it has N trained trials.

    Args:
        config: What defines it, but for its numerics: those that are fastest here, or as begun.
        images: Its images.
        options: With what it is trained.
        watch: Receives events.
        began: What defined it when it began; None: it begins now.
        url: Its storage; None: study.db in its folder.
        trials: N; a grid has its own number.
        deadline: On the monotonic clock: when to stop, at the next epoch.
        adapted: What its recipes had to give up for the images.

    Raises:
        InputError: If it can't be trained, or began otherwise, with both values.
    """
    folder, device = study_folder(config.name), choose_device(options.device)
    notices = list[str]()
    numerics = began.numerics if began else choose_numerics(device, notices.append)
    config = config.changed(numerics=numerics)
    if adapted:
        config = config.changed(about=config.about.changed(adapted="; ".join(adapted)))
    plugins, alone = needed(config.plugins, config.registered())
    config = config.changed(plugins=plugins)
    require_trainable(config)
    workers, local = None, _only_here(alone, options)
    if began is None:
        require_usable(config)
        grid = isinstance(config.proposal, Grid)
        few = None if grid else config.recipe.few_steps(config.facts.train)
        notices += [f"recipe: {notice}" for notice in (*adapted, few) if notice]
        # now only: how many workers there are decides how many threads
        workers = _choose_workers(config, images.train, options, device, watch, begins=True)
        config = config.changed(numerics=workers.numerics)
    else:
        both = began.definition(), config.definition()
        require_same(
            f"study {config.name!r}", {"the study file's": both},
            f"undo the change, or remove {folder}",
        )  # fmt: skip
        config = config.changed(storage=began.storage)
    data = TrainingData(images.train, images.val, config.numerics)
    url = url or default_url(folder)
    if isinstance(config.proposal, Grid):
        trials = config.proposal.size
    with owned_study(config, folder, url, begun=began is not None) as study:
        write_unreadable(folder, images.unreadable)
        for text in (*notices, *local, *_unequal(config)):
            watch(Notice(text))
        before = tally(study.get_trials(deepcopy=False))
        largest = config.facts.largest_share
        watch(SearchStarted(config.name, before, trials, config.metric, largest))
        record = Record(study, config, folder)
        missing = record.missing(trials)
        if missing and workers is None:
            workers = _choose_workers(config, images.train, options, device, watch, begins=False)
        workers = workers or Workers(1, config.numerics)
        use_threads(config.numerics)
        if missing:
            add_hardware(study, hardware(device))
        write_data(study, config.data.title)
        config.write(folder)
        write_files(config, folder)
        with system_guard(), crash_noted(folder) as crash:
            if missing:
                if crash is None or record.running():
                    _announce_estimate(config, data, missing, workers, device, watch)
                else:
                    watch(Notice(f"{UNKNOWN_TIME}: the process before died of {crash} at it"))
            count = min(workers.count, missing)
            with _executor(config, folder, data, device, count) as executor:
                stopped = Loop(record, executor, watch, crash).run(trials, deadline)
        return _result(study, config, url, stopped)


def _only_here(alone: Sequence[str], options: Resources) -> list[str]:
    """Return notices of what no plugin registers; raise if workers need it."""
    if alone and options.workers != 1:
        raise InputError(
            f"--workers: {', '.join(alone)}: registered in this process only; name the module or "
            "the file that registers it with --plugins"
        )
    return [f"{what}: registered in this process only, no --plugins name it" for what in alone]


def _unequal(config: StudyConfig) -> list[str]:
    """Return a notice of unequal classes, with options that weigh them alike."""
    advice = [
        *(["--metric balanced"] if config.metric == "accuracy" else []),
        *([] if config.recipe.class_weights else [WEIGHTED]),
    ]
    return largest_notices("validation", config.facts.largest_share, advice)


def _choose_workers(
    config: StudyConfig, images: ImageSet, options: Resources, device: torch.device,
    watch: Watcher, *, begins: bool,
) -> Workers:  # fmt: skip
    return choose_workers(
        options.workers, config.numerics, images, device, lambda: middling(config),
        begins=begins, notify=lambda text: watch(Notice(text)),
    )  # fmt: skip


def _executor(
    config: StudyConfig, folder: Path, data: TrainingData, device: torch.device, workers: int
) -> AbstractContextManager[Executor]:
    settings = TrialSettings.of(config)
    if workers > 1:
        give_memory_back()  # of the estimate: here nothing is trained any more
        return process_pool(settings, folder, data, devices_of(device), workers)
    with memory_guard("the images"):
        here = data.to(device)
    return nullcontext(InProcessExecutor(settings, folder, here))


def _announce_estimate(
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

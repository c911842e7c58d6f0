"""`retrain`: one architecture, the full recipe, all training images, the test set at the end."""

import os
from pathlib import Path

import torch

from budgetnas.data.heldout import check_test
from budgetnas.data.images import ImageSet
from budgetnas.data.test_log import LOG, count_uses
from budgetnas.errors import InputError
from budgetnas.events import Notice, Watcher
from budgetnas.files import require_writable, system_guard
from budgetnas.metric import WEIGHTED, largest_notices, unequal_share
from budgetnas.progress import RetrainProgress, verb
from budgetnas.retraining.begin import (
    begin,
    hold_out,
    load_again,
    new_folder,
    unfinished,
)
from budgetnas.retraining.options import RetrainOptions
from budgetnas.retraining.run import RunConfig, RunResult
from budgetnas.retraining.selection import UPPER_BOUND
from budgetnas.retraining.target import find_target, is_of_a_study
from budgetnas.retraining.training import Retraining
from budgetnas.study import STUDIES, config_path, held, study_folder
from budgetnas.study.begun import BegunStudy, find_begun
from budgetnas.train import choose_device, unchanged_process

RUNS = Path("runs")
RESULT = "result.json"


@verb(RetrainOptions, RetrainProgress)
@unchanged_process()
def retrain(options: RetrainOptions, watch: Watcher) -> RunResult:
    """Train one architecture on all training images, then open the test part once.

    That is how it is unless `select` or `test_curves` says otherwise.

    Raises:
        InputError: If what is asked can't be.
        TrialFailed: If the training diverges or does not fit into memory.
        KeyboardInterrupt: As it came; every finished epoch is kept.
    """
    where, out, target = choose_device(options.device), options.out, options.target
    if options.resume and options.storage is not None:
        raise InputError("--resume needs no --storage: all that a run needs is in its folder")
    if options.resume and out:
        return _resume(out, options, where, [], watch)
    origin, base = origin_of(target, options.study)
    guessed = [f"study {origin.name}"] if origin and origin.guessed else []
    if options.resume:
        return _resume(unfinished(base, target), options, where, guessed, watch)
    found = find_target(target, origin, options.storage)
    folder = new_folder(out, base, target, found)
    require_writable(folder)
    config, images, adapted = begin(options, found, origin, where, watch)
    said = [*guessed, *([found.rule] if found.rule else []), *adapted]
    return run_in(config, images, folder, where, said, watch)


def origin_of(target: str, study: str | None) -> tuple[BegunStudy | None, Path]:
    """Find the study that a target belongs to, if to any, and the folder of its runs."""
    origin = find_begun(study) if study or is_of_a_study(target) else None
    return origin, (origin.folder if origin else Path()) / RUNS


def _resume(
    folder: Path,
    asked: RetrainOptions,
    device: torch.device,
    notices: list[str],
    watch: Watcher,
) -> RunResult:
    """Continue the run in a folder, or return its result if it has one."""
    config = RunConfig.read(folder)
    asked.require_same(config)
    result = folder / RESULT
    if result.is_file():
        finished = RunResult.read(result)
        watch(Notice(f"{folder} is finished already"))
        return finished
    config, images = load_again(config, asked.data_dir, watch)
    return run_in(config, images, folder, device, notices, watch)


@unchanged_process()
def run_in(
    config: RunConfig,
    images: ImageSet,
    folder: Path,
    device: torch.device,
    notices: list[str],
    watch: Watcher,
) -> RunResult:
    """Train and test in a folder, once nothing is left that could be refused.

    Args:
        config: What defines the run.
        images: All training images.
        folder: The run's, new or one that was interrupted.
        device: Where to train.
        notices: What the user should know when it begins.
        watch: Told what happens.
    """
    if in_test := check_test(config.data, config.classes):
        notices = [*notices, in_test]
    log = study_folder(config.study) if config.study else RUNS
    if config.study and not config_path(log).is_file():
        raise InputError(
            f"{folder} is a run of study {config.study!r}, which logs it: no ./{log} here"
        )
    require_writable(log / LOG)
    if os.path.lexists(log / LOG) and not (log / LOG).is_file():
        raise InputError(f"{log / LOG} must be a file, to log the test's opening")
    logged = (*STUDIES.glob(f"*/{LOG}"), *STUDIES.glob(f"*/*/{LOG}"))
    logs = {log, RUNS, *(path.parent for path in logged)}
    uses = count_uses(logs, config.data, config.fingerprint)
    trained_on, val = hold_out(images, config.select, config.seed)
    counts = torch.bincount(trained_on.labels, minlength=len(trained_on.classes)).tolist()
    advice = [] if config.recipe.class_weights else [WEIGHTED]
    notices = [*notices, *largest_notices("training", unequal_share(counts), advice)]
    if uses:
        notices = [*notices, _used(uses)]
    if config.test_selected:
        notices = [*notices, UPPER_BOUND]
    if images.validation is not None and val is None:
        notices = [*notices, _validation_trained(len(images.validation))]
    if val is not None:
        held_out = f"{len(val):,} of {len(images):,} training images are held out"
        notices = [*notices, f"{config.select}: {held_out}, to tell the best epoch"]
    with held(folder):
        if (folder / RESULT).is_file():
            raise InputError(f"{folder} has just been finished by another process")
        for text in notices:
            watch(Notice(text))
        with system_guard():
            known = frozenset(images.digests)
            run = Retraining(config, folder, log, device, watch, known, images.unreadable)
            return run.run(trained_on, val)


def _validation_trained(images: int) -> str:
    return (
        f"the validation part's {images:,} images are trained on, too, as a search's are "
        "(--select best-val holds them out)"
    )


def _used(uses: int) -> str:
    times = "once" if uses == 1 else f"{uses} times"
    return (
        f"the test set of this data has been used {times} before: of several runs, the one with "
        "the best test accuracy is better than it would be on new images"
    )

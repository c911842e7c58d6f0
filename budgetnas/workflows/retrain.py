"""`retrain`: one architecture, the full recipe, all training images, the test set at the end.

`retrain_seeds` does it several times, each time with another seed. The first run is what `retrain`
makes: its seed is the study's, or what is asked for. Run k, in a folder called as the first one's
with `-seedk`, has `derive_seed(seed, "seeds", k)`, and else is defined as the first one is. Each
opens the test part once, at its end.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from optuna.trial import FrozenTrial

from budgetnas._version import __version__
from budgetnas.analysis import chosen, pooled
from budgetnas.arch import COST_NAMES, Arch, Budget, blocks_from, find_arch, fit_arch
from budgetnas.data import TEST_LOG, DataSource, count_uses
from budgetnas.data.heldout import check_test
from budgetnas.data.images import ImageSet
from budgetnas.errors import InputError
from budgetnas.events import Notice, Watcher, each_once
from budgetnas.files import require_writable, system_guard
from budgetnas.metric import (
    DEFAULT_METRIC,
    UPPER_BOUND,
    WEIGHTED,
    largest_notices,
    metrics_from,
    unequal_share,
)
from budgetnas.plugins import changes, needed
from budgetnas.progress import RetrainProgress, verb
from budgetnas.recipe import Recipe
from budgetnas.runs import (
    RESULT,
    Retraining,
    RunConfig,
    RunResult,
    first_of,
    hold_out,
    load_again,
    load_images,
    member,
    new_folder,
    reseeded,
    runs_of,
    unfinished,
)
from budgetnas.seeds import derive_seed
from budgetnas.space import Grid, Overrides
from budgetnas.study import STUDIES, config_path, held, require_same, study_folder
from budgetnas.study.begun import BegunStudy, find_begun
from budgetnas.study.options import AskedRecipe, Drawn, Training
from budgetnas.study.trial_record import TrialRecord
from budgetnas.train import (
    attempt,
    check_schedule,
    choose_device,
    choose_numerics,
    recipe_statistics,
    unchanged_process,
    worth_compiling,
)
from budgetnas.workflows.options import RetrainOptions, SeedsOptions

RUNS = Path("runs")


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
    origin, base = origin_of(options)
    guessed = [f"study {origin.name}"] if origin and origin.guessed else []
    if options.resume:
        return _resume(unfinished(base, target), options, where, guessed, watch)
    found = find_target(options, origin)
    folder = new_folder(out, base, target, found.trial)
    require_writable(folder)
    config, images, adapted = _define(options, found, origin, where, watch)
    said = [*guessed, *([found.rule] if found.rule else []), *adapted]
    return run_in(config, images, folder, where, said, watch)


def origin_of(options: RetrainOptions) -> tuple[BegunStudy | None, Path]:
    """Find the study that a target belongs to, if to any, and the folder of its runs."""
    of_study = options.study or options.is_of_a_study
    origin = find_begun(options.study) if of_study else None
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


@dataclass(frozen=True)
class Target:
    """An architecture to retrain, and where it comes from."""

    arch: Arch
    """As described; images and classes may still differ."""
    trial: int | None = None
    """The trial's number."""
    overrides: Overrides = field(default_factory=Overrides)
    """Recipe fields that the trial had drawn."""
    recipe: Recipe | None = None
    """The whole recipe, where the trial's configuration says one."""
    rule: str | None = None
    """Of the best of a search: which it is, and by which rule."""

    def recipe_for(
        self, options: RetrainOptions, source: DataSource, channels: int, images: int
    ) -> tuple[Recipe, list[str]]:
        """Return the recipe that is asked for, fitted to images and trial; with notices."""
        drawn = None
        if self.trial is not None:
            drawn = Drawn(self.trial, self.arch, self.overrides)
        if self.recipe is None or "recipe" in options.model_fields_set:
            return options.fitted_recipe(source, channels, images, drawn)
        own = Training.of(recipe=AskedRecipe(self.recipe, adapts=True), epochs=options.epochs)
        return own.fitted_recipe(source, channels, None, drawn)  # its batch is its study's


def find_target(options: RetrainOptions, study: BegunStudy | None) -> Target:
    """Find the architecture that the user means.

    Raises:
        InputError: With what is known where the target is not.
    """
    if not options.is_of_a_study:
        return Target(find_arch(options.target, also="best, a trial's number"))
    assert study is not None, "a trial is looked up in a study"
    trials, proposal, rule = study.trials(options.storage), study.config.proposal, None
    if options.target == "best":
        best = chosen(study, trials, options.storage, "to retrain")
        record, rule = best.trial, f"best: trial {best.trial.number}, {best.rule}"
    else:
        record = _numbered(int(options.target), trials, study)
    cell = proposal.cell_of(record.trial.params) if isinstance(proposal, Grid) else None
    return Target(
        record.arch, record.number, record.overrides, cell.recipe if cell else None, rule
    )


def _numbered(number: int, trials: Sequence[FrozenTrial], study: BegunStudy) -> TrialRecord:
    if not trials:
        raise InputError(f"study {study.name!r} has no trials yet, got {number}")
    trial = next((trial for trial in trials if trial.number == number), None)
    if trial is None and number < trials[-1].number:
        raise InputError(
            f"trial {number} of study {study.name!r} was added by another program and has no "
            "architecture"
        )
    if trial is None:
        raise InputError(f"study {study.name!r} has trials 0 to {trials[-1].number}, got {number}")
    record = TrialRecord(trial)
    if not record.is_drawn:
        raise InputError(f"trial {number} of study {study.name!r} has drawn no architecture yet")
    if over := _exceeded(record, study.config.all_limits):
        raise InputError(f"trial {number} of study {study.name!r} is {over}")
    return record


def _exceeded(record: TrialRecord, limits: Sequence[Budget]) -> str:
    """Return which limits a trial exceeds, and by how much; nothing if none."""
    words = [
        f"over the {'limit' if place else 'budget'} {limit} by {excess:,} {COST_NAMES[limit.cost]}"
        for place, limit in enumerate(limits)
        if (excess := record.excess(limit.cost if place else None)) > 0
    ]
    return " and ".join(words)


def _define(
    asked: RetrainOptions,
    found: Target,
    origin: BegunStudy | None,
    device: torch.device,
    watch: Watcher,
) -> tuple[RunConfig, ImageSet, list[str]]:
    """Define a new run, and load its images; return notices of what had to adapt, too."""
    source = asked.source_of(origin)
    if origin:
        require_same(f"study {origin.name!r}", changes(origin.config.plugins))
    images = load_images(source, watch)
    if origin and source == origin.config.data and not asked.names_data():
        facts = {"the data": (origin.config.facts.fingerprint, images.fingerprint())}
        require_same(f"study {origin.name!r}", facts, "name other data with --dataset")
    arch, notice = fit_arch(found.arch, asked.target, images.channels, len(images.classes))
    seed = asked.seed if asked.seed is not None else origin.config.seed if origin else 0
    select = asked.select or "last"
    trained_on, _ = hold_out(images, select, seed)
    recipe, adapted = found.recipe_for(asked, source, images.channels, len(trained_on))
    adapted += filter(None, [recipe.few_steps(len(trained_on))])
    said = [*filter(None, [notice]), *(f"recipe: {text}" for text in adapted)]
    statistics = recipe_statistics(recipe, trained_on)
    check_schedule(recipe, len(trained_on))
    numerics = choose_numerics(device, said.append)
    if asked.compiled:
        watch(Notice("timing steps with torch.compile and without: a minute or two"))
        verdict = attempt(
            lambda: worth_compiling(arch, trained_on, recipe, numerics, statistics, device),
            "torch.compile: not used, it can't be timed",
            lambda text: watch(Notice(text)),
        )
        if verdict is not None:
            numerics = numerics.changed(compiled=verdict.pays)
            said.append(str(verdict))
    known = origin.config.plugins if origin else ()
    extra = (each for each in asked.plugins if each not in known)
    metric = asked.metric or (origin.config.metric if origin else DEFAULT_METRIC)
    registered = (*blocks_from([arch.block]), *metrics_from([metric]))
    config = RunConfig(
        plugins=needed((*known, *extra), registered)[0],
        target=asked.target,
        study=origin.name if origin else None,
        trial=found.trial,
        version=__version__,
        seed=seed,
        arch=arch,
        recipe=recipe,
        overrides=found.overrides,
        data=source,
        classes=images.classes,
        fingerprint=images.fingerprint(),
        depth=images.depth,
        images=len(trained_on),
        select=select,
        metric=metric,
        test_curves=asked.test_curves,
        mean=statistics.mean,
        std=statistics.std,
        numerics=numerics,
    )
    return config, images, said


@unchanged_process()
def run_in(
    config: RunConfig,
    images: ImageSet,
    folder: Path,
    device: torch.device,
    notices: list[str],
    watch: Watcher,
) -> RunResult:
    """Train and test in a folder, once nothing is left that could be invalid.

    Args:
        config: What defines the run.
        images: All training images.
        folder: The run's, new or one that was interrupted.
        device: Where to train.
        notices: What the user should know when it begins.
        watch: Receives events.
    """
    if in_test := check_test(config.data, config.classes):
        notices = [*notices, in_test]
    log = study_folder(config.study) if config.study else RUNS
    if config.study and not config_path(log).is_file():
        raise InputError(
            f"{folder} is a run of study {config.study!r}, which logs it: no ./{log} here"
        )
    require_writable(log / TEST_LOG)
    if os.path.lexists(log / TEST_LOG) and not (log / TEST_LOG).is_file():
        raise InputError(f"{log / TEST_LOG} must be a file, to log the test's opening")
    logged = (*STUDIES.glob(f"*/{TEST_LOG}"), *STUDIES.glob(f"*/*/{TEST_LOG}"))
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


@dataclass(frozen=True)
class SeedsResult:
    """Finished retrainings that differ in their seed, as `--json` prints them."""

    runs: tuple[RunResult, ...]
    """Each of them."""

    @property
    def accuracies(self) -> list[float]:
        """Their test accuracies, in [0, 1]."""
        return [run.test_accuracy for run in self.runs]

    @property
    def mean(self) -> float:
        """The mean of their test accuracies, in [0, 1]."""
        return fmean(self.accuracies)

    @property
    def margin(self) -> float:
        """Half the mean's 95 % interval over seeds (Student's t)."""
        return pooled([self.accuracies], self.runs[0].test_images).of_mean(len(self.runs))

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        first = self.runs[0]
        return {
            "runs": [run.as_json() for run in self.runs],
            "mean": self.mean,
            "margin": self.margin,
            "n": len(self.runs),
            "params": first.params,
            "macs": first.macs,
        }


@verb(SeedsOptions, RetrainProgress)
def retrain_seeds(options: SeedsOptions, watch: Watcher) -> SeedsResult:
    """Retrain one architecture with several seeds, one after the other.

    The seed is the first run's, all others are derived from it. `out` is the first run's folder,
    the others' are called after it. To resume is to finish what was interrupted, and to go on
    until there are N runs; a single run is continued as well.

    Raises:
        InputError: If what is asked can't be.
        TrialFailed: If a training diverges or does not fit into memory.
        KeyboardInterrupt: As it came; every finished epoch is kept.
    """
    seeds, resume, out = options.seeds, options.resume, options.out
    if seeds < 2:
        raise InputError(f"--seeds must be at least 2 for a mean and its interval, got {seeds}")
    watch = each_once(watch)  # each run has the same to say of the same images
    if resume:
        out = first_of(out) if out else _unfinished(options, watch)
    elif out:
        _require_new(out, seeds)
    results = [retrain(options.model_copy(update={"out": out}), watch=watch)]
    first = Path(results[0].run)
    for number in range(1, seeds):
        own, folder = seed_of(RunConfig.read(first).seed, number), member(first, number)
        watch(Notice(f"seed {number + 1} of {seeds}: {own}"))
        if resume and (folder / "run.json").is_file():
            given = None if options.seed is None else own
            again = options.model_copy(update={"out": folder, "seed": given})
            results.append(retrain(again, watch=watch))
            continue
        began, images = load_again(RunConfig.read(first), options.data_dir, watch)
        config, device = reseeded(began, own, images), choose_device(options.device)
        results.append(run_in(config, images, folder, device, [], watch))
    return SeedsResult(tuple(results))


def seed_of(seed: int, number: int) -> int:
    """Return the seed of the run of this number, counted from 0, in a series from this seed."""
    return derive_seed(seed, "seeds", number) if number else seed


def _require_new(out: Path, seeds: int) -> None:
    """Raise if a folder of a later run is there already."""
    for folder in (member(out, number) for number in range(1, seeds)):
        if folder.exists():
            raise InputError(
                f"--out must be a new folder, and so those named after it (or give --resume), "
                f"got {folder}"
            )


def _unfinished(options: SeedsOptions, watch: Watcher) -> Path:
    """Find the newest run of a target that has fewer finished seeds than N."""
    target, seeds = options.target, options.seeds
    origin, base = origin_of(options)
    if origin and origin.guessed:
        watch(Notice(f"study {origin.name}"))
    for folder in runs_of(base, target):
        series = [folder, *(member(folder, number) for number in range(1, seeds))]
        if folder == first_of(folder) and not all((run / RESULT).is_file() for run in series):
            return folder
    raise InputError(
        f"no run of {target!r} in ./{base} that has fewer than {seeds} seeds, to go on with"
    )

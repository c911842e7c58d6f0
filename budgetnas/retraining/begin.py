"""Settling what a run is: from what a user asks, the study and the images to a `RunConfig`."""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from budgetnas._version import __version__
from budgetnas.arch import blocks_from, fit_arch
from budgetnas.data import DataSource
from budgetnas.data.gather import UNREADABLE
from budgetnas.data.images import ImageSet
from budgetnas.data.load import load_train
from budgetnas.data.splits import split_images
from budgetnas.errors import InputError
from budgetnas.events import Loading, Notice, Watcher
from budgetnas.metric import DEFAULT_METRIC
from budgetnas.plugins import changes, needed
from budgetnas.retraining.options import RetrainOptions
from budgetnas.retraining.run import RunConfig
from budgetnas.retraining.selection import SELECTIONS
from budgetnas.retraining.target import Target
from budgetnas.study import STUDIES, config_path, require_same
from budgetnas.study.begun import BegunStudy
from budgetnas.train import (
    attempt,
    check_schedule,
    choose_numerics,
    memory_guard,
    recipe_statistics,
    worth_compiling,
)


def begin(
    asked: RetrainOptions,
    found: Target,
    origin: BegunStudy | None,
    device: torch.device,
    watch: Watcher,
) -> tuple[RunConfig, ImageSet, list[str]]:
    """Settle everything that defines a new run, and load its images; say what had to adapt."""
    source = asked.source_of(origin)
    if origin:
        require_same(f"study {origin.name!r}", changes(origin.config.plugins))
    images = _load(source, watch)
    if origin and source == origin.config.data and not asked.names_data():
        facts = {"the data": (origin.config.facts.fingerprint, images.fingerprint())}
        require_same(f"study {origin.name!r}", facts, "name other data with --dataset")
    arch, notice = fit_arch(found.arch, asked.target, images.channels, len(images.classes))
    seed = asked.seed if asked.seed is not None else origin.config.seed if origin else 0
    select = asked.select or "last"
    trained_on, _ = hold_out(images, select, seed)
    recipe, adapted = asked.recipe_of(found, source, images.channels, len(trained_on))
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
    config = RunConfig(
        plugins=needed((*known, *extra), blocks_from([arch.block]))[0],
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
        metric=asked.metric or (origin.config.metric if origin else DEFAULT_METRIC),
        test_curves=asked.test_curves,
        mean=statistics.mean,
        std=statistics.std,
        numerics=numerics,
    )
    return config, images, said


def hold_out(images: ImageSet, select: str, seed: int) -> tuple[ImageSet, ImageSet | None]:
    """Part the training images in those to train on and those to select the epoch by, if any.

    What is held out is what a study of this seed validates on: the images that their owner has put
    aside for that, else a tenth of each class.
    """
    if SELECTIONS[select] != "val":
        return images, None
    parts = split_images(images, seed)
    if not len(parts.val):
        raise InputError(
            f"--select {select} holds out a tenth of each class that has 2 different "
            "training images or more, got no such class"
        )
    return images.take(parts.train), images.take(parts.val)


def _load(source: DataSource, watch: Watcher) -> ImageSet:
    with memory_guard("the images"):
        images = load_train(source, lambda *progress: watch(Loading(*progress)))
    for text in images.all_notices:
        watch(Notice(text))
    return images


def load_again(
    config: RunConfig, data_dir: str | Path | None, watch: Watcher
) -> tuple[RunConfig, ImageSet]:
    """Load the images of a run that is resumed; they may have been moved, not changed."""
    if data_dir is not None:
        config = config.changed(data=config.data.at(data_dir))
    images = _load(config.data, watch)
    fingerprints = {"the data": (config.fingerprint, images.fingerprint())}
    require_same(f"the run of {config.target!r}", fingerprints, "leave out --resume")
    return config, images


def reseeded(began: RunConfig, seed: int, images: ImageSet) -> RunConfig:
    """Define the run that differs from another in its seed, and in what follows from that."""
    trained_on, _ = hold_out(images, began.select, seed)
    statistics = recipe_statistics(began.recipe, trained_on)
    return began.changed(
        seed=seed, images=len(trained_on), mean=statistics.mean, std=statistics.std
    )


def new_folder(out: Path | None, base: Path, target: str, found: Target) -> Path:
    """Choose the folder of a new run."""
    if out is not None:
        if out.exists() and not (out.is_dir() and _nothing_trained(out)):
            raise InputError(f"--out must be a new or empty folder (or give --resume), got {out}")
        studies, place = STUDIES.resolve(), out.resolve()
        if place in (studies, studies.parent) or place.parent in (studies, *_studies_of(place)):
            raise InputError(f"--out must be no study's folder or its runs, got {out}")
        return out
    title = f"trial{found.trial}" if found.trial is not None else Path(target).stem
    title = re.sub(r"[^A-Za-z0-9._-]+", "-", title)[:60]
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{title}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
    return next(base / name for name in names if not (base / name).exists())


BEGINNING = {".lock", "run.json", "arch.json", "recipe.toml", "environment.json", UNREADABLE}
"""What a run that was killed before its first epoch leaves in its folder."""


def _nothing_trained(folder: Path) -> bool:
    return all(path.name in BEGINNING or path.suffix == ".part" for path in folder.iterdir())


def _studies_of(place: Path) -> list[Path]:
    """The study whose own folder a path is directly in, if any."""
    return [place.parent] if config_path(place.parent).exists() else []


def runs_of(base: Path, target: str) -> Iterator[Path]:
    """List the runs of this target, the newest first."""
    for path in sorted(base.glob("*/run.json"), reverse=True):
        began = None
        with contextlib.suppress(InputError):  # a damaged neighbour hides no other
            began = RunConfig.read(path.parent)
        if began and began.target == target:
            yield path.parent


def unfinished(base: Path, target: str) -> Path:
    """Find the newest run of this target that has no result."""
    for folder in runs_of(base, target):
        if not (folder / "result.json").exists():
            return folder
    raise InputError(
        f"no unfinished run of {target!r} in ./{base} to resume; --out names a folder"
    )

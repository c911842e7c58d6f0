"""The folder of a run: a new one, one to resume, those of a series; and its images."""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

from budgetnas.data import DataSource
from budgetnas.data.images import ImageSet, split_images
from budgetnas.data.load import UNREADABLE, load_train
from budgetnas.errors import InputError
from budgetnas.events import Loading, Notice, Watcher
from budgetnas.metric import SELECTIONS
from budgetnas.runs._run import RESULT, RunConfig
from budgetnas.study import STUDIES, config_path, require_same
from budgetnas.train import memory_guard, recipe_statistics

_MEMBER = re.compile(r"(.+)-seed[1-9]\d*", re.ASCII)


def hold_out(images: ImageSet, select: str, seed: int) -> tuple[ImageSet, ImageSet | None]:
    """Split the training images into those to train on and those to select the epoch by, if any.

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


def load_images(source: DataSource, watch: Watcher) -> ImageSet:
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
    images = load_images(config.data, watch)
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


def new_folder(out: Path | None, base: Path, target: str, trial: int | None) -> Path:
    if out is not None:
        if out.exists() and not (out.is_dir() and _nothing_trained(out)):
            raise InputError(f"--out must be a new or empty folder (or give --resume), got {out}")
        studies, place = STUDIES.resolve(), out.resolve()
        if place in (studies, studies.parent) or place.parent in (studies, *_studies_of(place)):
            raise InputError(f"--out must be no study's folder or its runs, got {out}")
        return out
    title = f"trial{trial}" if trial is not None else Path(target).stem
    title = re.sub(r"[^A-Za-z0-9._-]+", "-", title)[:60]
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{title}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
    return next(base / name for name in names if not (base / name).exists())


BEGINNING = {".lock", "run.json", "arch.json", "recipe.toml", "environment.json", UNREADABLE}
"""Files in the folder of a run that was killed before its first epoch."""


def _nothing_trained(folder: Path) -> bool:
    return all(path.name in BEGINNING or path.suffix == ".part" for path in folder.iterdir())


def _studies_of(place: Path) -> list[Path]:
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
        if not (folder / RESULT).exists():
            return folder
    raise InputError(
        f"no unfinished run of {target!r} in ./{base} to resume; --out names a folder"
    )


def member(first: Path, number: int) -> Path:
    """Return the folder of a later run of the series that begins in a folder."""
    return first.with_name(f"{first.name}-seed{number}")


def first_of(folder: Path) -> Path:
    """Return the folder of the first run of a series: `member` undone."""
    name = _MEMBER.fullmatch(folder.name)
    first = folder.with_name(name[1]) if name else folder
    return first if (first / "run.json").is_file() else folder

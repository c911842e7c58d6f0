"""Beginning a study: reading its images, and checking its `StudyConfig`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from budgetnas.arch import Budget, count_params, describe_costs, describe_limits
from budgetnas.data import DataSource
from budgetnas.data.images import ImageSet, Split, describe_split, split_images
from budgetnas.data.load import load_train
from budgetnas.errors import InputError
from budgetnas.events import Loading, Notice, Watcher
from budgetnas.metric import BUILT_IN, guessed
from budgetnas.plugins import changes
from budgetnas.recipe import Recipe
from budgetnas.space import Fill, Free, Grid, Space
from budgetnas.study import DataFacts, StudyConfig, require_same
from budgetnas.train import check_schedule, memory_guard
from budgetnas.trials import Limits

AnyProposal = TypeVar("AnyProposal", bound=Free | Fill | Grid)


@dataclass(frozen=True)
class StudyImages:
    """The images of a study, read and split."""

    source: DataSource
    train: ImageSet
    val: ImageSet
    facts: DataFacts
    train_samples: int | None
    """Number of images to train on; None: all but those to validate on."""
    unreadable: Sequence[str]
    """Files that were left out, each with the reason."""


def read_images(
    source: DataSource, seed: int, train_samples: int | None, watch: Watcher, *,
    at_most: bool = False,
) -> StudyImages:  # fmt: skip
    """Read the training part and split it.

    Args:
        source: Which images.
        seed: The study's.
        train_samples: Number of images to train on; None: all.
        watch: Receives progress and notices.
        at_most: Whether `train_samples` may be more than there are.
    """
    with memory_guard("the images"):
        images = load_train(source, lambda *progress: watch(Loading(*progress)))
    for text in images.all_notices:
        watch(Notice(text))
    parts = checked_split(images, seed, train_samples, at_most)
    facts = facts_of(images, parts)
    with memory_guard("the images"):
        train, val = images.take(parts.train), images.take(parts.val)
    samples = train_samples if len(train) == train_samples else None
    return StudyImages(source, train, val, facts, samples, images.unreadable)


def read_again(
    began: StudyConfig, data_dir: str | Path | None, watch: Watcher, *, at_most: bool = False
) -> StudyImages:
    """Read the images of a study that has begun.

    Args:
        began: The study.
        data_dir: Where the images are now, if they have been moved.
        watch: Receives progress and notices.
        at_most: Whether the study may have fewer images than were asked for.

    Raises:
        InputError: If they, or the study's plugins, are not the same.
    """
    require_same(f"study {began.name!r}", changes(began.plugins))
    source = began.data if data_dir is None else began.data.at(data_dir)
    images = read_images(source, began.seed, began.train_samples, watch, at_most=at_most)
    require_same(f"study {began.name!r}", {"the data": (began.facts, images.facts)})
    return images


def _require_fit(limits: Limits, space: Space) -> None:
    smallest = limits.smallest(space)
    if not limits.fit(smallest):
        asked = limits.budgets
        most = (
            f"a budget of {asked[0]}" if len(asked) == 1 else f"at most {describe_limits(asked)}"
        )
        raise InputError(
            f"no network of the space fits {most}: the smallest, {smallest}, "
            f"has {describe_costs(asked, smallest, limits.image_size)}"
        )


def require_possible(limits: Sequence[Budget], space: Space, source: DataSource) -> None:
    """Raise, before any image is read, for limits that no network of a space fits."""
    info = source.info
    if info.channels and info.num_classes:  # else only the images tell
        size, channels, classes = source.image_size, info.channels, info.num_classes
        _require_fit(Limits(tuple(limits), size, channels, classes), space)


def checked_split(
    images: ImageSet, seed: int, train_samples: int | None, at_most: bool = False
) -> Split:
    """Split the training part.

    Args:
        images: The training part.
        seed: The study's.
        train_samples: Number of images to train on; None: all.
        at_most: Whether `train_samples` may be more than there are.

    Raises:
        InputError: If it can't be split so.
    """
    parts = split_images(images, seed, train_samples)
    if not len(parts.val):
        raise InputError(
            "at least one class needs 2 different images, one of them to validate on, got none"
        )
    if train_samples is not None and train_samples < len(images.classes):
        raise InputError(
            f"--train-samples must be at least the {len(images.classes)} classes, "
            f"got {train_samples}"
        )
    if train_samples is not None and len(parts.train) < train_samples and not at_most:
        raise InputError(
            f"--train-samples may be at most {len(parts.train)}, the training images that "
            f"are left beside validation, got {train_samples}"
        )
    return parts


def facts_of(images: ImageSet, parts: Split) -> DataFacts:
    """Return the facts of images and their split."""
    described = describe_split(parts)
    repeated = images.copies
    counts = torch.bincount(images.labels[parts.val], minlength=len(images.classes))
    return DataFacts(
        channels=images.channels,
        classes=images.classes,
        fingerprint=images.fingerprint(),
        train=described["train"],
        val=described["val"],
        split=described["digest"],
        copies=repeated.copies,
        ambiguous=repeated.ambiguous,
        depth=images.depth,
        own_validation=images.validation is not None,
        val_counts=tuple(counts.tolist()),
    )


def require_trainable(config: StudyConfig) -> None:
    """Raise for limits that no network fits, a schedule that can't run, or a metric that fails."""
    if config.metric not in BUILT_IN:
        guessed(config.metric, config.facts.val_counts)
    match config.proposal:
        case Free(space=space) | Fill(space=space):
            check_schedule(config.recipe, config.facts.train)
            _require_fit(Limits.of(config).of_budget(config.budgets[-1]), space)
        case Grid() as grid:
            _require_any_fit(config, grid)
            for cell in grid.cells:
                try:
                    check_schedule(cell.recipe, config.facts.train)
                except InputError as error:
                    raise InputError(f"{cell}: {error}") from None


def _require_any_fit(config: StudyConfig, grid: Grid) -> None:
    archs = [cell.arch for cell in grid.cells]
    if not any(config.budget.excess(arch, config.data.image_size) <= 0 for arch in archs):
        smallest = min(archs, key=count_params)
        raise InputError(
            f"no network of the grid fits a budget of {config.budget}: the smallest, {smallest}, "
            f"has {count_params(smallest):,} parameters"
        )


def fitted(
    recipe: Recipe,
    proposal: AnyProposal,
    source: DataSource,
    channels: int,
    train: int | None = None,
) -> tuple[Recipe, AnyProposal, list[str]]:
    """Fit recipes to images; return what they had to give up, too.

    Args:
        recipe: The study's.
        proposal: A grid's configurations have recipes of their own.
        source: The images.
        channels: Their channels.
        train: Number of training images; None where batches stay as they are.
    """
    images = (channels, source.info.mirror, source.image_size, train)
    recipe, notices = recipe.adapted(*images)
    if not isinstance(proposal, Grid):
        return recipe, proposal, notices
    cells = []
    for cell in proposal.cells:
        fitting, more = cell.recipe.adapted(*images)
        cells.append(cell.changed(recipe=fitting))
        notices += [notice for notice in more if notice not in notices]
    return recipe, proposal.changed(cells=tuple(cells)), notices

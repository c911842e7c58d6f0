"""Settling what a new study is: from what a user asks and the images to a `StudyConfig`."""

from pathlib import Path

import torch

from budgetnas._version import __version__
from budgetnas.arch import Budget, count_params
from budgetnas.data import DataSource
from budgetnas.data.images import ImageSet
from budgetnas.data.splits import Split, describe_split, split
from budgetnas.errors import InputError
from budgetnas.searching.request import SearchRequest
from budgetnas.space import Space
from budgetnas.study.config import DataFacts, StudyConfig
from budgetnas.study.place import budget_needed
from budgetnas.study.storage import redacted
from budgetnas.train.engine import check_schedule
from budgetnas.train.numerics import choose_numerics


def _require_fit(
    budget: Budget, space: Space, source: DataSource, channels: int, num_classes: int
) -> None:
    """Refuse a budget below the smallest network of the space, stating the smallest."""
    smallest = space.smallest(channels, num_classes)
    if budget.excess(smallest, source.image_size) > 0:
        raise InputError(
            f"no network of the space fits --budget {budget}: the smallest, {smallest}, "
            f"has {count_params(smallest):,} parameters"
        )


def require_possible(asked: SearchRequest, folder: Path) -> None:
    """Refuse, before any image is read, to begin what can't be."""
    if asked.budget is None:
        raise budget_needed(folder.name)
    source = asked.source()
    info = source.info
    if info.channels and info.num_classes:  # else only the images tell
        space = asked.space or Space()
        _require_fit(asked.budget, space, source, info.channels, info.num_classes)


def split_images(images: ImageSet, seed: int, train_samples: int | None) -> Split:
    """Split the training part, or say why it can't be split so."""
    parts = split(images.labels, seed, train_samples)
    if not len(parts.val):
        raise InputError("at least one class needs 2 images, one of them to validate on, got none")
    if train_samples is not None and train_samples < len(images.classes):
        raise InputError(
            f"--train-samples must be at least the {len(images.classes)} classes, "
            f"got {train_samples}"
        )
    if train_samples is not None and len(parts.train) < train_samples:
        raise InputError(
            f"--train-samples may be at most {len(parts.train)}, the training images that "
            f"are left beside validation, got {train_samples}"
        )
    return parts


def facts_of(images: ImageSet, parts: Split) -> DataFacts:
    """Take down what the data turned out to be."""
    described = describe_split(parts)
    return DataFacts(
        channels=images.channels,
        classes=images.classes,
        fingerprint=images.fingerprint(),
        train=described["train"],
        val=described["val"],
        split=described["digest"],
    )


def begin(
    name: str,
    asked: SearchRequest,
    source: DataSource,
    facts: DataFacts,
    seed: int,
    storage: str | None,
    device: torch.device,
) -> tuple[StudyConfig, list[str]]:
    """Settle everything that defines a new study; say what had to adapt."""
    assert asked.budget is not None
    recipe, notices = asked.for_trials(facts.channels, source.info.mirror)
    check_schedule(recipe, facts.train)
    space = asked.space or Space()
    _require_fit(asked.budget, space, source, facts.channels, len(facts.classes))
    config = StudyConfig(
        name=name,
        version=__version__,
        seed=seed,
        train_samples=asked.train_samples,
        sampler=asked.sampler or "tpe",
        pruner=asked.pruner or "median",
        storage=redacted(storage) if storage else None,
        budget=asked.budget,
        data=source,
        facts=facts,
        numerics=choose_numerics(device),
        recipe=recipe,
        space=space,
    )
    return config, [f"recipe: {notice}" for notice in notices]

"""Settling what a new study is: from a plan and the images to a `StudyConfig`."""

from collections.abc import Sequence

import torch

from budgetnas._version import __version__
from budgetnas.arch import (
    Budget,
    count_params,
    describe_costs,
    describe_limits,
    fits,
    load,
)
from budgetnas.data import DataSource, splits
from budgetnas.data.images import ImageSet
from budgetnas.data.splits import Split, describe_split
from budgetnas.errors import InputError
from budgetnas.plugins import needed
from budgetnas.recipe import Numerics, Recipe
from budgetnas.searching.plan import Plan, Settled
from budgetnas.space import Fill, Free, Grid, Proposal, Space
from budgetnas.study import DataFacts, StudyConfig
from budgetnas.study.storage import redacted
from budgetnas.train import check_schedule


def _require_fit(
    limits: Sequence[Budget], space: Space, source: DataSource, channels: int, num_classes: int
) -> None:
    """Refuse limits that not even the smallest network of the space fits, stating it."""
    size = source.image_size
    smallest = space.smallest(channels, num_classes, lambda arch: load(limits, arch, size))
    if not fits(limits, smallest, size):
        raise InputError(
            f"no network of the space fits {_asked(limits)}: the smallest, {smallest}, "
            f"has {describe_costs(limits, smallest, size)}"
        )


def _asked(limits: Sequence[Budget]) -> str:
    if len(limits) == 1:
        return f"a budget of {limits[0]}"
    return f"at most {describe_limits(limits)}"


def require_possible(limits: Sequence[Budget], space: Space, source: DataSource) -> None:
    """Refuse, before any image is read, to begin what can't be."""
    info = source.info
    if info.channels and info.num_classes:  # else only the images tell
        _require_fit(limits, space, source, info.channels, info.num_classes)


def split_images(
    images: ImageSet, seed: int, train_samples: int | None, at_most: bool = False
) -> Split:
    """Split the training part, or say why it can't be split so.

    Args:
        images: The training part.
        seed: The study's.
        train_samples: Keep only so many to train on.
        at_most: Keep all where there are fewer.
    """
    parts = splits.split_images(images, seed, train_samples)
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
    """Take down what the data turned out to be."""
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


def begin(
    plan: Plan, facts: DataFacts, storage: str | None, numerics: Numerics
) -> tuple[StudyConfig, list[str]]:
    """Settle everything that defines a new study; say what had to adapt."""
    recipe, proposal, notices = plan.settle(facts)
    few = None
    match proposal:
        case Free(space=space) | Fill(space=space):
            check_schedule(recipe, facts.train)
            few = recipe.few_steps(facts.train)
            _require_fit(plan.all_limits, space, plan.source, facts.channels, len(facts.classes))
        case Grid():
            _require_any_fit(plan.budget, proposal, plan.source)
            _check_cells(proposal, facts.train)
    config = StudyConfig(
        plugins=plan.plugins,
        name=plan.name,
        version=__version__,
        seed=plan.seed,
        # all of them where there are fewer than are asked for
        train_samples=plan.train_samples if facts.train == plan.train_samples else None,
        pruner=plan.pruner,
        storage=redacted(storage) if storage else None,
        metric=plan.metric,
        select=plan.select,
        confusion=plan.confusion,
        about=plan.about.changed(adapted="; ".join(notices) or None),
        budget=plan.budget,
        limits=plan.limits,
        smaller=plan.smaller,
        data=plan.source,
        facts=facts,
        numerics=numerics,
        recipe=recipe,
        proposal=proposal,
    )
    config = config.changed(plugins=needed(config.plugins, config.registered())[0])
    return config, [f"recipe: {notice}" for notice in (*notices, few) if notice]


def _require_any_fit(budget: Budget, grid: Grid, source: DataSource) -> None:
    """Raise for a grid of which nothing could be trained."""
    smallest = min((cell.arch for cell in grid.cells), key=count_params)
    if all(budget.excess(cell.arch, source.image_size) > 0 for cell in grid.cells):
        raise InputError(
            f"no network of the grid fits a budget of {budget}: the smallest, {smallest}, "
            f"has {count_params(smallest):,} parameters"
        )


def _check_cells(grid: Grid, images: int) -> None:
    """Raise for a grid in which a schedule can't run, and say which."""
    for cell in grid.cells:
        try:
            check_schedule(cell.recipe, images)
        except InputError as error:
            raise InputError(f"{cell}: {error}") from None


def fitted(
    recipe: Recipe,
    proposal: Proposal,
    source: DataSource,
    channels: int,
    train: int | None = None,
) -> Settled:
    """Fit recipes to other images than they were written for.

    Args:
        recipe: The study's.
        proposal: Whose configurations, if it has any, have recipes of their own.
        source: The images.
        channels: Their channels.
        train: How many are trained on; None where batches stay as they are.
    """
    images = (channels, source.info.mirror, source.image_size, train)
    recipe, notices = recipe.adapted(*images)
    if not isinstance(proposal, Grid):
        return Settled(recipe, proposal, notices)
    cells = []
    for cell in proposal.cells:
        fitting, more = cell.recipe.adapted(*images)
        cells.append(cell.changed(recipe=fitting))
        notices += [notice for notice in more if notice not in notices]
    return Settled(recipe, proposal.changed(cells=tuple(cells)), notices)

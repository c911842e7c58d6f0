"""`plan`: what a search would be, before any training."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from budgetnas.arch import (
    COSTS,
    Arch,
    Budget,
    as_also,
    as_limits,
    count_macs,
    count_params,
    fits,
    load,
)
from budgetnas.data import DataSource
from budgetnas.data.images import ImageSet
from budgetnas.data.inventory import Inventory
from budgetnas.data.splits import SET_ASIDE_SHARE, VALIDATION_SHARE
from budgetnas.planning.census import Census, census
from budgetnas.planning.saved import saved_epochs
from budgetnas.recipe import Recipe, as_recipe
from budgetnas.recipe.named import RECIPES
from budgetnas.searching.drawing import networks_of
from budgetnas.searching.estimate import (
    CANDIDATES,
    LARGEST_BATCH,
    STEPS,
    training_seconds,
)
from budgetnas.searching.pruners import DEFAULT_PRUNER, PRUNERS
from budgetnas.searching.request import as_budget, at_least_one
from budgetnas.searching.samplers import known
from budgetnas.searching.task import Task
from budgetnas.space import DEFAULT_PROPOSAL, PROPOSALS, Fill, Free, RandomSuggester, Space
from budgetnas.train.device import choose_device, device_title, use_threads
from budgetnas.train.numerics import choose_numerics


@dataclass(frozen=True)
class Counted:
    """A network, counted."""

    arch: Arch
    params: int
    """Trainable parameters."""
    macs: int
    """Multiply-adds for one image."""

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        arch = self.arch.model_dump(mode="json")
        return {"params": self.params, "macs": self.macs, "arch": arch}


@dataclass(frozen=True)
class Outlook:
    """What a search would be."""

    limits: tuple[Budget, ...]
    """What must not be exceeded, the budget first."""
    smaller: tuple[Budget, ...]
    """Smaller budgets that are searched for, too."""
    data: str
    """Which images."""
    counted: Census
    """What the space holds, and what of it fits."""
    smallest: Counted
    """What fills the limits least."""
    largest: Counted | None
    """What fills them most, of all that were counted; None where nothing fits."""
    needed: dict[str, int]
    """Of an impossible search, the least that the limits must become; empty if it is possible."""
    trials: int
    epochs: int
    """Of a trial."""
    trial_seconds: float | None
    """Of a trial of middling cost that is not stopped; None where nothing fits."""
    saved: float
    """The share of epochs that stopping early saves, if an early rank is the final one."""
    device: str
    notices: tuple[str, ...] = ()
    """What is to be known of the images, a line each."""

    @property
    def possible(self) -> bool:
        """Whether anything fits."""
        return not self.needed

    @property
    def seconds(self) -> float | None:
        """How long the search takes."""
        if self.trial_seconds is None:
            return None
        return self.trials * self.trial_seconds * (1 - self.saved)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        counted = self.counted
        return {
            "limits": {each.cost: each.limit for each in self.limits},
            "also": [each.limit for each in self.smaller],
            "data": self.data,
            "possible": self.possible,
            "needed": self.needed,
            "architectures": counted.held,
            "share": counted.share,
            "share_interval": [counted.low, counted.high],
            "exact": counted.exact,
            "counted": counted.looked_at,
            "smallest": self.smallest.as_json(),
            "largest": self.largest.as_json() if self.largest else None,
            "trials": self.trials,
            "epochs": self.epochs,
            "trial_seconds": self.trial_seconds,
            "seconds": self.seconds,
            "saved": self.saved,
            "device": self.device,
        }


def plan(
    budget: Budget | str | int,
    *,
    also: str | None = None,
    max_macs: str | int | None = None,
    max_bytes: str | int | None = None,
    bits: int | None = None,
    trials: int = 100,
    dataset: str = "cifar10",
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    fit: str | None = None,
    background: str | None = None,
    train_samples: int | None = None,
    epochs: int | None = None,
    space: Space | Path | str | dict[str, Any] | None = None,
    recipe: Recipe | str | dict[str, Any] = "short",
    proposal: str = DEFAULT_PROPOSAL,
    pruner: str = DEFAULT_PRUNER,
    device: str = "auto",
) -> Outlook:
    """Say what a search would be; no image is read, and nothing is trained.

    A few steps are timed on images of noise. Arguments are those of `search`.

    Raises:
        InputError: If what is asked can't be; that nothing fits is an answer.
    """
    limit = as_budget(budget)
    assert limit is not None, "there is a budget"
    smaller = as_also(also, limit) or ()
    limits = (limit, *(as_limits(max_macs, max_bytes, bits) or ()))
    drawn_from = Space.of(space)
    proposed = PROPOSALS[known("proposal", proposal, dict(PROPOSALS))](space=drawn_from or Space())
    judge = PRUNERS[known("pruner", pruner, dict(PRUNERS))]
    at_least_one("trials", trials)
    source = DataSource.choose(dataset, data_dir, image_size, fit, background)
    facts = _facts(source, at_least_one("train_samples", train_samples))
    trained = _recipe(recipe, at_least_one("epochs", epochs), source, facts.channels)
    tightest = (smaller[-1] if smaller else limit, *limits[1:])
    ends = _Ends(source.image_size, facts, tightest, proposed.space)
    smallest = ends.smallest()
    counted = census(proposed.space, limits, source.image_size, facts.channels, facts.classes)
    needed = ends.needed(smallest)
    where = choose_device(device)
    middle = None if needed else _middling(proposed, limits, source.image_size, facts)
    return Outlook(
        limits=limits,
        smaller=smaller,
        data=source.title,
        counted=counted,
        smallest=ends.counted(smallest),
        largest=ends.counted(counted.largest) if counted.largest else None,
        needed=needed,
        trials=trials,
        epochs=trained.epochs,
        trial_seconds=_seconds(middle, trained, source, facts, where) if middle else None,
        saved=saved_epochs(judge(trained.epochs), trained.epochs, trials),
        device=device_title(where),
        notices=facts.notices,
    )


@dataclass(frozen=True)
class _Facts:
    """What is known of images that were not read."""

    channels: int
    classes: int
    train: int
    val: int
    notices: tuple[str, ...] = ()


def _facts(source: DataSource, train_samples: int | None) -> _Facts:
    """Say how many images there are; of a folder by names alone, which are taken as colour."""
    info = source.info
    channels, classes, images = info.channels, info.num_classes, info.images
    if images is None:
        return _facts_of_folder(Inventory.take(source.root), train_samples)
    val = images // VALIDATION_SHARE
    train = min(images - val, train_samples or images)
    return _Facts(channels or 3, classes or 0, train, val)


def _facts_of_folder(found: Inventory, train_samples: int | None) -> _Facts:
    own = len(found.val.images) if found.val else 0
    images = len(found.images)
    if found.layout.test is None:
        own, images = (number - number // SET_ASIDE_SHARE for number in (own, images))
    val = own or images // VALIDATION_SHARE
    train = min(images - val, train_samples or images)
    return _Facts(3, len(found.train.classes), train, val, (found.describe(),))


def _recipe(
    asked: Recipe | str | dict[str, Any], epochs: int | None, source: DataSource, channels: int
) -> Recipe:
    recipe = as_recipe(asked)
    if epochs is not None:
        recipe = recipe.changed(epochs=epochs)
    if isinstance(asked, str) and asked in RECIPES:
        recipe, _ = recipe.adapted(channels, source.info.mirror, source.image_size)
    return recipe


@dataclass(frozen=True)
class _Ends:
    """The smallest network of a space, and what it would need."""

    image_size: int
    facts: _Facts
    limits: tuple[Budget, ...]
    space: Space

    def smallest(self) -> Arch:
        facts = self.facts
        return self.space.smallest(
            facts.channels, facts.classes, lambda arch: load(self.limits, arch, self.image_size)
        )

    def needed(self, smallest: Arch) -> dict[str, int]:
        """Say to what each limit that it exceeds would have to be raised."""
        return {
            each.cost: COSTS[each.cost](smallest, self.image_size)
            for each in self.limits
            if each.excess(smallest, self.image_size) > 0
        }

    def counted(self, arch: Arch) -> Counted:
        return Counted(arch, count_params(arch), count_macs(arch, self.image_size))


def _middling(
    proposal: Free | Fill, limits: Sequence[Budget], image_size: int, facts: _Facts
) -> Arch:
    """Draw some networks that fit, and take that of median multiply-adds."""
    drawn = networks_of(
        proposal, RandomSuggester(0), limits[0], limits[1:], image_size,
        facts.channels, facts.classes,
    )  # fmt: skip
    fitting = (arch for arch in islice(drawn, 50 * CANDIDATES) if fits(limits, arch, image_size))
    some = list(islice(fitting, CANDIDATES)) or [
        proposal.space.smallest(facts.channels, facts.classes)
    ]
    return sorted(some, key=lambda arch: count_macs(arch, image_size))[len(some) // 2]


def _seconds(
    arch: Arch, recipe: Recipe, source: DataSource, facts: _Facts, device: torch.device
) -> float:
    """Time a few steps of a training on noise."""
    numerics = choose_numerics(device)
    use_threads(numerics)
    n = STEPS * LARGEST_BATCH
    shape = (n, source.image_size, source.image_size, facts.channels)
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    classes = tuple(map(str, range(facts.classes)))
    noise = ImageSet(pictures, torch.arange(n) % facts.classes, classes)
    task = Task(noise, noise, numerics)
    return training_seconds(arch, recipe, task, (facts.train, facts.val), device)

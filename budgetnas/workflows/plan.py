"""`plan`: what a search would be, before any training."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
import torch
from optuna.pruners import BasePruner
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from budgetnas.arch import Arch, Budget
from budgetnas.data import SET_ASIDE_SHARE, VALIDATION_SHARE, DataSource, Stored
from budgetnas.data.images import ImageSet
from budgetnas.data.load import Inventory
from budgetnas.events import Watcher
from budgetnas.progress import SearchProgress, verb
from budgetnas.recipe import Numerics, Recipe
from budgetnas.space import Fill, Free, RandomSuggester, Space
from budgetnas.study.options import PlanOptions
from budgetnas.study.storage import quiet_optuna
from budgetnas.train import (
    TrainingData,
    choose_device,
    choose_numerics,
    device_title,
    unchanged_process,
    use_threads,
)
from budgetnas.trials import Limits, make_pruner, published
from budgetnas.workflows._census import Census as Census
from budgetnas.workflows._census import Counted as Counted
from budgetnas.workflows._census import NetworkSample as NetworkSample
from budgetnas.workflows._census import census, draw_some, least_limits, number_of_architectures
from budgetnas.workflows._estimate import (
    LARGEST_BATCH,
    STEPS,
    OtherWork,
    describe_busy,
    feasible,
    training_seconds,
)


@dataclass(frozen=True)
class Outlook:
    """The outlook of a search: its networks, its time."""

    limits: tuple[Budget, ...]
    """Limits of costs, the budget first."""
    smaller: tuple[Budget, ...]
    """Smaller budgets of the same search."""
    data: str
    """Title of the images."""
    architectures: int
    """Number of architectures in the space."""
    counted: Census | None
    """The share that fits, where the search draws freely; else None."""
    drawn: tuple[NetworkSample, ...]
    """Draws for each budget, where each draw fits; empty if the search is impossible."""
    least_fill: float
    """The least share of a budget that a draw should fill, where all fit; else 0."""
    first: tuple[tuple[str, Counted], ...]
    """The published networks that are trained first, by name."""
    smallest: Counted
    """The network of the space that fills the limits least."""
    largest: Counted | None
    """The counted or drawn network that fills the limits most; None where none fits."""
    needed: dict[str, int]
    """The least limits that make an impossible search possible; empty if it is possible."""
    trials: int
    epochs: int
    """Epochs of a trial."""
    trial_seconds: float | None
    """Seconds of a trial of median cost that is not stopped; None where none fits."""
    busy: str
    """A notice that other programs use the processor; empty if they don't."""
    saved: float
    """The share of epochs that the pruner saves, if early ranks are the final ones."""
    device: str
    notices: tuple[str, ...] = ()
    """Notices about the images, a line each."""

    @property
    def possible(self) -> bool:
        """Whether anything fits."""
        return not self.needed

    @property
    def seconds(self) -> float | None:
        """Seconds of the search."""
        if self.trial_seconds is None:
            return None
        return self.trials * self.trial_seconds * (1 - self.saved)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "limits": {each.cost: each.limit for each in self.limits},
            "also": [each.limit for each in self.smaller],
            "data": self.data,
            "possible": self.possible,
            "needed": self.needed,
            "architectures": self.architectures,
            **(self.counted.as_json() if self.counted else {}),
            "drawn": [each.as_json() for each in self.drawn],
            "presets": [{"name": name, **each.as_json()} for name, each in self.first],
            "smallest": self.smallest.as_json(),
            "largest": self.largest.as_json() if self.largest else None,
            "trials": self.trials,
            "epochs": self.epochs,
            "trial_seconds": self.trial_seconds,
            "seconds": self.seconds,
            "busy": self.busy,
            "saved": self.saved,
            "device": self.device,
        }


@verb(PlanOptions, SearchProgress)
def plan(options: PlanOptions, watch: Watcher) -> Outlook:
    """Return the outlook of a search; no image is read, and nothing is trained.

    A few steps are timed on images of noise. The sample of draws depends on `seed`.

    Raises:
        InputError: If the options are not possible; that no network fits is an answer.
    """
    proposed, source = options.proposed(), options.source()
    facts = _facts(source, options.train_samples)
    trained, _ = options.fitted_recipe(source, facts.channels, facts.train)
    smaller, seed = options.smaller, options.seed or 0
    limits = Limits(
        (options.budget, *options.limits), source.image_size, facts.channels, facts.classes
    )
    tightest = limits.of_budget(smaller[-1]) if smaller else limits
    smallest = tightest.smallest(proposed.space)
    needed = least_limits(smallest, tightest)
    counted, drawn, largest = None, tuple[NetworkSample, ...](), None
    if isinstance(proposed, Free):
        counted = census(proposed.space, limits, seed)
        if counted.largest:
            largest = Counted.of(counted.largest, source.image_size)
    elif not needed:
        budgets = (options.budget, *smaller)
        drawn = tuple(draw_some(proposed, limits.of_budget(each), seed) for each in budgets)
        largest = drawn[0].largest
    where = choose_device(options.device)
    with unchanged_process(), OtherWork() as others:
        numerics = choose_numerics(where)
        use_threads(numerics)
        title = device_title(where)
        middle = None if needed else _middling(proposed, limits, drawn, seed)
        seconds = _seconds(middle, trained, source, facts, where, numerics) if middle else None
    busy = describe_busy(others.cores, numerics.threads) if where.type == "cpu" else ""
    return Outlook(
        limits=limits.budgets,
        smaller=smaller,
        data=source.title,
        architectures=number_of_architectures(proposed.space),
        counted=counted,
        drawn=drawn,
        least_fill=proposed.fill.low if isinstance(proposed, Fill) else 0.0,
        first=() if needed or not proposed.presets else _first(proposed.space, limits),
        smallest=Counted.of(smallest, source.image_size),
        largest=largest,
        needed=needed,
        trials=options.trials,
        epochs=trained.epochs,
        trial_seconds=seconds,
        busy=busy,
        saved=saved_epochs(
            make_pruner(options.pruner, trained.epochs, trained.epoch_steps(facts.train)),
            trained.epochs,
            options.trials,
        ),
        device=title,
        notices=facts.notices,
    )


@dataclass(frozen=True)
class _Facts:
    """Facts of images that were not read."""

    channels: int
    classes: int
    train: int
    val: int
    notices: tuple[str, ...] = ()


def _facts(source: DataSource, train_samples: int | None) -> _Facts:
    """Count images without reading them; those of a folder are assumed to be in colour."""
    info = source.info
    channels, classes, images = info.channels, info.num_classes, info.images
    if source.dataset == "arrays":
        return _facts_of_arrays(Stored.read(source.root), train_samples)
    if images is None:
        return _facts_of_folder(Inventory.take(source.root), train_samples)
    val = images // VALIDATION_SHARE
    train = min(images - val, train_samples or images)
    return _Facts(channels or 3, classes or 0, train, val)


def _facts_of_arrays(stored: Stored, train_samples: int | None) -> _Facts:
    parts = [stored.shape[0], stored.validation or stored.shape[0] // VALIDATION_SHARE]
    if not stored.validation:
        parts[0] -= parts[1]
    if not stored.has_test:
        parts = [number - number // SET_ASIDE_SHARE for number in parts]
    train = min(parts[0], train_samples or parts[0])
    return _Facts(stored.shape[3], len(stored.classes), train, parts[1])


def _facts_of_folder(found: Inventory, train_samples: int | None) -> _Facts:
    own = len(found.val.images) if found.val else 0
    images = len(found.images)
    if found.layout.test is None:
        own, images = (number - number // SET_ASIDE_SHARE for number in (own, images))
    val = own or images // VALIDATION_SHARE
    train = min(images - val, train_samples or images)
    return _Facts(3, len(found.train.classes), train, val, (found.describe(),))


def _first(space: Space, limits: Limits) -> tuple[tuple[str, Counted], ...]:
    """Name and count the published networks that are trained first."""
    found = published(space, limits)
    return tuple((each.name, Counted.of(each.arch, limits.image_size)) for each in found)


def _middling(
    proposal: Free | Fill, limits: Limits, drawn: Sequence[NetworkSample], seed: int
) -> Arch:
    """Return the network of median multiply-adds, of those that fit."""
    networks = [each for some in drawn for each in some.networks] or [
        Counted.of(arch, limits.image_size)
        for arch in feasible(proposal, RandomSuggester(seed), limits)
    ]
    return sorted(networks, key=lambda each: each.macs)[len(networks) // 2].arch


def _seconds(
    arch: Arch,
    recipe: Recipe,
    source: DataSource,
    facts: _Facts,
    device: torch.device,
    numerics: Numerics,
) -> float:
    """Estimate a training's seconds from a few steps on noise."""
    n = STEPS * LARGEST_BATCH
    shape = (n, source.image_size, source.image_size, facts.channels)
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    classes = tuple(map(str, range(facts.classes)))
    noise = ImageSet(pictures, torch.arange(n) % facts.classes, classes)
    data = TrainingData(noise, noise, numerics)
    return training_seconds(arch, recipe, data, (facts.train, facts.val), device)


SIMULATIONS = 20
"""Number of simulated searches."""


def saved_epochs(pruner: BasePruner, epochs: int, trials: int, seed: int = 0) -> float:
    """Return the share of all epochs that a pruner saves, where early ranks are the final ones.

    Trials of random values are simulated one after the other, at most 100 of a search.
    """
    values = random.Random(seed)
    many, trained = min(trials, 100), 0
    with quiet_optuna():
        for _ in range(SIMULATIONS):
            study = optuna.create_study(direction="maximize", storage=InMemoryStorage())
            trained += sum(_play(study, pruner, epochs, values.random()) for _ in range(many))
    return 1 - trained / (SIMULATIONS * many * epochs)


def _play(study: optuna.Study, pruner: BasePruner, epochs: int, value: float) -> int:
    """Report one value after each epoch of a trial; return its number of epochs."""
    study.pruner = pruner
    trial = study.ask()
    for epoch in range(1, epochs + 1):
        trial.report(value, epoch)
        if epoch < epochs and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return epoch
    ended: FrozenTrial = study.tell(trial, value)
    return ended.last_step or epochs

"""The engine: `train`, a generator of epochs.

It knows no study and prints nothing. Whoever calls it prunes, prints, saves or stops, by not
asking for the next epoch.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from budgetnas.data.images import ImageSet, Statistics, measure_statistics
from budgetnas.errors import Diverged, InputError
from budgetnas.recipe import Numerics, Recipe
from budgetnas.recipe.images import FixedStatistics, NoStatistics, TrainingStatistics
from budgetnas.seeds import derive_seed
from budgetnas.train.augment import augment
from budgetnas.train.evaluate import Normalizer, autocast, evaluate
from budgetnas.train.memory import memory_guard
from budgetnas.train.optim import Lookahead, build_optimizer, clip_gradients, set_rates
from budgetnas.train.schedule import schedule_table

State: TypeAlias = dict[str, Tensor]
"""All that is needed to continue a training, as named tensors on the CPU."""


@dataclass(frozen=True, eq=False)
class Epoch:
    """An epoch that has just been trained."""

    number: int
    """Counted from 1."""
    lr: float
    """Learning rate of its last step."""
    train_loss: float
    """Mean over the epoch's steps, on augmented images, with label smoothing."""
    train_accuracy: float
    """Share right over the epoch's steps, on augmented images, in [0, 1]."""
    val_loss: float | None
    """Mean cross-entropy on the validation images; None without them."""
    val_accuracy: float | None
    """Share right on the validation images, in [0, 1]; None without them."""
    val_balanced_accuracy: float | None
    """Mean over classes of the share right on the validation images; None without them."""
    val_predictions: Tensor | None
    """int64 [n], on the CPU: the classes predicted for the validation images."""
    seconds: float
    """Wall-clock time of training and validation."""
    _run: "_Run" = field(repr=False)

    def state(self) -> State:
        """Take down all that is needed to continue after this epoch.

        To be called before the next epoch is asked for.
        """
        return self._run.state()

    def weights(self) -> State:
        """Take down the weights that the recipe evaluates, as the model's `state_dict`.

        To be called before the next epoch is asked for.
        """
        return self._run.evaluated_weights()


def recipe_statistics(recipe: Recipe, images: ImageSet) -> Statistics:
    """Say what images are normalised by: what the recipe fixes, or measured on these images.

    Raises:
        InputError: If the recipe fixes it for another number of channels.
    """
    match recipe.normalize:
        case TrainingStatistics():
            return measure_statistics(images.images)
        case FixedStatistics(mean=mean, std=std):
            if len(mean) != images.channels:
                raise InputError(
                    f"the recipe normalises {len(mean)} channels, "
                    f"the images have {images.channels}"
                )
            return Statistics(mean, std)
        case NoStatistics():
            return Statistics((0.0,) * images.channels, (1.0,) * images.channels)


def train(
    model: nn.Module,
    images: ImageSet,
    recipe: Recipe,
    numerics: Numerics,
    seed: int,
    *,
    statistics: Statistics,
    val: ImageSet | None = None,
    state: State | None = None,
) -> Iterator[Epoch]:
    """Train a model, one epoch each time the caller asks.

    Every epoch visits every image once, in an order of its own; a last partial batch is trained.
    The same arguments give the same numbers on a CPU, bit for bit, on the same machine and
    versions; on a GPU cuDNN may choose other kernels, and the last digits differ.

    Args:
        model: With its initial weights; trained in place, moved to where the images are.
        images: What to train on, on the device.
        recipe: How.
        numerics: In which arithmetic.
        seed: For order, augmentation and dropout.
        statistics: What images are normalised by.
        val: What to evaluate on after each epoch, on the device.
        state: From `Epoch.state`, to continue after that epoch.

    Raises:
        Diverged: If the loss becomes NaN or infinite.
        OutOfMemory: If a step does not fit.
        InputError: If the recipe's schedule can't run for so long, or the state is of another
            training.
    """
    with memory_guard("the network and its optimizer"):
        run = _Run(model, images, recipe, numerics, seed, statistics, val)
        if state is not None:
            try:
                run.load(state)
            except (RuntimeError, KeyError, IndexError, ValueError) as error:
                reason = str(error).splitlines()[0]
                raise InputError(f"the state is not this training's: {reason}") from None
    while run.epochs_done < recipe.epochs:
        with memory_guard(f"training with a batch of {run.batch_size} images"):
            epoch = run.epoch()
        yield epoch


def place(model: nn.Module, numerics: Numerics, device: torch.device) -> nn.Module:
    """Move a model to a device, in the memory layout of the numerics."""
    layout = torch.channels_last if numerics.channels_last else torch.contiguous_format
    return model.to(device, memory_format=layout)  # type: ignore[call-overload, no-any-return]


class _Run:
    """A training in progress: small steps over shared tensors."""

    def __init__(
        self,
        model: nn.Module,
        images: ImageSet,
        recipe: Recipe,
        numerics: Numerics,
        seed: int,
        statistics: Statistics,
        val: ImageSet | None,
    ) -> None:
        self.device = images.images.device
        self.model = place(model, numerics, self.device)
        self.images, self.val = images, val
        self.recipe, self.numerics, self.seed = recipe, numerics, seed
        self.normalize = Normalizer(statistics, numerics, self.device)
        self.batch_size = min(recipe.batch_size, len(images))
        self.steps = len(batch_bounds(len(images), self.batch_size))
        self.table = schedule_table(recipe, self.steps)
        named = list(self.model.named_parameters())
        self.parameters = [parameter for _, parameter in named]
        self.optimizer = build_optimizer(named, recipe.optimizer, fused=True)
        self.lookahead = Lookahead(self.parameters, recipe.lookahead) if recipe.lookahead else None
        self.epochs_done = 0
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True

    def epoch(self) -> Epoch:
        """Train one epoch, then validate."""
        started = time.perf_counter()
        number = self.epochs_done + 1
        with self._seeded(number):
            loss, accuracy = self._train_epoch(number)
        self.epochs_done = number
        result = None
        if self.val is not None:
            with self._evaluated():
                result = evaluate(
                    self.model, self.val, self.normalize, self.numerics, self.batch_size
                )
            check_finite(result.loss, "validation", number)
        return Epoch(
            number,
            self.table.lr[number * self.steps - 1],
            loss,
            accuracy,
            result.loss if result else None,
            result.accuracy if result else None,
            result.balanced_accuracy if result else None,
            result.predictions if result else None,
            time.perf_counter() - started,
            self,
        )

    def _train_epoch(self, number: int) -> tuple[float, float]:
        """Train one epoch; return mean loss and accuracy, read from the device once."""
        self.model.train()
        order = self._permutation(number)
        generator = self._generator(number, "augment")
        loss_sum = torch.zeros((), device=self.device)
        correct = torch.zeros((), device=self.device, dtype=torch.int64)
        for step, (start, stop) in enumerate(batch_bounds(len(self.images), self.batch_size)):
            chosen = order[start:stop]
            inputs = self._inputs(chosen, generator)
            loss, right = self._step(
                (number - 1) * self.steps + step, inputs, self.images.labels[chosen]
            )
            loss_sum += loss * (stop - start)
            correct += right
            if self.device.type == "cpu":  # free here; on a GPU it would stop the pipeline
                check_finite(float(loss), "training", number)
        mean_loss = float(loss_sum) / len(self.images)
        check_finite(mean_loss, "training", number)
        return mean_loss, int(correct) / len(self.images)

    def _inputs(self, chosen: Tensor, generator: Generator) -> Tensor:
        """Gather, augment and normalise a batch."""
        gathered = self.images.images[chosen]
        augmented = augment(gathered, self.recipe.augment, generator, self.normalize.grey_level)
        return self.normalize(augmented)

    def _step(self, step: int, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Update the weights once; return the loss and how many were right, on the device."""
        momentum = self.table.momentum[step] if self.table.momentum else None
        set_rates(self.optimizer, self.table.lr[step], momentum)
        with autocast(self.numerics, self.device):
            logits = self.model(inputs)
        logits = logits.float()
        loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        clip_gradients(self.parameters, self.recipe.clip)
        self.optimizer.step()
        if self.lookahead:
            self.lookahead.step(step + 1)
        return loss.detach(), (logits.argmax(1) == labels).sum()

    def _permutation(self, number: int) -> Tensor:
        return torch.randperm(
            len(self.images), generator=self._generator(number, "order"), device=self.device
        )

    def _generator(self, number: int, purpose: str) -> Generator:
        generator = Generator(device=self.device)
        return generator.manual_seed(derive_seed(self.seed, "epoch", number, purpose))

    @contextmanager
    def _seeded(self, number: int) -> Iterator[None]:
        """Seed the device's global generator, which dropout draws from, inside a fork."""
        seed = derive_seed(self.seed, "epoch", number, "dropout")
        if self.device.type == "cuda":
            with torch.random.fork_rng(devices=[self.device]), torch.cuda.device(self.device):
                torch.cuda.manual_seed(seed)
                yield
        else:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                yield

    def _evaluated(self) -> "nullcontext[None]":
        return self.lookahead.evaluated() if self.lookahead else nullcontext()  # type: ignore[return-value]

    def evaluated_weights(self) -> State:
        """The model's `state_dict` with the weights that the recipe evaluates."""
        with self._evaluated():
            return _to_cpu(self.model.state_dict())

    def state(self) -> State:
        """Name every tensor that the next epoch depends on."""
        state = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for index, parameter in enumerate(self.parameters):
            for name, value in self.optimizer.state[parameter].items():
                if value is not None:
                    state[f"optimizer.{index}.{name}"] = value
        if self.lookahead:
            for index, value in enumerate(self.lookahead.slow):
                state[f"lookahead.{index}"] = value
        return _to_cpu(state) | {"epochs_done": torch.tensor(self.epochs_done)}

    def load(self, state: State) -> None:
        """Continue from a state."""
        parts: dict[str, State] = {"model": {}, "optimizer": {}, "lookahead": {}}
        for name, value in state.items():
            kind, _, rest = name.partition(".")
            if rest:
                parts[kind][rest] = value
        self.model.load_state_dict(parts["model"])
        for name, value in parts["optimizer"].items():
            index, _, key = name.partition(".")
            parameter = self.parameters[int(index)]
            # as the step counters of Adam, which stay where the optimizer keeps them
            self.optimizer.state[parameter][key] = _like(value, parameter)
        if self.lookahead and parts["lookahead"]:
            self.lookahead.slow = [
                _like(parts["lookahead"][str(index)], parameter)
                for index, parameter in enumerate(self.parameters)
            ]
        self.epochs_done = int(state["epochs_done"])


def check_finite(loss: float, kind: str, number: int) -> None:
    """Raise `Diverged` for a loss that is NaN or infinite."""
    if not math.isfinite(loss):
        raise Diverged(f"the {kind} loss must stay finite, got {loss} in epoch {number}")


def check_schedule(recipe: Recipe, images: int) -> None:
    """Refuse a schedule that can't run for the recipe's epochs over so many images."""
    schedule_table(recipe, len(batch_bounds(images, min(recipe.batch_size, images))))


def batch_bounds(images: int, batch_size: int) -> list[tuple[int, int]]:
    """Cut an epoch into batches, as (start, stop).

    A last image that would be alone joins the batch before: batch norm has no variance over one.
    """
    starts = list(range(0, images, batch_size))
    if len(starts) > 1 and images - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], images], strict=True))


def _to_cpu(state: State) -> State:
    return {name: value.detach().to("cpu", copy=True) for name, value in state.items()}


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """Put a stored tensor where its parameter is, in the same memory layout."""
    return (
        torch.empty_like(parameter).copy_(value)
        if value.ndim
        else value.to(parameter.device, copy=True)
    )

"""The engine: `train`, a generator of epochs.

It knows no study and prints nothing. The caller prunes, prints, saves or stops, by not
asking for the next epoch.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor, nn

from budgetnas.data.images import ImageSet, Statistics, measure_statistics
from budgetnas.errors import InputError, first_line
from budgetnas.recipe import FixedStatistics, NoStatistics, Numerics, Recipe, TrainingStatistics
from budgetnas.train._capture import search_kernels
from budgetnas.train._device import memory_guard, place, trim_heap
from budgetnas.train._evaluate import Evaluation, Evaluator, Normalizer
from budgetnas.train._optim import schedule_table
from budgetnas.train._step import Steps, check_finite

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
    """Mean over the epoch's steps, on augmented and mixed images, with label smoothing and class
    weights."""
    train_accuracy: float
    """Share right over the epoch's steps, on augmented images, in [0, 1].

    Of a mixed image, the label that it shows most of is right."""
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
    notices: tuple[str, ...]
    """What did not run as fast as it might, and why; the same after every epoch."""
    _run: "_Run" = field(repr=False)

    def state(self) -> State:
        """Return all that is needed to continue after this epoch.

        To be called before the next epoch is asked for.
        """
        return self._run.state()

    def weights(self) -> State:
        """Return the weights that the recipe evaluates, as the model's `state_dict`.

        To be called before the next epoch is asked for.
        """
        return self._run.evaluated_weights()


def recipe_statistics(recipe: Recipe, images: ImageSet) -> Statistics:
    """Return what images are normalised by: fixed by the recipe, or measured on these images.

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
        seed: For order, augmentation, mixing and dropout.
        statistics: What images are normalised by.
        val: What to evaluate on after each epoch, on the device.
        state: From `Epoch.state`, to continue after that epoch.

    Raises:
        Diverged: If the loss becomes NaN or infinite.
        OutOfMemory: If a step does not fit.
        InputError: If the recipe's schedule cannot run for that long, or the state is of another
            training.
    """
    with memory_guard("the network and its optimizer"):
        run = _Run(model, images, recipe, numerics, seed, statistics, val)
        if state is not None:
            try:
                run.load(state)
            except (RuntimeError, KeyError, IndexError, ValueError) as error:
                reason = first_line(error)
                raise InputError(f"the state is not this training's: {reason}") from None
    try:
        while run.epochs_done < recipe.epochs:
            with memory_guard(f"training with a batch of {run.steps.batch_size} images"):
                epoch = run.epoch()
            yield epoch
    finally:
        run.close()


class _Run:
    """A training in progress."""

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
        device = images.images.device
        if device.type == "cuda":
            search_kernels()
        self.model = place(model, numerics, device)
        normalize = Normalizer(statistics, numerics, device)
        self.steps = Steps(self.model, images, recipe, numerics, normalize, seed)
        self.epochs_done = 0
        self._evaluate: Evaluator | None = None
        if val is not None:
            self._evaluate = Evaluator(
                self.model, val, normalize, numerics, self.steps.batch_size, self.steps.recorder
            )

    def epoch(self) -> Epoch:
        started = time.perf_counter()
        number = self.epochs_done + 1
        with self.steps.recorder.on_stream():
            loss, accuracy = self.steps.epoch(number)
            self.epochs_done = number
            result = self._validated(number)
        return Epoch(
            number,
            self.steps.rates.table.lr[number * len(self.steps.bounds) - 1],
            loss,
            accuracy,
            result.loss if result else None,
            result.accuracy if result else None,
            result.balanced_accuracy if result else None,
            result.predictions if result else None,
            time.perf_counter() - started,
            self.steps.notices(),
            self,
        )

    def _validated(self, number: int) -> Evaluation | None:
        if self._evaluate is None:
            return None
        with self._evaluated():
            result = self._evaluate()
        check_finite(result.loss, "validation", number)
        return result

    def _evaluated(self) -> AbstractContextManager[None]:
        steps = self.steps
        done = self.epochs_done * len(steps.bounds)
        if steps.average:
            return steps.average.evaluated(done)
        return steps.lookahead.evaluated(done) if steps.lookahead else nullcontext()

    def evaluated_weights(self) -> State:
        with self._evaluated():
            return _to_cpu(self.model.state_dict())

    def state(self) -> State:
        """Name every tensor that the next epoch depends on."""
        state = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for index, parameter in enumerate(self.steps.parameters):
            for name, value in self.steps.rates.optimizer.state[parameter].items():
                if value is not None:
                    state[f"optimizer.{index}.{name}"] = value
        for kind, tensors in self._behind().items():
            state |= {f"{kind}.{index}": value for index, value in enumerate(tensors)}
        return _to_cpu(state) | {"epochs_done": torch.tensor(self.epochs_done)}

    def _behind(self) -> dict[str, list[Tensor]]:
        steps = self.steps
        return {
            "lookahead": steps.lookahead.slow if steps.lookahead else [],
            "average": steps.average.averaged if steps.average else [],
        }

    def load(self, state: State) -> None:
        parts: dict[str, State] = {"model": {}, "optimizer": {}, "lookahead": {}, "average": {}}
        for name, value in state.items():
            kind, _, rest = name.partition(".")
            if rest:
                parts[kind][rest] = value
        self.model.load_state_dict(parts["model"])
        for name, value in parts["optimizer"].items():
            index, _, key = name.partition(".")
            parameter = self.steps.parameters[int(index)]
            # as the step counters of Adam, which stay where the optimizer keeps them
            self.steps.rates.optimizer.state[parameter][key] = _like(value, parameter)
        if self.steps.lookahead and parts["lookahead"]:
            self.steps.lookahead.slow = [
                _like(parts["lookahead"][str(index)], parameter)
                for index, parameter in enumerate(self.steps.parameters)
            ]
        if self.steps.average:
            for place_of, tensor in enumerate(self.steps.average.averaged):
                tensor.copy_(parts["average"][str(place_of)])
        self.epochs_done = int(state["epochs_done"])

    def close(self) -> None:
        self.steps.close()
        trim_heap()


def check_schedule(recipe: Recipe, images: int) -> None:
    """Raise if the schedule cannot run for the recipe's epochs over N images."""
    schedule_table(recipe, recipe.epoch_steps(images))


def _to_cpu(state: State) -> State:
    return {name: value.detach().to("cpu", copy=True) for name, value in state.items()}


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """Put a stored tensor where its parameter is, in the same memory layout."""
    return (
        torch.empty_like(parameter).copy_(value)
        if value.ndim
        else value.to(parameter.device, copy=True)
    )

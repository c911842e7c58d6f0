"""Other weights than the trained ones: Lookahead's slow ones, a running average, the worst nearby.

Each is told of every step of the optimizer, and can take the weights' place for a while.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from budgetnas.recipe import SAM
from budgetnas.recipe import Average as AverageSpec
from budgetnas.recipe import Lookahead as LookaheadSpec


class Lookahead:
    """Slow weights behind the fast ones of any optimizer (Zhang et al., 2019, algorithm 1).

    Call `step` after each step of the optimizer. The parameters hold the fast weights.

    Slow weights stand for the training from the first synchronisation on that moves them towards
    what was trained; before it they are the initial ones, and the fast weights count. Where slow
    weights are evaluated, the last step also synchronises, so that they contain every step; a run
    too short for a first synchronisation never does: it ends with its fast weights.
    """

    def __init__(self, parameters: list[Parameter], spec: LookaheadSpec, steps: int) -> None:
        """Prepare for a run of N steps."""
        self.spec = spec
        self.parameters = parameters
        self.slow: list[Tensor] = []
        if spec.phase == "paper":
            self.slow = _copies(parameters)
        # the published program's first one, after step 1, is of weights with themselves
        self._first = spec.k if spec.phase == "paper" else spec.k + 1
        self._last = steps

    def due(self, number: int) -> bool:
        """Return whether it synchronises after this step, counted from 1."""
        if (number if self.spec.phase == "paper" else number - 1) % self.spec.k == 0:
            return True
        return number == self._last and self._slow_count(number)

    def _slow_count(self, number: int) -> bool:
        """Return whether the slow weights are the ones to evaluate after N steps."""
        return self.spec.evaluate == "slow" and number >= self._first

    @torch.no_grad()
    def step(self, number: int) -> None:
        """Synchronise if it is time after this step of the optimizer, counted from 1."""
        if not self.slow:  # the published program begins here, with what the first step made
            self.slow = _copies(self.parameters)
        if not self.due(number):
            return
        torch._foreach_lerp_(self.slow, list(self.parameters), self.spec.alpha)
        torch._foreach_copy_(list(self.parameters), self.slow)

    @contextmanager
    def evaluated(self, number: int) -> Iterator[None]:
        """Put the weights to evaluate after N steps into the parameters, within the context."""
        if not self._slow_count(number):
            yield
            return
        with _swapped(list(self.parameters), self.slow):
            yield


class Average:
    """A running average of the weights and of the norms' statistics.

    Its first updates average all that they have seen; later ones forget exponentially, so that it
    reaches back over the recipe's share of the run. The last step also updates it, so that it
    contains the whole run, however short.
    """

    def __init__(self, model: nn.Module, spec: AverageSpec, steps: int) -> None:
        """Prepare for a run of N steps."""
        floating = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        self.spec = spec
        self._last = steps
        self.live: list[Tensor] = [*model.parameters(), *floating]
        self.averaged = _copies(self.live)
        weights = average_weights(spec, steps)
        self._weights = torch.tensor(weights, device=self.live[0].device)

    def due(self, number: int) -> bool:
        """Return whether it is updated after this step, counted from 1."""
        return number % self.spec.every == 0 or number == self._last

    @torch.no_grad()
    def step(self, number: int, position: Tensor) -> None:
        """Update it if it is time after this step of the optimizer, counted from 1.

        `position` is one less, int64 [1] on the device: what a CUDA graph knows of it.
        """
        if not self.due(number):
            return
        weight = self._weights.index_select(0, position // self.spec.every).squeeze(0)
        moves = torch._foreach_sub(self.live, self.averaged)
        torch._foreach_mul_(moves, weight)
        torch._foreach_add_(self.averaged, moves)

    @contextmanager
    def evaluated(self, number: int) -> Iterator[None]:
        """Put the average into the model, for a while, if there was an update by this step."""
        if number < min(self.spec.every, self._last):
            yield
            return
        with _swapped(self.live, self.averaged):
            yield


def average_weights(spec: AverageSpec, steps: int) -> list[float]:
    """Return the weight of the current parameters in each update of a run of N steps."""
    updates = max(1, math.ceil(steps / spec.every))
    least = 1 - math.exp(-spec.every / (spec.horizon * steps))
    return [max(1 / (update + 1), least) for update in range(updates)]


@contextmanager
def _swapped(live: list[Tensor], others: list[Tensor]) -> Iterator[None]:
    kept = _copies(live)
    _load(live, others)
    try:
        yield
    finally:
        _load(live, kept)


@torch.no_grad()
def _copies(tensors: "list[Parameter] | list[Tensor]") -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]


@torch.no_grad()
def _load(live: list[Tensor], values: list[Tensor]) -> None:
    torch._foreach_copy_(live, values)


RHO, ADAPTIVE_RHO = 0.05, 0.5
"""What the papers take for CIFAR-10."""

LEAST = 0.01
"""What ASAM adds to the size of a weight, so that a weight of 0 can also move."""

_TINY = 1e-12
"""The least norm of a gradient that is divided by."""


class Sharpness:
    """Climbs to the worst weights nearby (Foret et al., 2021), for a second pass from there.

    The first pass is at the weights themselves. Where weights are measured by their own size
    (ASAM; Kwon et al., 2021), biases are not, as in that paper.
    """

    def __init__(self, model: nn.Module, spec: SAM, steps: int) -> None:
        """Prepare for a run of N steps."""
        named = list(model.named_parameters())
        self._parameters: list[Tensor] = [parameter for _, parameter in named]
        self._scaled = [
            place for place, (name, _) in enumerate(named) if not name.endswith("bias")
        ]
        self._live = [*self._parameters, *model.buffers()]
        self._adaptive = spec.adaptive
        self._rho = spec.rho or (ADAPTIVE_RHO if spec.adaptive else RHO)
        self._first = steps - max(1, round(spec.last * steps))

    def due(self, step: int) -> bool:
        """Return whether this step, counted from 0, is one of the last, sharpness-aware ones."""
        return step >= self._first

    @contextmanager
    def climbed(self) -> Iterator[None]:
        """Climb from the weights by their gradients, for a while.

        Afterwards weights and norms' statistics are, bit for bit, what they were: the second pass
        leaves nothing behind but its gradients.
        """
        with torch.no_grad():
            kept = _copies(self._live)
            torch._foreach_add_(self._parameters, self._moves())
        yield
        _load(self._live, kept)

    def _moves(self) -> list[Tensor]:
        """Return how far each parameter climbs: together `rho`."""
        gradients = [_gradient(parameter) for parameter in self._parameters]
        sizes = self._sizes() if self._adaptive else None
        if sizes:
            gradients = _products(gradients, sizes)
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        if sizes:
            gradients = _products(gradients, sizes)
        return list(torch._foreach_mul(gradients, self._rho / norm.clamp(min=_TINY)))

    def _sizes(self) -> list[Tensor]:
        """Measure each weight by its size; biases all alike."""
        sizes = [torch.ones_like(parameter) for parameter in self._parameters]
        for place in self._scaled:
            sizes[place] = self._parameters[place].abs() + LEAST
        return sizes


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None, "a pass has made it"
    return parameter.grad


def _products(tensors: Sequence[Tensor], others: Sequence[Tensor]) -> list[Tensor]:
    return list(torch._foreach_mul(list(tensors), list(others)))

"""Sharpness-aware minimisation: the gradient of the worst weights nearby, for the weights here."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from budgetnas.recipe import SAM

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
            kept = [tensor.detach().clone() for tensor in self._live]
            torch._foreach_add_(self._parameters, self._moves())
        yield
        with torch.no_grad():
            torch._foreach_copy_(self._live, kept)

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

"""From descriptions to optimizers; Lookahead around any of them; gradient clipping."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from budgetnas.recipe.optimizer import SGD, Adam, AdamW, Clip, ClipNorm, ClipValue
from budgetnas.recipe.optimizer import Lookahead as LookaheadSpec
from budgetnas.recipe.optimizer import Optimizer as OptimizerSpec


def build_optimizer(
    named: Iterable[tuple[str, Parameter]], spec: OptimizerSpec, *, fused: bool
) -> torch.optim.Optimizer:
    """Build the optimizer over named parameters, as one or two groups.

    Weight decay applies to the weights of convolutions and linear layers; to norms and biases,
    which are vectors, only if the recipe says so.
    """
    parameters = [parameter for _, parameter in named]
    decayed = [p for p in parameters if spec.decay_norm_and_bias or p.ndim > 1]
    plain = [p for p in parameters if not (spec.decay_norm_and_bias or p.ndim > 1)]
    groups = [
        {"params": params, "weight_decay": decay}
        for params, decay in ((decayed, spec.weight_decay), (plain, 0.0))
        if params
    ]
    match spec:
        case SGD():
            # Nesterov's form of no momentum at all is plain descent, which torch wants said.
            nesterov = spec.nesterov and spec.momentum > 0
            return torch.optim.SGD(
                groups, lr=spec.lr, momentum=spec.momentum, nesterov=nesterov, fused=fused
            )
        case Adam():
            return torch.optim.Adam(
                groups, lr=spec.lr, betas=(spec.momentum, spec.beta2), fused=fused
            )
        case AdamW():
            return torch.optim.AdamW(
                groups, lr=spec.lr, betas=(spec.momentum, spec.beta2), fused=fused
            )
        case _:
            assert_never(spec)


def set_rates(optimizer: torch.optim.Optimizer, lr: float, momentum: float | None) -> None:
    """Set the learning rate, and the momentum (beta 1 for Adam) where one is given."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        if momentum is not None and "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        elif momentum is not None:
            group["momentum"] = momentum


def clip_gradients(parameters: list[Parameter], clip: Clip | None) -> None:
    """Clip gradients in place, by norm or by value."""
    match clip:
        case None:
            pass
        case ClipNorm(limit=limit):
            nn.utils.clip_grad_norm_(parameters, limit)
        case ClipValue(limit=limit):
            nn.utils.clip_grad_value_(parameters, limit)
        case _:
            assert_never(clip)


class Lookahead:
    """Slow weights behind the fast ones of any optimizer (Zhang et al., 2019, algorithm 1).

    Call `step` after each step of the optimizer. The parameters hold the fast weights.
    """

    def __init__(self, parameters: list[Parameter], spec: LookaheadSpec) -> None:
        self.spec = spec
        self.parameters = parameters
        self.slow: list[Tensor] = []
        if spec.phase == "paper":
            self.slow = self._fast()

    @torch.no_grad()
    def step(self, number: int) -> None:
        """Synchronise if it is time.

        Args:
            number: Optimizer steps done, counted from 1.
        """
        if not self.slow:  # the published program begins here, with what the first step made
            self.slow = self._fast()
        due = number if self.spec.phase == "paper" else number - 1
        if due % self.spec.k:
            return
        torch._foreach_lerp_(self.slow, list(self.parameters), self.spec.alpha)
        torch._foreach_copy_(list(self.parameters), self.slow)

    @contextmanager
    def evaluated(self) -> Iterator[None]:
        """Put the weights that the recipe evaluates into the parameters, for a while."""
        if self.spec.evaluate == "fast" or not self.slow:
            yield
            return
        fast = self._fast()
        self._load(self.slow)
        try:
            yield
        finally:
            self._load(fast)

    @torch.no_grad()
    def _fast(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def _load(self, weights: list[Tensor]) -> None:
        torch._foreach_copy_(list(self.parameters), weights)

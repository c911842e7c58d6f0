"""From descriptions to optimizers; gradient clipping."""

from collections.abc import Iterable
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from budgetnas.recipe import SGD, Adam, AdamW, Clip, ClipNorm, ClipValue
from budgetnas.recipe import Optimizer as OptimizerSpec


def build_optimizer(
    named: Iterable[tuple[str, Parameter]],
    spec: OptimizerSpec,
    *,
    fused: bool,
    lr: Tensor | None = None,
) -> torch.optim.Optimizer:
    """Build the optimizer over named parameters, as one or two groups.

    Weight decay applies to the weights of convolutions and linear layers; to norms and biases,
    which are vectors, only if the recipe asks for it.

    Args:
        named: The parameters.
        spec: What to build.
        fused: Update all of them in one operation.
        lr: Where a learning rate that changes within a CUDA graph is read from, on its device.
    """
    parameters = [parameter for _, parameter in named]
    decayed = [p for p in parameters if spec.decay_norm_and_bias or p.ndim > 1]
    plain = [p for p in parameters if not (spec.decay_norm_and_bias or p.ndim > 1)]
    groups = [
        {"params": params, "weight_decay": decay}
        for params, decay in ((decayed, spec.weight_decay), (plain, 0.0))
        if params
    ]
    rate: float | Tensor = spec.lr if lr is None else lr
    match spec:
        case SGD():
            # Nesterov's form of no momentum at all is plain descent, which torch wants said.
            nesterov = spec.nesterov and spec.momentum > 0
            return torch.optim.SGD(
                groups, lr=rate, momentum=spec.momentum, nesterov=nesterov, fused=fused
            )
        case Adam() | AdamW():
            kind = torch.optim.Adam if isinstance(spec, Adam) else torch.optim.AdamW
            betas = (spec.momentum, spec.beta2)
            return kind(groups, lr=rate, betas=betas, fused=fused, capturable=lr is not None)
        case _:
            assert_never(spec)


def set_rates(optimizer: torch.optim.Optimizer, lr: float | None, momentum: float | None) -> None:
    """Set the learning rate and the momentum (beta 1 for Adam), where they are given."""
    for group in optimizer.param_groups:
        if lr is not None:
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

"""Initial weights, drawn from a named seed."""

from typing import assert_never

import torch
from torch import nn

from budgetnas.arch import Arch
from budgetnas.model import build_model
from budgetnas.recipe import (
    Default,
    Init,
    KaimingNormal,
    Normal,
    Orthogonal,
    XavierNormal,
    XavierUniform,
)


def initial_model(arch: Arch, init: Init, seed: int) -> nn.Module:
    """Build a network with the initial weights that the recipe asks for.

    Layers draw from torch's global generator of the CPU, so it is seeded, inside a fork that
    gives it back untouched.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = build_model(arch)
        initialize(model, init)
    return model


@torch.no_grad()
def initialize(model: nn.Module, init: Init) -> None:
    """Redraw the weights of convolutions and linear layers, and zero their biases."""
    if isinstance(init, Default):
        return
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            _draw(module.weight, init)
            if module.bias is not None:
                module.bias.zero_()


def _draw(weight: torch.Tensor, init: Init) -> None:
    match init:
        case Default():
            pass
        case XavierUniform(gain=gain):
            nn.init.xavier_uniform_(weight, gain=gain)
        case XavierNormal(gain=gain):
            nn.init.xavier_normal_(weight, gain=gain)
        case KaimingNormal():
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
        case Normal(std=std):
            nn.init.normal_(weight, std=std)
        case Orthogonal():
            nn.init.orthogonal_(weight)
        case _:
            assert_never(init)

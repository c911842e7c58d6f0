"""Optimizers and clipping, against arithmetic written out."""

import pytest
import torch
from torch import nn
from torch.nn import Parameter

from budgetnas.arch import PRESETS
from budgetnas.model import build_model
from budgetnas.recipe import SGD, Adam, AdamW, ClipNorm, ClipValue, Optimizer
from budgetnas.train._optim import build_optimizer, clip_gradients, set_rates

SPECS: list[Optimizer] = [
    SGD(lr=0.1),
    SGD(lr=0.1, momentum=0),
    SGD(lr=0.1, nesterov=False),
    Adam(lr=0.1),
    AdamW(lr=0.1),
]


@pytest.mark.parametrize("spec", SPECS, ids=repr)
@pytest.mark.parametrize("everything", [False, True])
def test_decay_spares_norms_and_biases_unless_told(spec: Optimizer, everything: bool) -> None:
    model = build_model(PRESETS["modified-resnet-small"])
    changed = spec.changed(weight_decay=0.1, decay_norm_and_bias=everything)
    optimizer = build_optimizer(model.named_parameters(), changed, fused=False)
    decay = {p: g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert len(decay) == len(list(model.parameters()))
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            spared = isinstance(module, nn.BatchNorm2d) or name == "bias"
            assert decay[parameter] == (0.1 if everything or not spared else 0)


@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_rates_are_set_in_every_group(spec: Optimizer) -> None:
    weights = [("w", Parameter(torch.zeros(2, 2))), ("b", Parameter(torch.zeros(2)))]
    optimizer = build_optimizer(weights, spec.changed(weight_decay=0.1), fused=False)
    set_rates(optimizer, 0.25, 0.5)
    assert len(optimizer.param_groups) == 2
    for group in optimizer.param_groups:
        assert group["lr"] == 0.25
        assert (group["betas"][0] if "betas" in group else group["momentum"]) == 0.5


def with_gradients(*values: float) -> list[Parameter]:
    parameters = [Parameter(torch.zeros(1)) for _ in values]
    for parameter, value in zip(parameters, values, strict=True):
        parameter.grad = torch.tensor([value])
    return parameters


def test_clip_by_value_and_by_norm() -> None:
    parameters = with_gradients(3.0, -4.0)
    clip_gradients(parameters, None)
    assert [p.grad.item() for p in parameters if p.grad is not None] == [3.0, -4.0]
    clip_gradients(parameters, ClipNorm(limit=1.0))
    assert [p.grad.item() for p in parameters if p.grad is not None] == pytest.approx([0.6, -0.8])
    parameters = with_gradients(3.0, -0.05)
    clip_gradients(parameters, ClipValue(limit=0.1))
    assert [p.grad.item() for p in parameters if p.grad is not None] == pytest.approx([0.1, -0.05])

"""Optimizers and Lookahead, against arithmetic written out."""

import pytest
import torch
from torch import nn
from torch.nn import Parameter

from budgetnas.arch import PRESETS
from budgetnas.model import build_model
from budgetnas.recipe.optimizer import SGD, Adam, AdamW, ClipNorm, ClipValue, Optimizer
from budgetnas.recipe.optimizer import Lookahead as LookaheadSpec
from budgetnas.train.optim import Lookahead, build_optimizer, clip_gradients, set_rates

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


def run_lookahead(spec: LookaheadSpec, steps: int) -> tuple[list[float], Lookahead]:
    """Let the fast weight grow by 1 each step; return it after each."""
    weight = Parameter(torch.zeros(1))
    lookahead = Lookahead([weight], spec)
    seen = []
    for number in range(1, steps + 1):
        with torch.no_grad():
            weight.add_(1)
        lookahead.step(number)
        seen.append(weight.item())
    return seen, lookahead


def test_lookahead_of_the_paper() -> None:
    # Zhang et al., algorithm 1: slow weights begin at the initial weights; every k steps they
    # move by alpha to the fast ones, which restart there
    seen, lookahead = run_lookahead(LookaheadSpec(k=3, alpha=0.5), 7)
    assert seen == [1, 2, 1.5, 2.5, 3.5, 3.0, 4.0]
    assert [slow.item() for slow in lookahead.slow] == [3.0]


def test_lookahead_of_the_published_program() -> None:
    # FACTS of Efficient ResNets' program: synchronises after steps 1, 6, 11, slow weights
    # starting from the fast ones after the first step
    spec = LookaheadSpec(k=5, alpha=0.5, phase="efficient-resnets", evaluate="fast")
    seen, lookahead = run_lookahead(spec, 11)
    assert seen == [1, 2, 3, 4, 5, 3.5, 4.5, 5.5, 6.5, 7.5, 6.0]
    assert [slow.item() for slow in lookahead.slow] == [6.0]


@pytest.mark.parametrize(("evaluate", "value"), [("slow", 1.5), ("fast", 2.5)])
def test_lookahead_evaluates_what_the_recipe_says(evaluate: str, value: float) -> None:
    spec = LookaheadSpec.model_validate({"k": 3, "evaluate": evaluate})
    _, lookahead = run_lookahead(spec, 4)
    (weight,) = lookahead.parameters
    with lookahead.evaluated():
        assert weight.item() == value
    assert weight.item() == 2.5


def test_lookahead_of_one_step_and_alpha_one_is_the_optimizer() -> None:
    seen, _ = run_lookahead(LookaheadSpec(k=1, alpha=1), 5)
    assert seen == [1, 2, 3, 4, 5]


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

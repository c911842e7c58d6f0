"""The six inits: what each draws, and that a seed draws it again."""

import math
from typing import get_args

import pytest
import torch
from torch import nn

from budgetnas.arch import PRESETS
from budgetnas.recipe import Init, KaimingNormal, Normal, Orthogonal, XavierNormal, XavierUniform
from budgetnas.train import initial_model

ARCH = PRESETS["modified-resnet-medium"]
INITS = [spec() for spec in get_args(get_args(Init)[0])]


def weight_of(init: Init) -> torch.Tensor:
    module = initial_model(ARCH, init, 0).get_submodule("stages.2.0.branch.conv2")
    assert isinstance(module, nn.Conv2d)
    return module.weight.detach()


def test_there_are_six() -> None:
    assert len(INITS) == 6


@pytest.mark.parametrize("init", INITS, ids=lambda init: init.name)
def test_the_same_seed_draws_the_same_and_leaves_the_global_generator_alone(init: Init) -> None:
    before = torch.random.get_rng_state()
    first, again, other = (initial_model(ARCH, init, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize(
    ("init", "deviation"),
    [
        # 128 channels in and out, 3x3: fan in and fan out are 1152
        (XavierUniform(), math.sqrt(2 * 2 / (2 * 1152))),
        (XavierNormal(), math.sqrt(2 * 2 / (2 * 1152))),
        (KaimingNormal(), math.sqrt(2 / 1152)),
        (Normal(), 0.02),
        (Orthogonal(), math.sqrt(1 / 1152)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_spread(init: Init, deviation: float) -> None:
    assert weight_of(init).std().item() == pytest.approx(deviation, rel=0.02)


def test_orthogonal_rows_are_orthonormal() -> None:
    rows = weight_of(Orthogonal()).flatten(1)
    assert torch.allclose(rows @ rows.T, torch.eye(len(rows)), atol=1e-5)

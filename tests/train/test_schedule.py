"""Schedules as tables: closed forms, torch as the oracle, and the first paper's twelve."""

import math
import warnings

import pytest
import torch
from torch.optim import lr_scheduler

from budgetnas.errors import InputError
from budgetnas.recipe import (
    SGD,
    Adam,
    Cosine,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    Recipe,
    Schedule,
    StepLR,
)
from budgetnas.train import schedule_table


def recipe(schedule: object, epochs: int = 200, lr: float = 0.1) -> Recipe:
    return Recipe.parse(
        {"epochs": epochs, "schedule": schedule, "optimizer": SGD(lr=lr, momentum=0.9)}, "test"
    )


def cyclic(**changes: object) -> CyclicLR:
    data = {"base_lr": 0.001, "max_lr": 0.1, "step_size_up": 5, **changes}
    return CyclicLR.parse(data, "test")


@pytest.mark.parametrize(
    ("schedule", "formula"),
    [
        (CosineAnnealingLR(), lambda t: 0.05 * (1 + math.cos(math.pi * t / 200))),
        (LambdaLR(), lambda t: 0.1 * 0.65**t),
        (MultiplicativeLR(), lambda t: 0.1 * 0.65 ** (t * (t + 1) / 2)),
        (StepLR(step_size=2), lambda t: 0.1 * 0.1 ** (t // 2)),
        (MultiStepLR(milestones=(6, 8, 9)), lambda t: 0.1 * 0.1 ** sum(t >= m for m in (6, 8, 9))),
        (ExponentialLR(), lambda t: 0.1 * 0.1**t),
        (
            CosineAnnealingWarmRestarts(T_0=10, eta_min=0.001),
            lambda t: 0.001 + 0.0495 * (1 + math.cos(math.pi * (t % 10) / 10)),
        ),
        (cyclic(), lambda t: 0.001 + 0.099 * (1 - abs(t % 10 / 5 - 1))),
        (
            cyclic(mode="triangular2"),
            lambda t: 0.001 + 0.099 * (1 - abs(t % 10 / 5 - 1)) / 2 ** (t // 10),
        ),
        (
            cyclic(mode="exp_range", gamma=0.85),
            lambda t: 0.001 + 0.099 * (1 - abs(t % 10 / 5 - 1)) * 0.85**t,
        ),
    ],
    ids=lambda value: getattr(value, "mode", None) or type(value).__name__,
)
def test_published_schedules_once_an_epoch(schedule: Schedule, formula: object) -> None:
    table = schedule_table(recipe(schedule), steps_per_epoch=3)
    assert callable(formula)
    expected = [formula(step // 3) for step in range(600)]
    assert table.lr == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_published_one_cycle_ends_at_epoch_100(strategy: str) -> None:
    one = OneCycleLR.parse(
        {"max_lr": 0.1, "total_steps": 100, "anneal_strategy": strategy}, "test"
    )
    table = schedule_table(recipe(one, epochs=100), 2)
    assert max(table.lr) == pytest.approx(0.1)
    assert table.momentum is not None
    assert min(table.momentum) == pytest.approx(0.85)
    with pytest.raises(InputError, match="OneCycleLR can't run for 101 epochs"):
        schedule_table(recipe(one, epochs=101), 2)


def test_a_length_that_is_left_out_is_the_runs() -> None:
    short = schedule_table(recipe(OneCycleLR(max_lr=0.1), epochs=7), 3)
    assert short.lr[-1] == pytest.approx(0.1 / 25 / 1e4)
    per_step = schedule_table(recipe(CosineAnnealingLR(per="step"), epochs=2), 5)
    assert per_step.lr == pytest.approx(
        [0.05 * (1 + math.cos(math.pi * t / 10)) for t in range(10)]
    )


def test_momentum_is_none_where_it_is_left_alone() -> None:
    assert schedule_table(recipe(StepLR()), 1).momentum is None
    assert schedule_table(recipe(cyclic(cycle_momentum=False)), 1).momentum is None
    cycled = schedule_table(recipe(cyclic()), 1).momentum
    assert cycled is not None
    assert (max(cycled), min(cycled)) == pytest.approx((0.9, 0.8))


def test_adams_first_beta_is_cycled() -> None:
    adam = recipe(cyclic()).changed(optimizer=Adam(lr=0.1))
    cycled = schedule_table(adam, 1).momentum
    assert cycled is not None
    assert min(cycled) == pytest.approx(0.8)


def test_torch_is_the_oracle_for_compositions() -> None:
    parts = [{"name": "LinearLR", "total_iters": 3}, {"name": "ExponentialLR", "gamma": 0.5}]
    for name, extra in (("SequentialLR", {"milestones": [3]}), ("ChainedScheduler", {})):
        table = schedule_table(recipe({"name": name, "schedulers": parts, **extra}, 8), 1)
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        built: list[lr_scheduler.LRScheduler] = [
            lr_scheduler.LinearLR(optimizer, total_iters=3),
            lr_scheduler.ExponentialLR(optimizer, 0.5),
        ]
        composed = (
            lr_scheduler.SequentialLR(optimizer, built, [3])
            if name == "SequentialLR"
            else lr_scheduler.ChainedScheduler(built)
        )
        expected = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(8):
                expected.append(optimizer.param_groups[0]["lr"])
                optimizer.step()
                composed.step()
        assert table.lr == pytest.approx(expected)


@pytest.mark.parametrize("epochs", [5, 200])
def test_cosine_with_warm_up_scales_with_the_run(epochs: int) -> None:
    table = schedule_table(recipe(Cosine(warmup=0.2, final=0.1), epochs), 10)
    peak = table.lr.index(max(table.lr)) / len(table.lr)
    assert peak == pytest.approx(0.2, abs=0.02)
    assert min(table.lr) > 0
    assert table.lr[-1] == pytest.approx(0.01, rel=0.02)
    assert table.momentum is None
    rising = table.lr[: int(0.2 * len(table.lr))]
    assert rising == sorted(rising)

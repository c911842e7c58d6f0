"""Lookahead and averaged weights, against arithmetic written out."""

import math

import pytest
import torch
from torch import nn
from torch.nn import Parameter

from budgetnas.recipe.optimizer import Average as AverageSpec
from budgetnas.recipe.optimizer import Lookahead as LookaheadSpec
from budgetnas.train.averaging import Average, Lookahead, average_weights


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


def test_an_average_begins_as_a_mean_and_then_forgets() -> None:
    spec = AverageSpec(horizon=0.5, every=1)
    weights = average_weights(spec, 20)  # reaches back over 10 steps
    assert weights[:3] == [1, 1 / 2, 1 / 3]
    assert weights[19] == pytest.approx(1 - math.exp(-1 / 10))
    assert len(average_weights(AverageSpec(every=5), 13)) == 3
    assert average_weights(AverageSpec(every=100), 7) == [1]


def averaged(spec: AverageSpec, steps: int, done: int) -> tuple[Average, nn.BatchNorm1d]:
    """Let all weights and statistics of a norm grow by 1 each step."""
    model = nn.BatchNorm1d(1)
    average = Average(model, spec, steps)
    for number in range(1, done + 1):
        with torch.no_grad():
            for tensor in (model.weight, model.bias, model.running_mean, model.running_var):
                assert tensor is not None
                tensor.fill_(number)
        average.step(number, torch.tensor([number - 1]))
    return average, model


@pytest.mark.parametrize("every", [1, 3])
def test_weights_and_statistics_are_averaged_every_so_many_steps(every: int) -> None:
    spec = AverageSpec(horizon=0.2, every=every)
    average, model = averaged(spec, 30, 20)
    expected = 0.0
    for update, weight in enumerate(average_weights(spec, 30), 1):
        if update * every <= 20:
            expected += weight * (update * every - expected)
    with average.evaluated(20):
        for tensor in (model.weight, model.bias, model.running_mean, model.running_var):
            assert tensor is not None
            assert tensor.item() == pytest.approx(expected, rel=1e-5)
    assert model.weight.item() == 20


def test_before_its_first_update_an_average_stands_for_nothing() -> None:
    average, model = averaged(AverageSpec(every=5), 30, 4)
    with average.evaluated(4):
        assert model.weight.item() == 4

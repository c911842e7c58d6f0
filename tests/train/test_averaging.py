"""Lookahead and averaged weights, against arithmetic written out."""

import math

import pytest
import torch
from torch import nn
from torch.nn import Parameter

from budgetnas.recipe import Average as AverageSpec
from budgetnas.recipe import Lookahead as LookaheadSpec
from budgetnas.train._weights import Average, Lookahead, average_weights


def run_lookahead(
    spec: LookaheadSpec, done: int, steps: int = 1_000
) -> tuple[list[float], Lookahead]:
    """Let the fast weight grow by 1 each step of a run; return it after each that is done."""
    weight = Parameter(torch.zeros(1))
    lookahead = Lookahead([weight], spec, steps)
    seen = []
    for number in range(1, done + 1):
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
    with lookahead.evaluated(4):
        assert weight.item() == value
    assert weight.item() == 2.5


def evaluated_after(spec: LookaheadSpec, done: int, steps: int) -> float:
    _, lookahead = run_lookahead(spec, done, steps)
    with lookahead.evaluated(done):
        return lookahead.parameters[0].item()


@pytest.mark.parametrize(("phase", "first"), [("paper", 5), ("efficient-resnets", 6)])
def test_before_slow_weights_have_moved_the_fast_ones_count(phase: str, first: int) -> None:
    spec = LookaheadSpec.model_validate({"k": 5, "phase": phase})
    assert [evaluated_after(spec, n, 100) for n in range(1, first)] == list(range(1, first))
    assert evaluated_after(spec, first, 100) < first
    too_short = [evaluated_after(spec, n, n) for n in range(1, first)]
    assert too_short == list(range(1, first)), "a run's end mixes no initial weights in"


@pytest.mark.parametrize(
    ("phase", "by_step"),
    [
        # slow 2.5 at 5, 0.5 of each step's move since
        ("paper", {5: 2.5, 6: 3.0, 8: 4.0, 9: 4.5, 10: 5.0, 11: 5.5}),
        # slow 1 at 1, 3.5 at 6
        ("efficient-resnets", {6: 3.5, 7: 4.0, 9: 5.0, 11: 6.0}),
    ],
)
def test_the_end_of_a_run_synchronises(phase: str, by_step: dict[int, float]) -> None:
    spec = LookaheadSpec.model_validate({"k": 5, "phase": phase})
    assert {n: evaluated_after(spec, n, n) for n in by_step} == by_step
    assert evaluated_after(spec, 9, 10) == min(by_step.values()), "one step before it: not yet"


@pytest.mark.parametrize("phase", ["paper", "efficient-resnets"])
def test_where_the_fast_weights_are_evaluated_the_end_changes_nothing(phase: str) -> None:
    spec = LookaheadSpec.model_validate({"k": 5, "phase": phase, "evaluate": "fast"})
    for steps in range(1, 12):
        assert run_lookahead(spec, steps, steps)[0] == run_lookahead(spec, steps)[0]
        assert evaluated_after(spec, steps, steps) == run_lookahead(spec, steps)[0][-1]


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


@pytest.mark.parametrize(("every", "steps"), [(5, 3), (5, 9), (4, 8), (3, 10)])
def test_an_average_contains_the_last_step(every: int, steps: int) -> None:
    spec = AverageSpec(horizon=0.01, every=every)  # reaches back over no step at all
    average, model = averaged(spec, steps, steps)
    with average.evaluated(steps):
        assert model.weight.item() == pytest.approx(steps, abs=1e-2)

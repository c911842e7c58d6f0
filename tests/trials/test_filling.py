"""The counter inverted: whatever is drawn fits, and fills what it was drawn to fill."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetnas.arch import Arch, Budget, count_params, fits, load
from budgetnas.space import Fill, RandomSuggester, Space
from budgetnas.trials._drawing import Limits, draw_filled, filled, fitting

SPACES = {
    "default": Space(),
    "everything": Space.from_table(
        {"arch": {
            "block": ["basic", "bottleneck", "preact"], "stages": {"low": 1, "high": 7},
            "width": {"low": 4, "high": 128, "step": 4}, "depth": [1, 3], "kernel": [1, 3, 5],
            "stem_width": [4, 8, 12], "se": ["none", "stem", "block"], "se_reduction": [2, 16],
            "norm": ["batch", "none"], "stage": {"1": {"width": [8, 12]}, "2": {"depth": 2}},
        }}, "test",
    ),
    "one width": Space.from_table({"arch": {"width": 8, "stages": [1, 3]}}, "test"),
}  # fmt: skip


@given(
    st.sampled_from(sorted(SPACES)),
    st.floats(0, 1),
    st.integers(0, 10_000),
    st.sampled_from([8, 32]),
)
def test_every_draw_fits_whatever_the_limits(name: str, size: float, seed: int, side: int) -> None:
    """From the very smallest network of the space to a thousand times as much."""
    space = SPACES[name]
    least = space.smallest(3, 10)
    limits = (Budget(limit=int(count_params(least) * 1000**size)),)
    arch = draw_filled(Fill(space=space), RandomSuggester(seed), Limits(limits, side, 3, 10)).arch
    assert fits(limits, arch, side)
    assert space.holds(arch)


@given(st.integers(0, 10_000), st.sampled_from(["5M", "1M", "200k"]), st.sampled_from([10, 10**7]))
def test_the_default_space_fills_what_was_wanted(seed: int, budget: str, macs_each: int) -> None:
    limit = Budget.from_text(budget)
    limits = limit, Budget(limit=limit.limit * macs_each, cost="macs")
    arch = draw_filled(Fill(), RandomSuggester(seed), Limits(limits, 32, 3, 10)).arch
    filling = load(limits, arch, 32)
    assert filling <= 1
    if macs_each > 10 and budget != "200k":  # else widths in steps of 8 are coarse
        assert filling >= 0.8


def test_the_shape_is_left_as_it_was_drawn() -> None:
    shape = Arch.model_validate(
        {"block": "basic", "stem_width": 8, "stages": [
            {"width": 8, "depth": 4}, {"width": 8, "depth": 4}, {"width": 8, "depth": 3}]}
    )  # fmt: skip
    arch = filled(Space(), shape, [2, 2], 0.94, 0.8, Limits((Budget.from_text("5M"),), 32, 3, 10))
    assert [stage.depth for stage in arch.stages] == [4, 4, 3]
    assert [stage.width for stage in arch.stages] == [64, 128, 256]
    assert count_params(arch) == 4_697_162, "the first paper's, without its gate"


def test_it_is_the_nearest_of_all_widths() -> None:
    """Of a space that is small enough to try everything."""
    space = Space.from_table(
        {"arch": {"width": {"low": 8, "high": 32, "step": 8}, "stages": 2, "depth": 1}}, "test"
    )
    suggester = RandomSuggester(0)
    for fill in (0.3, 0.6, 0.9, 1.0):
        shape = space.draw(suggester, 3, 10, widths=False).arch
        limits = (Budget(limit=20_000),)
        arch = filled(space, shape, [1.0], fill, 0.0, Limits(limits, 32, 3, 10))
        found = load(limits, arch, 32)
        every = [
            shape.changed(stem_width=w, stages=tuple(
                stage.changed(width=width)
                for stage, width in zip(shape.stages, (w, v), strict=True)))
            for w, v in product(range(8, 33, 8), repeat=2)
        ]  # fmt: skip
        loads = [load(limits, arch, 32) for arch in every]
        nearest = min(abs(each - fill) for each in loads if each <= 1)
        assert abs(found - fill) <= nearest + 0.005


def test_a_shape_that_is_too_deep_loses_blocks_then_stages() -> None:
    shape = Arch.model_validate(
        {"block": "basic", "stem_width": 8, "stages": [{"width": 8, "depth": 5}] * 4}
    )
    depths = []
    for limit in (25_000, 20_000, 8_000, 4_000):
        smaller = fitting(Space(), shape, Limits((Budget(limit=limit),), 32, 3, 10))
        depths.append([stage.depth for stage in smaller.stages])
    assert depths == [[5, 5, 5, 5], [4, 4, 4, 4], [2, 2, 1, 1], [1, 1]]


def test_a_budget_of_the_smallest_network_leaves_one() -> None:
    least = Space().smallest(3, 10)
    limits = (Budget(limit=count_params(least)),)
    for seed in range(20):
        arch = draw_filled(Fill(), RandomSuggester(seed), Limits(limits, 32, 3, 10)).arch
        assert count_params(arch) == count_params(least)


@pytest.mark.parametrize("cost", ["macs", "bytes-8"])
def test_what_is_filled_is_the_tightest_limit(cost: str) -> None:
    limits = Budget.from_text("5M"), Budget.from_text("500k", cost)
    for seed in range(10):
        arch = draw_filled(Fill(), RandomSuggester(seed), Limits(limits, 8, 3, 10)).arch
        assert 0.5 < limits[1].excess(arch, 8) / limits[1].limit + 1 <= 1

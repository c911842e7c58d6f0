"""Spaces: every draw is valid, files narrow them, and the smallest network is the smallest."""

import tomllib
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetnas.arch import Arch, Budget, count_params
from budgetnas.errors import InputError
from budgetnas.recipe import RECIPES, ClipNorm
from budgetnas.space import Overrides, RandomSuggester, Space, least, values
from budgetnas.space._domains import Range, greatest, least_common, undivided

EVERYTHING = """
[arch]
block = ["basic", "bottleneck", "preact"]
stages = { low = 1, high = 4 }
width = { low = 4, high = 16, step = 4 }
depth = [1, 2]
kernel = { low = 1, high = 5, step = 2 }
shortcut_kernel = [1, 9]
stem_width = [4, 10]
se_reduction = [4, 8]
norm = ["batch", "none"]
dropout = { low = 0.0, high = 0.5 }
[arch.stage.2]
width = 8
[recipe]
lr = { low = 0.01, high = 1.0, log = true }
momentum = [0.8, 0.9]
weight_decay = [0.0, 5e-4]
batch_size = [64, 128]
lookahead = [true, false]
lookahead_k = { low = 1, high = 10 }
lookahead_alpha = [0.5, 0.8]
clip = ["off", "norm", "value"]
clip_limit = [0.1, 1.0]
"""


def space(text: str) -> Space:
    Path("space.toml").write_text(text)
    return Space.from_file(Path("space.toml"))


def test_a_file_says_only_what_differs() -> None:
    narrowed = space("[arch]\nstages = 3\nwidth = { low = 16, high = 32 }\n")
    assert narrowed.arch.stages == 3
    assert narrowed.arch.width == Range(low=16, high=32)
    assert narrowed.arch.depth == Space().arch.depth


def test_spaces_survive_toml() -> None:
    for each in (Space(), space(EVERYTHING)):
        assert Space.parse(tomllib.loads(each.to_toml()), "test") == each


@given(st.integers(0, 10_000))
def test_draws_stay_inside(seed: int) -> None:
    arch, overrides = space(EVERYTHING).draw(RandomSuggester(seed), 1, 7)
    assert (arch.in_channels, arch.num_classes) == (1, 7)
    assert arch.stem_width in (4, 10)
    for number, stage in enumerate(arch.stages, start=1):
        assert stage.width in ((8,) if number == 2 else (4, 8, 12, 16))
        assert stage.kernel in (1, 3, 5)
        assert stage.shortcut_kernel in (1, 9)
    assert overrides.lr is not None
    assert 0.01 <= overrides.lr <= 1
    assert (overrides.lookahead_k is None) == (overrides.lookahead is False)
    assert (overrides.clip_limit is None) == (overrides.clip == "off")


def test_optuna_and_the_random_suggester_agree_on_the_ranges() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    suggester = RandomSuggester(0)
    widths: list[set[int]] = [set(), set()]
    for _ in range(300):
        archs = [Space().draw(study.ask(), 3, 10).arch, Space().draw(suggester, 3, 10).arch]
        for seen, arch in zip(widths, archs, strict=True):
            seen |= {stage.width for stage in arch.stages}
    for seen in widths:
        assert min(seen) == 8
        assert max(seen) > 400
        assert all(width % 8 == 0 for width in seen)


def test_parameters_say_what_was_drawn() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    arch = Space().draw(trial, 3, 10).arch
    assert trial.params["stages"] == len(arch.stages)
    assert trial.params["width_1/8"] * 8 == arch.stages[0].width
    assert trial.params["depth_2"] == arch.stages[1].depth
    assert "kernel_1" not in trial.params, "a fixed field is nobody's choice"


@pytest.mark.parametrize(
    "text",
    [
        "",
        EVERYTHING,
        "[arch]\nstem_width = 16\nwidth = [12, 16]\nshortcut_kernel = 9\nstages = 2",
        "[arch]\nstages = [3]\nse = ['block']\nse_reduction = [2, 4]",
    ],
)
def test_nothing_drawn_is_smaller_than_the_smallest(text: str) -> None:
    each, suggester = space(text), RandomSuggester(0)
    for classes in (2, 100):
        least = count_params(each.smallest(3, classes))
        drawn = [count_params(each.draw(suggester, 3, classes).arch) for _ in range(500)]
        assert min(drawn) >= least


def test_the_smallest_of_a_tiny_space_by_enumeration() -> None:
    each = space(
        "[arch]\nblock = ['basic', 'preact']\nstages = [1, 2]\nwidth = [12, 16]\ndepth = 1\n"
        "shortcut_kernel = 9\nstem_width = 16\nse = 'none'\n"
    )
    archs = [
        Arch.parse(
            {"block": block, "stem_width": 16, "stages": [
                {"width": w, "depth": 1, "shortcut_kernel": 9} for w in widths]}, "test",
        )
        for block in ("basic", "preact")
        for widths in ([12], [16], [12, 12], [12, 16], [16, 12], [16, 16])
    ]  # fmt: skip
    assert count_params(each.smallest(3, 10)) == min(map(count_params, archs))


whole = st.integers(1, 30)
domains: st.SearchStrategy[Any] = st.one_of(
    whole,
    st.lists(whole, min_size=1, max_size=6, unique=True).map(tuple),
    st.builds(
        lambda low, steps, step: Range(low=low, high=low + steps * step, step=step),
        whole, st.integers(0, 9), st.integers(1, 9),
    ),
)  # fmt: skip


@given(domains, domains, whole)
def test_what_is_said_of_a_domain_without_listing_it(one: Any, other: Any, divisor: int) -> None:
    listed = set(values(one))
    assert (least(one), greatest(one)) == (min(listed), max(listed))
    assert least_common(one, other) == sorted(listed & set(values(other)))[:1]
    odd = [value for value in values(one) if value % divisor != 1]
    assert bool(undivided(one, divisor, 1)) == bool(odd)
    assert set(undivided(one, divisor, 1)) <= set(odd)


def test_the_widest_space_is_read_and_drawn_from() -> None:
    widest = space(
        "[arch]\nblock = ['basic', 'bottleneck', 'preact']\nstages = { low = 1, high = 12 }\n"
        "width = { low = 4, high = 1000000, step = 4 }\ndepth = { low = 1000, high = 1000 }\n"
        "stem_width = { low = 1, high = 1000000 }\nse_reduction = { low = 1, high = 1000000 }\n"
        "[recipe]\nlr = { low = 5e-324, high = 1e6, log = true }\n"
    )
    assert str(widest.smallest(3, 10)) == "bottleneck [1000] x (4), stem 1"
    for seed in range(10):
        lr = widest.draw(RandomSuggester(seed), 3, 10).overrides.lr
        assert lr is not None
        assert 0 < lr <= 1e6


def test_most_draws_of_the_default_space_fit_5m() -> None:
    budget = Budget.from_text("5M")
    suggester = RandomSuggester(0)
    fit = sum(budget.excess(Space().draw(suggester, 3, 10).arch) <= 0 for _ in range(2_000))
    assert 0.67 < fit / 2_000 < 0.74  # the README says 70 %


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[arch]\nwidht = 8", "arch.widht: unknown key, known: block, depth, dropout"),
        ("[arch]\nkernel = [3, 4]", "a kernel must be odd, got 4"),
        ("[arch]\nkernel = { low = 1, high = 4 }", "kernel.high: a kernel must be odd"),
        (
            "[arch]\nwidth = { low = 1, high = 1000000000 }",
            "width.high: must be less than or equal",
        ),
        ("[arch]\ndropout = { low = 0.5, high = 2 }", "dropout.high: must be less than 1, got 2"),
        ("[recipe]\nlr = { low = -1.0, high = 1 }", "lr.low: must be greater than 0, got -1.0"),
        ("[arch]\nkernel = { low = 1, high = 5 }", "kernels must be odd, the space has 2"),
        ("[arch]\ndepth = { low = 3, high = 2 }", "low <= high must hold, got low=3, high=2"),
        ("[arch]\nwidth = { low = 8, high = 20, step = 8 }", "steps must lead from low to high"),
        ("[arch]\nblock = ['basic', 'dense']", "unknown block 'dense', known: basic, bottleneck"),
        ("[arch]\nblock = 'bottleneck'\nwidth = [8, 10]", "divisible by 4, the space has 10"),
        ("[arch]\nwidth = []", "width: at least 1 needed, got []"),
        ("[arch]\nstages = 99", "must be less than or equal to 12, got 99"),
        ("[arch.stage.0]\nwidth = 8", "must be greater than or equal to 1"),
        ("[arch.stage.2]\nfoo = 8", "unknown key, known: depth, kernel, shortcut_kernel, width"),
        ("[recipe]\nlr = 0", "lr: must be greater than 0, got 0"),
        ("[recipe]\nlr = { low = 0.1, high = 1, step = 0.1 }", "step"),
        ("[recipe]\nlookahead = 'yes please'", "lookahead"),
        ("arch = 3", "arch: must be a table of keys, got 3"),
        ("[search]", "search: unknown key, known: arch, recipe"),
        ("[arch", "not valid TOML"),
        ("[arch]\nwidth = [8, 8]", "arch.width: choices must differ, got 8 twice"),
        ("[arch]\nwidth = 8.0", "arch.width: must be a whole number, got 8.0"),
        ("[arch]\nwidth = {low = 8, high = true}", "width.high: must be a whole number, got True"),
        ("[arch]\nkernel = {low = 1, high = 98, step = 1}", "kernel.high: a kernel must be odd"),
        ("[arch.stage.01]\nwidth = 8", "arch.stage.01: must be a whole number, got '01'"),
        ("[arch.stage.13]\nwidth = 8", "arch.stage.13: must be less than or equal to 12"),
    ],
)
def test_what_a_file_can_not_say(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        space(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("space.toml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ({}, {}),
        ({"lr": 0.5, "momentum": 0.8}, {"lr": 0.5, "momentum": 0.8}),
        ({"lookahead": False}, {"lookahead": None}),
        ({"lookahead_k": 9}, {"k": 9}),
        ({"clip": "norm", "clip_limit": 3.0}, {"clip": ClipNorm(limit=3.0)}),
        ({"clip": "off"}, {"clip": None}),
        ({"batch_size": 32}, {"batch_size": 32}),
    ],
)
def test_drawn_values_replace_the_recipes(drawn: dict[str, Any], expected: dict[str, Any]) -> None:
    short = RECIPES["short"]
    recipe = Overrides(**drawn).apply(short)
    seen = {
        **recipe.optimizer.model_dump(),
        **(recipe.lookahead.model_dump() if recipe.lookahead else {}),
        **{name: getattr(recipe, name) for name in ("lookahead", "clip", "batch_size")},
    }
    assert {name: seen[name] for name in expected} == expected
    if not drawn:
        assert recipe == short


def test_drawn_fields_without_effect_leave_the_recipe_equal() -> None:
    off = RECIPES["short"].changed(lookahead=None)
    assert Overrides(lookahead_k=9).apply(off) == off

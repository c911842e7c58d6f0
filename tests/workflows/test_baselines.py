"""Networks scaled until they fill their limits, and the table of baselines."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetnas.analysis import FILLED
from budgetnas.arch import PRESETS, Arch, Budget, Stage, count_params, fits, load
from budgetnas.space import Free
from budgetnas.trials import Limits
from budgetnas.workflows.compare import BASELINES, baselines, scaled
from tests.analysis.made import config_of

BOTTLENECK = Arch(
    block="bottleneck", stem_width=16,
    stages=(Stage(width=64, depth=2), Stage(width=96, depth=1, kernel=5)),
)  # fmt: skip
NETWORKS = {**PRESETS, "bottleneck": BOTTLENECK}
LIMITS = st.builds(Budget, limit=st.integers(2_000, 6_000_000))
MACS = st.builds(Budget, limit=st.integers(1_000_000, 500_000_000), cost=st.just("macs"))


def step_of(arch: Arch, made: Arch) -> int:
    """What widths are multiples of, by the narrowest."""
    widths = [stage.width for stage in made.stages]
    if min(widths) >= 32 and not any(width % 8 for width in widths):
        return 8
    return 4 if arch.block == "bottleneck" else 1


def factors(arch: Arch, made: Arch, step: int) -> tuple[float, float]:
    """The factors whose rounding makes these widths: from, to."""
    ends = [
        ((new.width - step / 2) / old.width, (new.width + step / 2) / old.width)
        for old, new in zip(arch.stages, made.stages, strict=True)
    ]
    return max(low for low, _ in ends), min(high for _, high in ends)


def widened(arch: Arch, factor: float, step: int) -> Arch:
    def width_of(width: int) -> int:
        return max(step, step * math.floor(width * factor / step + 0.5))

    stages = tuple(stage.changed(width=width_of(stage.width)) for stage in arch.stages)
    follows = arch.stem_width == arch.stages[0].width
    return arch.changed(stages=stages, stem_width=stages[0].width if follows else arch.stem_width)


@given(st.sampled_from(sorted(NETWORKS)), LIMITS, st.none() | MACS, st.sampled_from([8, 32]))
def test_it_fits_all_limits_and_nothing_of_its_proportions_comes_nearer(
    name: str, budget: Budget, macs: Budget | None, size: int
) -> None:
    arch, limits = NETWORKS[name], [budget, *([macs] if macs else [])]
    made = scaled(arch, Limits(tuple(limits), size, 3, 10))
    if made is None:
        finest = 4 if arch.block == "bottleneck" else 1
        least = widened(arch, finest / min(stage.width for stage in arch.stages), finest)
        assert not fits(limits, least, size)
        return
    assert fits(limits, made, size)
    step = step_of(arch, made)
    low, high = factors(arch, made, step)
    assert low <= high, "one factor makes all widths"
    assert [stage.changed(width=1) for stage in made.stages] == [
        stage.changed(width=1) for stage in arch.stages
    ]
    if arch.stem_width == arch.stages[0].width:
        assert made.stem_width == made.stages[0].width
    else:
        assert made.stem_width == arch.stem_width
    for factor in (1 + 1e-9, *(1.01**place for place in range(1, 150))):
        wider = widened(arch, high * factor, step)
        if fits(limits, wider, size):
            assert load(limits, wider, size) <= load(limits, made, size)


@pytest.mark.parametrize("name", PRESETS)
def test_a_network_that_fills_its_own_budget_stays_as_it_is(name: str) -> None:
    arch = PRESETS[name]
    exactly = [Budget(limit=count_params(arch))]
    assert scaled(arch, Limits(tuple(exactly), 32, 3, 10)) == arch
    narrower = scaled(arch, Limits((Budget(limit=count_params(arch) - 1),), 32, 3, 10))
    assert narrower is not None
    assert count_params(narrower) < count_params(arch)


def test_it_is_made_wider_and_narrower() -> None:
    arch = PRESETS["wrn-16-4"]
    for limit in (100_000, 50_000_000):
        made = scaled(arch, Limits((Budget(limit=limit),), 32, 3, 10))
        assert made is not None
        assert 0.9 * limit < count_params(made) <= limit
        assert (made.stem_width, made.block) == (16, "preact")


def test_baselines_are_fitted_to_the_images() -> None:
    config = config_of(Free(), budget=Budget(limit=200_000))
    made, missing = baselines(config)
    assert (list(made), missing) == (list(BASELINES), [])
    assert {(arch.in_channels, arch.num_classes) for arch in made.values()} == {(1, 3)}
    assert count_params(made["modified-resnet-large"]) > 200_000, "which its grid will say"
    for name in ("wrn-16 at the budget", FILLED):
        assert 190_000 < count_params(made[name]) <= 200_000


def test_a_baseline_that_never_fits_is_named() -> None:
    made, missing = baselines(config_of(Free(), budget=Budget(limit=150)))
    assert FILLED not in made
    rule = f"no {FILLED}: not even its narrowest network has at most 150 parameters"
    assert rule in missing

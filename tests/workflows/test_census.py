"""What a space holds, and what fits: against drawing up a list of everything."""

from itertools import product

import pytest

from budgetnas.arch import SE, Arch, Budget, Stage, count_params, fits
from budgetnas.space import Space
from budgetnas.trials import Limits
from budgetnas.workflows import _census as room
from budgetnas.workflows._census import census

TABLE = {
    "block": ["basic", "preact"], "stages": [1, 2], "width": [4, 12], "depth": [1, 2],
    "kernel": [1, 3], "shortcut_kernel": 1, "stem_width": [4, 8], "se": ["none", "block"],
    "se_reduction": [2, 4], "norm": ["batch", "none"],
}  # fmt: skip
TINY = Space.from_table({"arch": TABLE}, "test")
LIMITS = (Budget(limit=3_000), Budget(limit=150_000, cost="macs"))


def everything() -> list[Arch]:
    stage = [Stage(width=w, depth=d, kernel=k) for w, d, k in product((4, 12), (1, 2), (1, 3))]
    gates = [None, SE(where="block", reduction=2), SE(where="block", reduction=4)]
    return [
        Arch.model_validate(
            {"block": block, "stem_width": stem, "stages": stages, "se": se, "norm": norm}
        )
        for block, stem, se, norm in product(("basic", "preact"), (4, 8), gates, ("batch", "none"))
        for number in (1, 2)
        for stages in product(stage, repeat=number)
    ]


def test_all_are_counted_one_by_one() -> None:
    listed = everything()
    found = census(TINY, Limits(LIMITS, 8, 3, 10))
    fitting = [arch for arch in listed if fits(LIMITS, arch, 8)]
    assert (found.held, found.looked_at, found.fitting) == (len(listed), len(listed), len(fitting))
    assert 0 < found.share < 1
    assert found.exact
    assert found.low == found.high == found.share
    assert found.largest in fitting


def test_the_largest_that_fits() -> None:
    limits = (Budget(limit=3_000),)
    found = census(TINY, Limits(limits, 8, 3, 10))
    assert found.largest is not None
    fitting = [arch for arch in everything() if fits(limits, arch, 8)]
    assert count_params(found.largest) == max(map(count_params, fitting))


def test_a_sample_tells_about_all(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = census(TINY, Limits(LIMITS, 8, 3, 10))
    monkeypatch.setattr(room, "EXACT", 100)
    monkeypatch.setattr(room, "SAMPLE", 2_000)
    missed = 0
    for seed in range(40):
        found = census(TINY, Limits(LIMITS, 8, 3, 10), seed)
        assert (found.held, found.looked_at, found.exact) == (exact.held, 2_000, False)
        missed += not found.low <= exact.share <= found.high
    assert missed <= 6, "an interval of 95 % misses 2 of 40, and rarely more than 6"


def test_nothing_fits() -> None:
    found = census(TINY, Limits((Budget(limit=10),), 8, 3, 10))
    assert (found.fitting, found.share, found.largest) == (0, 0, None)


def test_the_default_space_is_too_large_to_list() -> None:
    found = census(Space(), Limits((Budget.from_text("5M"),), 32, 3, 10))
    widths, depths, kernels = 64, 5, 2
    stages = sum((widths * depths * kernels) ** number for number in (2, 3, 4))
    assert found.held == 2 * 3 * stages
    assert 0.05 < found.low < found.share < found.high < 0.07

"""Counting many architectures at once is counting each of them."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from budgetnas.arch import COSTS, SE, Arch, Stage, count_params
from budgetnas.trials._drawing import archs_at
from tests.archs import random_arch


def fields(archs: list[Arch], place: int, name: str) -> NDArray[np.int64]:
    return np.array([getattr(arch.stages[place], name) for arch in archs], dtype=np.int64)


def stage_of(width: Any, depth: Any) -> Stage:
    return Stage.model_construct(width=width, depth=depth)


def many(*stages: Stage, stem: Any = None, se: SE | None = None) -> Arch:
    """Describe many architectures at once; without a stem of their own the first stage's is it."""
    stem = stages[0].width if stem is None else stem
    return Arch.model_construct(block="basic", stem_width=stem, stages=stages, se=se)


def together(archs: list[Arch], stem: NDArray[np.int64] | None) -> Arch:
    """Put architectures of one kind into arrays."""
    stages = [
        archs[0]
        .stages[place]
        .model_copy(update={name: fields(archs, place, name) for name in Stage.model_fields})
        for place in range(len(archs[0].stages))
    ]
    stem_width = stages[0].width if stem is None else stem
    return archs[0].model_copy(update={"stages": stages, "stem_width": stem_width})


def alike(seed: int, n: int) -> list[Arch]:
    """Draw architectures that differ in numbers only."""
    rng = random.Random(seed)
    first = random_arch(rng)
    unit = 4 if first.block == "bottleneck" else 1

    def another() -> Arch:
        stages = tuple(
            stage.changed(
                width=unit * rng.randint(1, 30), depth=rng.randint(1, 5),
                kernel=rng.choice([1, 3, 5]), shortcut_kernel=rng.choice([1, 3]),
            )
            for stage in first.stages
        )  # fmt: skip
        return first.changed(stages=stages, stem_width=stages[0].width)

    return [another() for _ in range(n)]


@given(st.integers(0, 10_000))
def test_arrays_count_what_each_counts(seed: int) -> None:
    same = alike(seed, 7)
    apart = [arch.changed(stem_width=arch.stages[0].width + 1) for arch in same]
    for archs, stem in (
        (same, None),
        (apart, np.array([arch.stem_width for arch in apart], dtype=np.int64)),
    ):
        for cost in COSTS.values():
            counted = cost(together(archs, stem), 32)
            assert list(np.broadcast_to(counted, len(archs))) == [cost(a, 32) for a in archs]


def test_numbers_beside_arrays() -> None:
    archs = many(stage_of(np.array([8, 16]), 2), stage_of(np.array([16, 8]), 1))
    each = [
        Arch.model_validate(
            {"block": "basic", "stem_width": w, "stages": [
                {"width": w, "depth": 2}, {"width": v, "depth": 1}]}
        )
        for w, v in ((8, 16), (16, 8))
    ]  # fmt: skip
    assert list(np.asarray(count_params(archs))) == [count_params(arch) for arch in each]
    assert list(np.asarray(count_params(archs_at(archs, slice(1, None))))) == [
        count_params(each[1])
    ]


def test_stems_of_both_kinds_are_refused() -> None:
    stage = stage_of(np.array([8, 16]), 1)
    with pytest.raises(ValueError, match="stems must differ from the first stage everywhere"):
        count_params(many(stage, stem=np.array([4, 16])))
    with pytest.raises(ValueError, match="stems must differ"):
        count_params(many(stage, stem=8))


def test_a_gate_has_at_least_one_channel_in_arrays_too() -> None:
    widths = np.array([4, 16, 64])
    gated = many(stage_of(widths, 1), se=SE(where="block", reduction=16))
    plain = many(stage_of(widths, 1))
    gates = np.asarray(count_params(gated)) - np.asarray(count_params(plain))
    assert list(gates) == [2 * w * m + w + m for w, m in ((4, 1), (16, 1), (64, 4))]

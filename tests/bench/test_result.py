"""What follows from what was measured, against numbers computed by hand."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from budgetnas.arch import PRESETS, count_macs
from budgetnas.bench import WAYS, BenchResult, Setup, draw_pictures, make_plan, measure
from budgetnas.bench._bench import engine_epochs, kernels, share_outside_kernels, union
from budgetnas.bench._result import RATES, floor_seconds, known_rate
from tests.bench.small import CPU, tiny_plan


def test_turns_alternate_and_warm_up_once() -> None:
    turns: list[str] = []

    def loop(name: str) -> Iterator[None]:
        while True:
            turns.append(name)
            yield

    told: list[tuple[str, int, int]] = []
    seconds = measure(
        {way: loop(way) for way in WAYS}, 2, CPU, lambda what, n, of: told.append((what, n, of))
    )
    assert turns == [*WAYS] * 3
    assert {way: len(taken) for way, taken in seconds.items()} == dict.fromkeys(WAYS, 2)
    assert told[0] == ("warming up, usual", 0, 9)
    assert told[-1] == ("epoch 2 of 2, engine", 8, 9)


def test_ratios_are_medians_of_rounds() -> None:
    seconds = {"usual": [8.0, 4.0, 6.0], "tuned": [4.0, 1.0, 3.0], "engine": [2.0, 2.0, 1.0]}
    result = BenchResult(tiny_plan(images=40), "a machine", seconds, None, None)  # type: ignore[arg-type]
    assert result.ratio == {"usual": 4.0, "tuned": 2.0}  # of 4, 2, 6 and of 2, 0.5, 3
    assert result.images_per_second == {"usual": 40 / 6, "tuned": 40 / 3, "engine": 20.0}
    answer = result.as_json()
    assert answer["rounds"]["engine"] == [20.0, 20.0, 40.0]
    assert answer["floor"] is answer["over_floor"] is answer["workers"] is None


def test_the_reference_nets_floor() -> None:
    macs = count_macs(PRESETS["efficient-resnet"])
    assert macs == pytest.approx(798.7e6, rel=1e-4)
    rate = known_rate("NVIDIA H200")
    assert rate is not None
    # 798.7 million, twice, three times, 50,000 times, at 790 TFLOP/s
    assert floor_seconds(macs, 50_000, rate) == pytest.approx(0.303, abs=5e-4)
    a100 = known_rate("NVIDIA A100-SXM4-80GB")
    assert a100 is not None
    assert floor_seconds(1_000_000, 1_000, a100) == pytest.approx(6e9 / 312e12)


@pytest.mark.parametrize(
    ("name", "tera"),
    {
        "NVIDIA H200": 790,
        "NVIDIA H100 80GB HBM3": 989,
        "NVIDIA H100 PCIe": 756,
        "NVIDIA A100-PCIE-40GB": 312,
        "A100-SXM4-40GB": 312,
        "NVIDIA A100 80GB PCIe": 312,
        "NVIDIA GeForce RTX 4090": 165,
        "NVIDIA L4": 121,
        "NVIDIA L40S": None,
        "NVIDIA GH200 480GB": None,
        "NVIDIA GeForce RTX 4090 D": None,
        "NVIDIA A100-SXM4-80GB MIG 1g.10gb": None,
        "Tesla T4": None,
        "AMD EPYC, 2 threads": None,
    }.items(),
)
def test_a_rate_is_of_just_that_device(name: str, tera: int | None) -> None:
    rate = known_rate(name)
    assert (rate and rate.flops) == (tera and tera * 1e12)
    assert all(rate.source for rate in RATES.values())


def test_kernels_that_overlap_count_once() -> None:
    assert union([(0.0, 1.0), (0.5, 2.0), (3.0, 4.0), (3.2, 3.4)]) == 3.0
    assert union([]) == 0
    marks = [(start, start + 1.0) for start in range(50)]
    assert union(random.Random(0).sample(marks, 50)) == 50


def test_only_kernels_are_kernels() -> None:
    trace = {
        "traceEvents": [
            {"ph": "X", "cat": "kernel", "name": "sgemm", "ts": 2e6, "dur": 5e5},
            {"ph": "X", "cat": "gpu_memcpy", "name": "Memcpy HtoD", "ts": 0.0, "dur": 9e6},
            {"ph": "X", "cat": "gpu_user_annotation", "name": "step", "ts": 0.0, "dur": 9e6},
            {"ph": "M", "name": "process_name"},
        ]
    }
    assert kernels(trace) == [(2.0, 2.5)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("captured", [False, True])
def test_a_gpus_idle_time_is_seen(captured: bool) -> None:
    gpu = torch.device("cuda")
    plan = make_plan(gpu, net="efficient-resnet", images=1024, engine_batch=256, runs=1)
    numerics = plan.setups["engine"].numerics.changed(captured=captured)
    plan = replace(plan, setups=plan.setups | {"engine": Setup(256, numerics, 0)})
    share = share_outside_kernels(engine_epochs(plan, draw_pictures(plan)), gpu)
    assert share is not None
    assert 0 <= share < 0.9

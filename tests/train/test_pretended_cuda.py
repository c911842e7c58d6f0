"""Training on a GPU, shown on a pretended one: captured, as it is, and on the CPU the same."""

import inspect
import textwrap
from typing import Any

import pytest
import torch
from torch import nn

from budgetnas.data.images import ImageSet, measure_statistics
from budgetnas.recipe import RECIPES, Default
from budgetnas.train import State, Steps, initial_model
from budgetnas.train import _capture as capture
from budgetnas.train._capture import WARM_UP, Recorder
from tests.pretended_cuda.process import on_pretended_gpu
from tests.pretended_cuda.tensors import DEVICE
from tests.train.variants import ARCH, BATCH, VARIANTS, name_of, outcome, recipe, some, trained


def require_same(one: tuple[list[float], State], other: tuple[list[float], State]) -> None:
    """What the epochs measured, weights, slow and averaged weights, the optimizer's numbers."""
    assert one[0] == pytest.approx(other[0], rel=1e-4)
    assert one[1].keys() == other[1].keys()
    for name, tensor in one[1].items():
        # rounding moves a weight by about 1e-6 in such a training, a wrong step by 1e-2
        assert torch.allclose(tensor, other[1][name], rtol=1e-3, atol=1e-4), name


def captured_is_eager(images: ImageSet, changes: dict[str, Any]) -> None:
    eager = outcome(images, recipe(**changes), captured=False)
    assert not DEVICE.captures
    captured = outcome(images, recipe(**changes), captured=True)
    moves_momentum = changes.get("schedule", {}).get("name") == "OneCycleLR"
    assert bool(DEVICE.replays) != moves_momentum, "what moves the momentum is never captured"
    require_same(captured, eager)


def pretended_is_cpu(images: ImageSet, changes: dict[str, Any]) -> None:
    on_gpu = outcome(images, recipe(**changes), captured=True)
    require_same(on_gpu, outcome(images, recipe(**changes), "cpu", captured=False))


@pytest.mark.parametrize("changes", VARIANTS, ids=name_of)
def test_captured_as_it_is_and_on_the_cpu_it_is_the_same(
    digits: ImageSet, changes: dict[str, Any]
) -> None:
    def check(images: ImageSet) -> None:
        captured_is_eager(images, changes)
        pretended_is_cpu(images, changes)

    on_pretended_gpu(check, some(digits))


def test_half_precision_is_captured_as_it_is(digits: ImageSet) -> None:
    def check(images: ImageSet) -> None:
        how = recipe(lookahead={"k": 2}, average={"every": 3})
        runs = [
            outcome(images, how, captured=captured, dtype="bfloat16") for captured in (True, False)
        ]
        assert DEVICE.replays
        require_same(*runs)

    on_pretended_gpu(check, some(digits))


def mutated(method: Any, line: str, other: str) -> None:
    """Write another line into a method of `Steps`."""
    source = textwrap.dedent(inspect.getsource(method))
    assert source.count(line) == 1, f"{line!r} is a line of {method.__name__}"
    made: dict[str, Any] = {}
    exec(source.replace(line, other), method.__globals__, made)
    setattr(Steps, method.__name__, made[method.__name__])


def test_a_step_that_does_not_advance_is_caught(digits: ImageSet) -> None:
    """Captured and eager steps both stay at the epoch's first learning rate."""

    def check(images: ImageSet) -> None:
        mutated(Steps._measure, "self._position.add_(1)", "pass")
        captured_is_eager(images, {})
        with pytest.raises(AssertionError):
            pretended_is_cpu(images, {})

    on_pretended_gpu(check, some(digits))


def test_a_graph_that_forgets_the_average_is_caught(digits: ImageSet) -> None:
    """A step that updates the average is replayed as one that does not, or the other way."""

    def check(images: ImageSet) -> None:
        mutated(Steps._kind, '("train", lookahead, average, sharp)', '("train", lookahead, sharp)')
        with pytest.raises(AssertionError, match="average"):
            captured_is_eager(images, {"average": {"every": 2, "horizon": 0.5}})

    on_pretended_gpu(check, some(digits))


@pytest.mark.parametrize("captured", [False, True])
def test_the_host_waits_three_times_an_epoch(digits: ImageSet, captured: bool) -> None:
    def check(images: ImageSet) -> None:
        val = images.to(torch.device("cuda"))
        how = recipe(lookahead={"k": 2}, average={"every": 2}, clip={"name": "norm"})
        epochs = trained(images, how, captured=captured, val=val)
        next(epochs)  # what is made for a training is copied to the device before it
        for _ in range(2, how.epochs + 1):
            DEVICE.waits.clear()
            next(epochs)
            said = sorted(where.partition(":")[0] for where in DEVICE.waits.elements())
            assert said == [
                "_local_scalar_dense in _evaluate.py",
                "to the host in _evaluate.py",
                "tolist in _step.py",
            ], DEVICE.waits
        assert bool(DEVICE.captures) == captured

    on_pretended_gpu(check, some(digits))


OPERATIONS = {"plain": 137, "full": 175}
"""How many operations a step of `ARCH` is at the most. It may only fall: a step of a small network
takes as long as its launches do."""


def test_a_step_is_no_more_operations_than_it_was(digits: ImageSet) -> None:
    def check(images: ImageSet) -> None:
        full, _ = (
            RECIPES["full"]
            .changed(batch_size=BATCH, epochs=5)
            .adapted(1, mirror=False, image_size=8)
        )
        for name, how in (("plain", recipe()), ("full", full)):
            DEVICE.captures.clear()
            list(trained(images, how, captured=True))
            assert max(DEVICE.captures) <= OPERATIONS[name], (name, DEVICE.captures)

    on_pretended_gpu(check, some(digits))


def test_only_whole_batches_are_searched_for(digits: ImageSet) -> None:
    """Neither the odd batch nor validation, of whole batches and an odd one, costs a search."""

    def check(images: ImageSet) -> None:
        odd, whole = some(images), images.take(torch.arange(5 * BATCH))
        list(trained(whole, recipe(), captured=True))
        assert torch.backends.cudnn.benchmark
        alone = set(DEVICE.searches)
        modules = initial_model(ARCH, Default(), 0).modules()
        convolutions = sum(isinstance(module, nn.Conv2d) for module in modules)
        assert len(alone) <= 3 * convolutions - 1, "forward, images, weights; the first no images"
        DEVICE.searches.clear()
        list(trained(odd, recipe(), captured=True, val=odd.to(torch.device("cuda"))))
        assert DEVICE.searches == alone
        assert torch.backends.cudnn.benchmark, "as it was before the odd batch"

    on_pretended_gpu(check, digits)


def test_statistics_are_those_of_the_cpu(digits: ImageSet) -> None:
    def check(images: ImageSet) -> None:
        placed = images.to(torch.device("cuda"))
        assert measure_statistics(placed.images) == measure_statistics(images.images)

    on_pretended_gpu(check, some(digits))


def test_what_waits_is_not_captured_and_done_as_it_is() -> None:
    def check() -> None:
        device = torch.device("cuda", 0)
        recorder = Recorder(device, capture=True)
        read = list[float]()
        number = torch.zeros((), device=device)

        def work() -> None:
            number.add_(1)
            read.append(float(number))

        with recorder.on_stream():
            for _ in range(WARM_UP + 3):
                recorder.run("work", work)
        assert "not permitted when stream is capturing" in str(recorder.refused)
        assert read == [1, 2, 3, 4, 5, 6], "what was being captured is undone, then done"
        recorder.close()

    on_pretended_gpu(check)


def test_devices_are_not_mixed() -> None:
    def check() -> None:
        here, there = torch.ones(2), torch.ones(2, device="cuda")
        assert there.device == torch.device("cuda:0")
        with pytest.raises(RuntimeError, match="two devices"):
            here + there
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        assert (there * torch.tensor(2.0)).tolist() == [2, 2], "but for single numbers"

    on_pretended_gpu(check)


@pytest.mark.parametrize("registers", [False, True])
def test_graphs_know_what_they_draw_from(
    digits: ImageSet, monkeypatch: pytest.MonkeyPatch, registers: bool
) -> None:
    """Before torch 2.14 they have to be told."""

    def check(images: ImageSet, told: bool) -> None:
        DEVICE.registers = registers
        capture._REGISTERS = told
        *_, last = trained(images, recipe(), captured=True)
        refused = "Attempt to increase offset" in str(last.notices)
        assert refused == (registers and not told)

    for told in (True, False):
        on_pretended_gpu(check, some(digits), told)

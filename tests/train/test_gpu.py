"""What only an NVIDIA GPU can show: the same training, captured and not; memory given back."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from budgetnas.arch import PRESETS
from budgetnas.data.images import ImageSet, split
from budgetnas.recipe import Numerics, Recipe
from budgetnas.train import (
    State,
    choose_numerics,
    give_memory_back,
    initial_model,
    recipe_statistics,
    train,
)
from budgetnas.train._capture import WARM_UP, Recorder
from tests.train.variants import ARCH, VARIANTS, name_of, outcome, recipe, some, trained

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU, and -m gpu"),
]


def longer(**changes: Any) -> Recipe:
    """A recipe of whole trainings."""
    return recipe(**{"epochs": 10, "batch_size": 64, **changes})


def on_gpu(images: ImageSet) -> ImageSet:
    return images.to(torch.device("cuda"))


def test_what_is_chosen() -> None:
    numerics = choose_numerics(torch.device("cuda"))
    assert numerics.captured
    assert numerics.channels_last


def apart(one: State, other: State, initial: State) -> dict[str, float]:
    """How far two trainings are apart, of each kind of tensors, in parts of the way they went.

    A kind is weights, slow or averaged ones, the optimizer's numbers; a GPU rounds every one of
    them a little otherwise each time.
    """
    ways: dict[str, list[tuple[float, float]]] = {}
    for name, tensor in one.items():
        if tensor.is_floating_point():
            begun = initial.get(name.partition(".")[2], torch.zeros(()))
            distance = (tensor - other[name]).double().square().sum()
            way = (tensor - begun).double().square().sum()
            ways.setdefault(name.partition(".")[0], []).append((float(distance), float(way)))
    return {
        kind: math.sqrt(sum(d for d, _ in pairs) / (sum(w for _, w in pairs) or 1))
        for kind, pairs in ways.items()
    }


@pytest.mark.parametrize("changes", VARIANTS, ids=name_of)
def test_captured_steps_are_the_eager_ones(digits: ImageSet, changes: dict[str, Any]) -> None:
    """In all that a training goes on with, after five epochs of five steps and an odd one."""
    how = recipe(**changes)
    losses, states = zip(
        *(outcome(some(digits), how, captured=captured) for captured in (False, True)),
        strict=True,
    )
    # Adam's first updates are of full size, whatever is rounded to 0 or not
    rounding = 0.1 if "optimizer" in changes else 0.02
    assert losses[1] == pytest.approx(losses[0], rel=rounding)
    assert states[0].keys() == states[1].keys()
    initial = initial_model(ARCH, how.init, 0).state_dict()
    far = apart(states[0], states[1], initial)
    assert all(distance < 5 * rounding for distance in far.values()), far


@pytest.mark.parametrize("captured", [False, True])
def test_each_step_has_its_own_learning_rate(digits: ImageSet, captured: bool) -> None:
    for epoch in trained(some(digits), recipe(), captured=captured):
        (lr, *_) = {float(group["lr"]) for group in epoch._run.steps.rates.optimizer.param_groups}
        assert lr == pytest.approx(epoch.lr), epoch.number


@pytest.mark.parametrize("captured", [False, True])
def test_a_resumed_training_is_the_uninterrupted_one(digits: ImageSet, captured: bool) -> None:
    images, how = digits.take(torch.arange(300)), longer(lookahead={}, average={"every": 2})
    whole = [
        (epoch.train_loss, epoch.val_loss, epoch.state())
        for epoch in trained(images, how, captured=captured, val=on_gpu(images))
    ]
    rest = [
        (epoch.train_loss, epoch.val_loss)
        for epoch in trained(images, how, captured=captured, val=on_gpu(images), state=whole[4][2])
    ]
    assert [loss for loss, _ in rest] == pytest.approx([w[0] for w in whole[5:]], rel=0.05)
    assert [loss for _, loss in rest] == pytest.approx([w[1] for w in whole[5:]], rel=0.1)


def test_what_can_not_be_captured_says_so(digits: ImageSet) -> None:
    images = digits.take(torch.arange(300))
    (first, *_) = trained(images, longer(), captured=True)
    assert first.notices == (
        "the last batch of an epoch has 44 images of 64, and runs without a CUDA graph",
    )
    cycled = longer(schedule={"name": "OneCycleLR", "max_lr": 0.1})
    (first, *_) = trained(images, cycled, captured=True)
    assert first.notices == (
        "steps run without CUDA graphs: the schedule also changes the momentum",
    )
    (*_, last) = trained(digits.take(torch.arange(128)), longer(), captured=True)
    assert last.notices == ()


def test_what_fails_to_be_captured_is_done_as_it_is() -> None:
    """Reading a number back spoils a capture; what was captured before goes with it."""
    device = torch.device("cuda", 0)
    generator = torch.Generator(device).manual_seed(0)
    recorder = Recorder(device, capture=True, generators=(generator,))
    read, drawn = list[float](), list[Tensor]()

    def fine() -> None:
        drawn[:] = [torch.rand((), generator=generator, device=device)]

    def spoilt() -> None:
        fine()
        read.append(float(drawn[0]))

    with recorder.on_stream():
        for _ in range(WARM_UP + 1):
            recorder.run("fine", fine)
        assert recorder.refused is None
        for _ in range(WARM_UP + 2):
            recorder.run("spoilt", spoilt)
        recorder.run("fine", fine)
    assert recorder.refused
    generator.manual_seed(0)
    all_of_them = [
        float(torch.rand((), generator=generator, device=device)) for _ in range(2 * WARM_UP + 4)
    ]
    assert [*read, float(drawn[0])] == all_of_them[WARM_UP + 1 :]
    recorder.close()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("captured", [False, True])
def test_it_learns(digits: ImageSet, dtype: str, captured: bool) -> None:
    parts = split(digits.labels, 0)
    how = longer(epochs=6, lookahead={}, augment=[{"name": "crop"}, {"name": "cutout"}])
    *_, last = trained(
        digits.take(parts.train), how, captured=captured, dtype=dtype,
        val=on_gpu(digits.take(parts.val)),
    )  # fmt: skip
    assert last.val_accuracy is not None
    assert last.val_accuracy > 0.6  # see test_engine: no seed of 20 is below 0.786


def test_trials_leave_nothing_behind(digits: ImageSet) -> None:
    images = on_gpu(digits.take(torch.arange(512))).packed()
    how = longer(epochs=2, lookahead={})
    statistics = recipe_statistics(how, digits)

    def held() -> int:
        give_memory_back()
        return torch.cuda.memory_reserved()

    after: list[int] = []
    for trial in range(12):
        arch = PRESETS["modified-resnet-small"].changed(in_channels=1, stem_width=8 + trial)
        model = initial_model(arch, how.init, 0)
        list(train(model, images, how, Numerics(captured=True), 0, statistics=statistics))
        del model
        after.append(held())
    assert after[-1] <= after[4] * 1.05

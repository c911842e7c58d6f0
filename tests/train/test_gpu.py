"""What only an NVIDIA GPU can show: the same training, captured and not; memory given back."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from budgetnas.arch import PRESETS, Arch
from budgetnas.data.images import ImageSet, measure_statistics
from budgetnas.data.splits import split
from budgetnas.recipe import Numerics, Recipe
from budgetnas.train.capture import WARM_UP, Recorder
from budgetnas.train.engine import Epoch, recipe_statistics, train
from budgetnas.train.init import initial_model
from budgetnas.train.memory import give_memory_back
from budgetnas.train.numerics import choose_numerics

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
ARCH = Arch.parse(
    {"in_channels": 1, "block": "basic", "stem_width": 8,
     "stages": [{"width": 8, "depth": 1}, {"width": 16, "depth": 1}]}, "test",
)  # fmt: skip


def recipe(**changes: Any) -> Recipe:
    data = {"epochs": 10, "batch_size": 64, "augment": [{"name": "crop"}], **changes}
    return Recipe.parse(data, "test")


def on_gpu(images: ImageSet) -> ImageSet:
    return images.to(torch.device("cuda"))


def trained(
    images: ImageSet, how: Recipe, *, captured: bool, dtype: str = "bfloat16", **named: Any
) -> Iterator[Epoch]:
    numerics = Numerics.model_validate({"dtype": dtype, "captured": captured})
    model = initial_model(ARCH, how.init, 0)
    statistics = measure_statistics(images.images.cpu())
    return train(model, on_gpu(images), how, numerics, 0, statistics=statistics, **named)


def test_what_is_chosen() -> None:
    numerics = choose_numerics(torch.device("cuda"))
    assert numerics.captured
    assert numerics.channels_last


VARIANTS: list[dict[str, Any]] = [
    {},
    {"lookahead": {"k": 2}},
    {"lookahead": {"k": 3, "phase": "efficient-resnets"}, "clip": {"name": "value"}},
    {"average": {"every": 2, "horizon": 0.5}, "clip": {"name": "norm"}},
    {"optimizer": {"name": "adam", "lr": 0.01}},
    {"optimizer": {"name": "adamw", "lr": 0.01, "weight_decay": 0.1}},
    {"augment": [{"name": "flip", "alternate": True}, {"name": "crop"}, {"name": "cutout"}]},
    {"augment": [{"name": "rotate"}, {"name": "flip"}], "label_smoothing": 0.1},
    {"augment": [{"name": "trivial"}], "mix": {"name": "mixup"}},
    {"mix": {"name": "cutmix"}, "lookahead": {"k": 2}, "clip": {"name": "norm"}},
    {"sharpness": {"last": 0.5}, "average": {"every": 2}},
    {"sharpness": {"last": 1.0, "adaptive": True}},
    {"class_weights": "balanced", "label_smoothing": 0.1},
    {"schedule": {"name": "OneCycleLR", "max_lr": 0.1}},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: "+".join(changes) or "plain")
def test_captured_steps_are_the_eager_ones(digits: ImageSet, changes: dict[str, Any]) -> None:
    """An epoch is one step here: its loss is the step's. From the fourth on it is replayed."""
    some = digits.take(torch.arange(64))
    runs = [
        list(trained(some, recipe(**changes), captured=captured)) for captured in (False, True)
    ]
    assert bool(runs[1][-1].notices) == ("schedule" in changes), "or nothing is replayed"
    losses = [[epoch.train_loss for epoch in epochs] for epochs in runs]
    # a step of bfloat16; Adam's first updates are of full size, whatever is rounded to 0 or not
    rounding = 2**-5 if "optimizer" in changes else 2**-7
    assert losses[1] == pytest.approx(losses[0], rel=rounding)
    assert len(set(losses[0])) == 10


@pytest.mark.parametrize("captured", [False, True])
def test_a_resumed_training_is_the_uninterrupted_one(digits: ImageSet, captured: bool) -> None:
    some, how = digits.take(torch.arange(300)), recipe(lookahead={}, average={"every": 2})
    whole = [
        (epoch.train_loss, epoch.val_loss, epoch.state())
        for epoch in trained(some, how, captured=captured, val=on_gpu(some))
    ]
    rest = [
        (epoch.train_loss, epoch.val_loss)
        for epoch in trained(some, how, captured=captured, val=on_gpu(some), state=whole[4][2])
    ]
    assert [loss for loss, _ in rest] == pytest.approx([w[0] for w in whole[5:]], rel=0.05)
    assert [loss for _, loss in rest] == pytest.approx([w[1] for w in whole[5:]], rel=0.1)


def test_what_can_not_be_captured_says_so(digits: ImageSet) -> None:
    some = digits.take(torch.arange(300))
    (first, *_) = trained(some, recipe(), captured=True)
    assert first.notices == (
        "the last batch of an epoch has 44 images of 64, and runs without a CUDA graph",
    )
    cycled = recipe(schedule={"name": "OneCycleLR", "max_lr": 0.1})
    (first, *_) = trained(some, cycled, captured=True)
    assert first.notices == (
        "steps run without CUDA graphs: the schedule moves the momentum, too",
    )
    (*_, last) = trained(digits.take(torch.arange(128)), recipe(), captured=True)
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
    how = recipe(epochs=6, lookahead={}, augment=[{"name": "crop"}, {"name": "cutout"}])
    *_, last = trained(
        digits.take(parts.train), how, captured=captured, dtype=dtype,
        val=on_gpu(digits.take(parts.val)),
    )  # fmt: skip
    assert last.val_accuracy is not None
    assert last.val_accuracy > 0.9


def test_trials_leave_nothing_behind(digits: ImageSet) -> None:
    images = on_gpu(digits.take(torch.arange(512))).packed()
    how = recipe(epochs=2, lookahead={})
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

"""The three ways train, and do the same work: every image, the same start, comparable losses."""

import time
from collections import Counter
from itertools import islice
from multiprocessing import Array, active_children
from typing import Any

import pytest
import torch
from torch import Tensor

from budgetnas.arch import Arch
from budgetnas.bench import Pictures, Setup, draw_pictures, usual_epochs
from budgetnas.bench import _usual as usual
from budgetnas.bench._bench import engine_epochs
from budgetnas.bench._usual import Epochs, TensorPictures, tuned_epochs
from budgetnas.data.images import ImageSet, Statistics, measure_statistics
from budgetnas.recipe import SGD, ConstantLR, Default, Numerics, Recipe
from budgetnas.train import initial_model, train
from tests.bench.small import CPU, TINY, tiny_plan

GENTLE = SGD(lr=0.05, weight_decay=5e-4, decay_norm_and_bias=True)
RECIPE = Recipe(epochs=4, batch_size=64, optimizer=GENTLE, schedule=ConstantLR())
USUAL_WAYS = pytest.mark.parametrize("epochs", [usual_epochs, tuned_epochs])
NUMERICS = [Numerics(), Numerics(channels_last=False), Numerics(dtype="bfloat16")]


def loop(epochs: Any, images: ImageSet, setup: Setup, recipe: Recipe = RECIPE) -> Epochs:
    model = initial_model(Arch.parse(TINY, "test"), Default(), 0)
    started: Epochs = epochs(
        model, images, recipe, setup, measure_statistics(images.images), CPU, 0
    )
    return started


@pytest.fixture(scope="module")
def losses(digits: ImageSet) -> list[float]:
    """The engine's, on the same images, with the same recipe and initial weights."""
    statistics = measure_statistics(digits.images)
    model = initial_model(Arch.parse(TINY, "test"), Default(), 0)
    trained = train(model, digits, RECIPE, Numerics(), 0, statistics=statistics)
    return [epoch.train_loss for epoch in trained]


@USUAL_WAYS
def test_it_learns_as_the_engine_does(digits: ImageSet, losses: list[float], epochs: Any) -> None:
    there = list(loop(epochs, digits, Setup(64, Numerics(), 0)))
    assert len(there) == len(losses) == RECIPE.epochs
    assert there[-1] < there[0] / 2
    assert there == pytest.approx(losses, rel=0.25)


@pytest.mark.parametrize("numerics", NUMERICS, ids=str)
def test_it_can_be_tuned_in_any_arithmetic(digits: ImageSet, numerics: Numerics) -> None:
    first, second = islice(loop(tuned_epochs, digits, Setup(64, numerics, 0)), 2)
    assert second < first


def test_the_engine_trains_on_drawn_pictures() -> None:
    plan = tiny_plan()
    assert len(list(engine_epochs(plan, draw_pictures(plan)))) == plan.runs + 1


@USUAL_WAYS
def test_learning_rates_are_the_schedules(digits: ImageSet, epochs: Any) -> None:
    some = digits.take(torch.arange(96))
    stalled = RECIPE.changed(optimizer=GENTLE.changed(lr=1e-9))
    first, *_, last = loop(epochs, some, Setup(64, Numerics(), 0), stalled)
    assert last == pytest.approx(first, rel=0.05)


def numbered(channels: int) -> ImageSet:
    """Images that show their number, all over, and have it for a label."""
    levels = torch.arange(50, dtype=torch.uint8)
    pixels = levels.view(-1, 1, 1, 1).expand(-1, 8, 8, channels).contiguous()
    return ImageSet(pixels, levels.long(), tuple(map(str, range(50))))


@pytest.mark.parametrize("channels", [1, 3])
def test_both_hand_out_the_same_images(channels: int) -> None:
    images = numbered(channels)
    plain = Pictures(images, Statistics((0.0,) * channels, (1.0,) * channels))
    tensors = TensorPictures(images)
    for number in range(50):
        for pictures, scale in ((plain, 255), (tensors, 1)):
            image, label = pictures[number]
            assert image.shape == (channels, 8, 8)
            assert label == number
            assert (image * scale).max().round() == number, "a crop's border is black"


class Counted(TensorPictures):
    """Notes which images its processes are asked for."""

    def __init__(self, images: ImageSet) -> None:
        super().__init__(images)
        self.asked = Array("i", len(images))

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with self.asked.get_lock():
            self.asked[index] += 1
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 2])
def test_every_image_once_and_nothing_ahead_of_its_turn(
    digits: ImageSet, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    counted = Counted(digits.take(torch.arange(90)))
    monkeypatch.setattr(usual, "TensorPictures", lambda images: counted)
    epochs = loop(tuned_epochs, digits.take(torch.arange(90)), Setup(16, Numerics(), workers))
    for number in (1, 2):
        next(epochs)
        time.sleep(0.3)  # enough for idle workers to prepare what they should not
        assert Counter(counted.asked[:]) == {number: 90}
    assert len(active_children()) == workers
    epochs.close()
    assert not active_children()


def test_the_usual_loops_workers_end_with_the_epoch(digits: ImageSet) -> None:
    epochs = loop(usual_epochs, digits.take(torch.arange(90)), Setup(16, Numerics(), 2))
    next(epochs)
    assert not active_children()

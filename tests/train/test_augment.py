"""Augmentation: each function against a plain loop over images, and a draw for each image."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from budgetnas.recipe.images import Augmentation, Crop, Cutout, Flip, Rotate
from budgetnas.train.augment import augment, cutout, flip, rotate, shift

MEAN = torch.tensor([10, 20, 30], dtype=torch.uint8)


def batch(n: int = 6, size: int = 8, channels: int = 3, seed: int = 0) -> Tensor:
    generator = Generator().manual_seed(seed)
    shape = (n, size, size, channels)
    return torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator)


@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 4), st.sampled_from([1, 3]))
def test_shift_is_pad_and_crop(seed: int, size: int, padding: int, channels: int) -> None:
    images = batch(5, size, channels, seed)
    generator = Generator().manual_seed(seed)
    down, right = torch.randint(-padding, padding + 1, (2, 5), generator=generator)
    moved = shift(images, down, right)
    for image, result, d, r in zip(images, moved, down.tolist(), right.tolist(), strict=True):
        padded = np.pad(image.numpy(), ((padding, padding), (padding, padding), (0, 0)))
        top, left = padding - d, padding - r
        assert (result.numpy() == padded[top : top + size, left : left + size]).all()


def test_flip_mirrors_only_the_chosen() -> None:
    images = batch(2)
    flipped = flip(images, torch.tensor([True, False]))
    assert torch.equal(flipped[0], images[0].flip(1))
    assert torch.equal(flipped[1], images[1])


def test_rotate_by_a_quarter_turn_and_none() -> None:
    images = batch(2)
    turned = rotate(images, torch.tensor([math.pi / 2, 0.0]))
    assert torch.equal(turned[0], images[0].rot90(1, (0, 1)))
    assert torch.equal(turned[1], images[1])


def test_small_rotations_keep_the_centre_and_blacken_corners() -> None:
    images = torch.full((1, 32, 32, 3), 200, dtype=torch.uint8)
    turned = rotate(images, torch.tensor([math.radians(5)]))
    assert (turned[0, 8:24, 8:24] == 200).all()
    assert (turned[0] == 0).any()


@given(st.integers(0, 1000), st.integers(1, 8))
def test_cutout_blanks_a_square_with_the_mean(seed: int, side: int) -> None:
    images = batch(4, 8, 3, seed) | 128  # no pixel equals the mean
    generator = Generator().manual_seed(seed)
    row, column = torch.randint(0, 8, (2, 4), generator=generator)
    result = cutout(images, row, column, side, MEAN)
    for image, blanked, r, c in zip(images, result, row.tolist(), column.tolist(), strict=True):
        expected = image.clone()
        top, left = r - side // 2, c - side // 2
        expected[max(0, top) : top + side, max(0, left) : left + side] = MEAN
        assert torch.equal(blanked, expected)


STEPS: list[Augmentation] = [Crop(), Crop(padding=2), Flip(), Rotate(degrees=30), Cutout(size=3)]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: repr(step))
def test_every_image_has_its_own_draw(step: Augmentation) -> None:
    images = batch(1, 16).expand(64, -1, -1, -1)
    results = augment(images, [step], Generator().manual_seed(0), MEAN)
    assert results.shape == images.shape
    assert results.dtype == torch.uint8
    assert len({result.numpy().tobytes() for result in results}) > 1


@pytest.mark.parametrize("step", STEPS, ids=lambda step: repr(step))
def test_the_same_seed_draws_the_same(step: Augmentation) -> None:
    images = batch(16, 16)
    again = [augment(images, [step], Generator().manual_seed(seed), MEAN) for seed in (1, 1, 2)]
    assert torch.equal(again[0], again[1])
    assert not torch.equal(again[0], again[2])


def test_crop_reaches_every_offset_and_flip_half_of_the_images() -> None:
    images = torch.zeros(4000, 9, 9, 1, dtype=torch.uint8)
    images[:, 4, 4] = 255
    cropped = augment(images, [Crop(padding=2)], Generator().manual_seed(0), MEAN[:1])
    places = {tuple(place) for place in cropped[..., 0].nonzero()[:, 1:].tolist()}
    assert places == {(row, column) for row in range(2, 7) for column in range(2, 7)}
    images = torch.zeros(4000, 1, 2, 1, dtype=torch.uint8)
    images[:, 0, 0] = 1
    flipped = flip(images, torch.randint(0, 2, (4000,), generator=Generator().manual_seed(0)) > 0)
    assert 0.45 < flipped[:, 0, 1].float().mean() < 0.55


def test_nothing_to_do_changes_nothing() -> None:
    images = batch()
    assert torch.equal(augment(images, [], Generator(), MEAN), images)

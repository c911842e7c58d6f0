"""Augmentation: each function against a plain loop over images, and a draw for each image."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from budgetnas.data.images import packed_pixels
from budgetnas.recipe import Augmentation, Crop, Cutout, Flip, Rotate, TrivialAugment
from budgetnas.train import Draws, augment
from budgetnas.train._augment import View
from budgetnas.train._trivial import rotate

MEAN = torch.tensor([10, 20, 30], dtype=torch.uint8)


def batch(n: int = 6, size: int = 8, channels: int = 3, seed: int = 0) -> Tensor:
    generator = Generator().manual_seed(seed)
    shape = (n, size, size, channels)
    return torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator)


def augmented(
    images: Tensor, steps: list[Augmentation], seed: int = 0, mirrored: Tensor | None = None
) -> Tensor:
    draws = Draws(Generator().manual_seed(seed), mirrored)
    every = torch.arange(len(images))
    mean = MEAN[: images.shape[3]]
    return augment(packed_pixels(images), images.shape[1], every, steps, draws, mean)


def view(images: Tensor) -> View:
    return View.whole(torch.arange(len(images)), images.shape[1])


def seen(images: Tensor, through: View) -> Tensor:
    return through.gather(packed_pixels(images), MEAN[: images.shape[3]])


def shifted_one(image: Tensor, down: int, right: int) -> Tensor:
    """Pad with black, and crop."""
    size, reach = image.shape[0], max(abs(down), abs(right))
    padded = np.pad(image.numpy(), ((reach, reach), (reach, reach), (0, 0)))
    top, left = reach - down, reach - right
    return torch.from_numpy(padded[top : top + size, left : left + size])


def cut_one(image: Tensor, row: int, column: int, side: int) -> Tensor:
    blanked = image.clone()
    top, left = row - side // 2, column - side // 2
    blanked[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = MEAN[
        : image.shape[2]
    ]
    return blanked


@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 4), st.sampled_from([1, 3]))
def test_a_shift_is_pad_and_crop(seed: int, size: int, padding: int, channels: int) -> None:
    images = batch(5, size, channels, seed)
    generator = Generator().manual_seed(seed)
    down, right = torch.randint(-padding, padding + 1, (2, 5), generator=generator)
    moved = seen(images, view(images).shifted(down, right, padding))
    for image, result, d, r in zip(images, moved, down.tolist(), right.tolist(), strict=True):
        assert torch.equal(result, shifted_one(image, d, r))


def test_only_the_chosen_are_mirrored() -> None:
    images = batch(2)
    flipped = seen(images, view(images).mirrored(torch.tensor([True, False])))
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
def test_a_cut_blanks_a_square_with_the_mean(seed: int, side: int) -> None:
    images = batch(4, 8, 3, seed) | 128  # no pixel equals the mean
    generator = Generator().manual_seed(seed)
    row, column = torch.randint(0, 8, (2, 4), generator=generator)
    result = seen(images, view(images).cut(row, column, side))
    for image, blanked, r, c in zip(images, result, row.tolist(), column.tolist(), strict=True):
        assert torch.equal(blanked, cut_one(image, r, c, side))


MOVES = st.sampled_from(["shift", "mirror", "cut"])


@given(st.integers(0, 1000), st.lists(MOVES, min_size=1, max_size=6), st.sampled_from([1, 3]))
def test_any_moves_in_any_order_are_one_after_the_other(
    seed: int, moves: list[str], channels: int
) -> None:
    """What is gathered at once is what a loop over images and moves would make."""
    images = batch(4, 7, channels, seed)
    generator = Generator().manual_seed(seed)
    through, expected = view(images), list(images)
    for move in moves:
        a, b = torch.randint(0, 7, (2, 4), generator=generator)
        match move:
            case "shift":
                through = through.shifted(a - 3, b - 3, 3)
                expected = [
                    shifted_one(image, d - 3, r - 3)
                    for image, d, r in zip(expected, a.tolist(), b.tolist(), strict=True)
                ]
            case "mirror":
                through = through.mirrored(a > 3)
                expected = [
                    image.flip(1) if which > 3 else image
                    for image, which in zip(expected, a.tolist(), strict=True)
                ]
            case "cut":
                through = through.cut(a, b, 3)
                expected = [
                    cut_one(image, r, c, 3)
                    for image, r, c in zip(expected, a.tolist(), b.tolist(), strict=True)
                ]
    assert torch.equal(seen(images, through), torch.stack(expected))


def test_a_batch_is_gathered_from_the_chosen_images() -> None:
    images, chosen = batch(9), torch.tensor([7, 0, 7, 3])
    draws = Draws(Generator())
    assert torch.equal(augment(packed_pixels(images), 8, chosen, [], draws, MEAN), images[chosen])


STEPS: list[Augmentation] = [
    Crop(), Crop(padding=2), Flip(), Rotate(degrees=30), Cutout(size=3), TrivialAugment(),
]  # fmt: skip


@pytest.mark.parametrize("step", STEPS, ids=lambda step: repr(step))
def test_every_image_has_its_own_draw(step: Augmentation) -> None:
    images = batch(1, 16).expand(64, -1, -1, -1)
    results = augmented(images, [step])
    assert results.shape == images.shape
    assert results.dtype == torch.uint8
    assert len({result.numpy().tobytes() for result in results}) > 1


@pytest.mark.parametrize("step", STEPS, ids=lambda step: repr(step))
def test_the_same_seed_draws_the_same(step: Augmentation) -> None:
    images = batch(16, 16)
    again = [augmented(images, [step], seed) for seed in (1, 1, 2)]
    assert torch.equal(again[0], again[1])
    assert not torch.equal(again[0], again[2])


@pytest.mark.parametrize("before", STEPS, ids=lambda step: repr(step))
def test_steps_go_on_from_what_a_rotation_made(before: Augmentation) -> None:
    images = batch(16, 16)
    steps: list[Augmentation] = [before, Rotate(degrees=90), Flip(), Crop(), Cutout()]
    result = augmented(images, steps)
    assert result.shape == images.shape
    assert not torch.equal(result, augmented(images, steps[:2]))


def test_an_alternating_flip_mirrors_what_it_is_told() -> None:
    images = batch(4)
    mirrored = torch.tensor([True, False, False, True])
    result = augmented(images, [Flip(alternate=True)], mirrored=mirrored)
    assert torch.equal(result[mirrored], images[mirrored].flip(2))
    assert torch.equal(result[~mirrored], images[~mirrored])


def test_crop_reaches_every_offset_and_flip_half_of_the_images() -> None:
    images = torch.zeros(4000, 9, 9, 1, dtype=torch.uint8)
    images[:, 4, 4] = 255
    cropped = augmented(images, [Crop(padding=2)])
    places = {tuple(place) for place in cropped[..., 0].nonzero()[:, 1:].tolist()}
    assert places == {(row, column) for row in range(2, 7) for column in range(2, 7)}
    images = torch.zeros(4000, 2, 2, 1, dtype=torch.uint8)
    images[:, 0, 0] = 1
    assert 0.45 < augmented(images, [Flip()])[:, 0, 1].float().mean() < 0.55


def test_nothing_to_do_changes_nothing() -> None:
    images = batch()
    assert torch.equal(augmented(images, []), images)

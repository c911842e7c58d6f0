"""TrivialAugment: each operation against torchvision's, image by image."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor
from torchvision.transforms.v2 import functional as tv

from budgetnas.data.images import packed_pixels
from budgetnas.recipe import TrivialAugment
from budgetnas.train import Draws, augment
from budgetnas.train._trivial import OPERATIONS, STRONGEST, trivial_augment

MOVES = ("rotate", "shear x", "shear y", "translate x", "translate y")
EXACT = ("identity", "equalize", "solarize", "posterize")
BOTH_WAYS = [(strength, back) for strength in range(STRONGEST + 1) for back in (False, True)]


def pictures(n: int, size: int, channels: int, seed: int = 0) -> Tensor:
    """Noise, of which every second image has no more than a few dark or bright levels."""
    generator = Generator().manual_seed(seed)
    shape = (n, size, size, channels)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    images[1::2] = images[1::2] // 3 + 70
    images[2::4] = images[2::4] // 64
    images[3::8] = images[3::8, :1, :1]
    return images


def done_one_by_one(images: Tensor, name: str, settings: list[tuple[int, bool]]) -> Tensor:
    """What torchvision makes of each image [n, size, size, c] with its strength and direction."""
    results = [
        operated(image.permute(2, 0, 1), name, strength / STRONGEST, -1 if back else 1)
        for image, (strength, back) in zip(images, settings, strict=True)
    ]
    return torch.stack(results).permute(0, 2, 3, 1)


def operated(image: Tensor, name: str, share: float, sign: int) -> Tensor:
    """Do an operation to an image [c, size, size] by the ranges of the paper's table."""
    size, factor = image.shape[1], 0.01 + 1.99 * share
    shear = sign * math.degrees(math.atan(0.99 * share))
    far = sign * int(share * size + 1e-6)
    affine = partial(tv.affine, angle=0.0, scale=1.0)
    slanted = partial(affine, translate=[0, 0], center=[0, 0])
    straight = partial(affine, shear=[0.0, 0.0])
    result: Tensor
    match name:
        case "identity":
            result = image
        case "auto contrast":
            result = tv.autocontrast(image)
        case "equalize":
            result = tv.equalize(image)
        case "rotate":
            result = tv.rotate(image, sign * share * 135)
        case "solarize":
            threshold = 256 - int(share * 256 + 1e-6)
            result = tv.solarize(image, threshold) if threshold < 256 else image
        case "color":
            result = tv.adjust_saturation(image, factor)
        case "posterize":
            result = tv.posterize(image, 2 + int(share * 6 + 1e-6))
        case "contrast":
            result = tv.adjust_contrast(image, factor)
        case "brightness":
            result = tv.adjust_brightness(image, factor)
        case "sharpness":
            result = tv.adjust_sharpness(image, factor)
        case "shear x":
            result = slanted(image, shear=[shear, 0.0])
        case "shear y":
            result = slanted(image, shear=[0.0, shear])
        case "translate x":
            result = straight(image, translate=[far, 0])
        case "translate y":
            result = straight(image, translate=[0, far])
        case _:
            raise AssertionError(name)
    return result


def done_at_once(
    images: Tensor, name: str, settings: list[tuple[int, bool]], *, whole: bool
) -> Tensor:
    operation = torch.full((len(images),), OPERATIONS.index(name))
    strength = torch.tensor([strength for strength, _ in settings])
    back = torch.tensor([back for _, back in settings])
    return trivial_augment(images, operation, strength, back, whole=whole)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 8, 16, 17, 32])
def test_each_operation_is_torchvisions(name: str, channels: int, size: int) -> None:
    images = pictures(len(BOTH_WAYS), size, channels, size)
    before = images.clone()
    result = done_at_once(images, name, BOTH_WAYS, whole=True)
    assert result.dtype == torch.uint8
    assert torch.equal(images, before)
    expected = done_one_by_one(images, name, BOTH_WAYS)
    apart = (result.int() - expected.int()).abs()
    if name in MOVES:  # half way between two pixels the last digit says which is the nearest
        assert (apart > 0).any(3).sum((1, 2)).max() <= 3
    else:
        assert apart.max() <= (0 if name in EXACT else 1)


@given(st.integers(0, 1000), st.integers(1, 20), st.sampled_from([1, 3]), st.integers(1, 40))
def test_images_with_other_operations_are_not_touched(
    seed: int, size: int, channels: int, n: int
) -> None:
    """All at once, through every stage or only its own, and each alone: the same."""
    images = pictures(n, size, channels, seed)
    generator = Generator().manual_seed(seed)
    operation = torch.randint(0, len(OPERATIONS), (n,), generator=generator)
    strength = torch.randint(0, STRONGEST + 1, (n,), generator=generator)
    back = torch.randint(0, 2, (n,), generator=generator).bool()
    whole = trivial_augment(images, operation, strength, back, whole=True)
    assert torch.equal(whole, trivial_augment(images, operation, strength, back, whole=False))
    for place in range(n):
        (alone,) = done_at_once(
            images[place : place + 1],
            OPERATIONS[operation[place]],
            [(int(strength[place]), bool(back[place]))],
            whole=True,
        )
        assert torch.equal(whole[place], alone)


def test_chance_reaches_everything_and_nothing_else() -> None:
    image = pictures(1, 4, 1)
    every = [
        done_at_once(image.expand(len(BOTH_WAYS), -1, -1, -1), name, BOTH_WAYS, whole=True)
        for name in OPERATIONS
    ]
    n = 40_000
    draws = Draws(Generator().manual_seed(0))
    chosen, black = torch.zeros(n, dtype=torch.int64), torch.zeros(1, dtype=torch.uint8)
    drawn = augment(packed_pixels(image), 4, chosen, [TrivialAugment()], draws, black)
    assert different(drawn) == different(torch.cat(every))


def different(images: Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_nothing_is_read_back() -> None:
    """Tensors without values have none to read, as a CUDA graph's have none while captured."""
    images = torch.empty(5, 32, 32, 3, dtype=torch.uint8, device="meta")
    number = torch.empty(5, dtype=torch.int64, device="meta")
    result = trivial_augment(images, number, number, number.bool(), whole=True)
    assert result.shape == images.shape
    with pytest.raises(NotImplementedError):
        trivial_augment(images, number, number, number.bool(), whole=False)

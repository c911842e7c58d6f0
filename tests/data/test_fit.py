"""Pictures that are not square: cropped, padded or squashed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from budgetnas.data import DataSource, View
from budgetnas.data._picture import fit_one
from budgetnas.data.load import to_channels
from budgetnas.errors import InputError
from tests.data.pictures import contents, save, train


def marked(bright: bool, seed: int = 0) -> Image.Image:
    """64 x 16 pixels of dark noise, with a mark at one end: the classes differ in nothing else."""
    pixels = np.random.default_rng(seed).integers(0, 60, (16, 64, 3), dtype=np.uint8)
    pixels[:, :12] = 255 if bright else 100
    return Image.fromarray(pixels)


def fill_marked(n: int) -> None:
    for name in ("bright", "dull"):
        for number in range(n):
            save(marked(name == "bright", number), f"images/train/{name}/{number}.png")
            save(marked(name == "bright", 900 + number), f"images/test/{name}/{number}.png")


@pytest.mark.parametrize(("fit", "told"), [("crop", False), ("pad", True), ("squash", True)])
def test_a_mark_at_one_end_is_seen_unless_it_is_cropped(fit: str, told: bool) -> None:
    fill_marked(5)
    images = train(16, fit=fit)
    bright, dull = (images.images[images.labels == label].float() for label in (0, 1))
    assert (not torch.equal(bright, dull)) is told  # the same noise is in both
    assert (float(bright.mean() - dull.mean()) > 5) is told


@pytest.mark.parametrize(
    ("width", "height"), [(64, 16), (16, 64), (33, 47), (5, 9), (1, 300), (300, 1), (8, 8), (4, 4)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_padding_shows_all_of_a_picture_in_its_proportions(
    width: int, height: int, channels: int
) -> None:
    picture = np.full((height, width, channels), 200, np.uint8)
    square = fit_one(picture, View(8, "pad", "black"))
    assert square.shape == (8, 8, channels)
    shown = np.argwhere((square == 200).all(2))
    assert set(np.unique(square)) <= {0, 200}
    tall, wide = shown.max(0) - shown.min(0) + 1
    scale = 8 / max(width, height)
    assert (tall, wide) == (max(1, round(height * scale)), max(1, round(width * scale)))
    assert abs((shown.max(0) + shown.min(0)) - 7).max() <= 1  # in the middle


@pytest.mark.parametrize("background", ["white", "black", "grey"])
def test_grey_is_padded_as_colour_is(background: str) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 20, 1), np.uint8)
    view = View(12, "pad", background)
    colour = fit_one(np.repeat(picture, 3, 2), view)
    assert (to_channels(colour, 1) == fit_one(picture, view)).all()


def test_squashing_shows_all_of_a_picture() -> None:
    ramp = np.repeat(np.linspace(0, 255, 64)[None, :, None], 16, 0).astype(np.uint8)
    squashed = fit_one(ramp, View(16, "squash"))[8, :, 0].astype(int)
    assert squashed[0] < 10
    assert squashed[-1] > 245
    assert (np.diff(squashed) > 10).all()


def test_a_grey_set_is_colour_only_if_its_padding_is_seen() -> None:
    for name in "ab":
        for number in range(3):
            pixels = np.random.default_rng(ord(name) + number).integers(0, 256, (16, 8), np.uint8)
            save(Image.fromarray(pixels), f"images/train/{name}/{number}.png")
        save(Image.fromarray(pixels), f"images/test/{name}/0.png")
    assert train(fit="pad", background="#ff0000").channels == 3
    assert train(fit="squash", background="#ff0000").channels == 1
    assert train(fit="pad", background="grey").channels == 1


def test_each_view_has_its_own_row_in_the_cache() -> None:
    fill_marked(3)
    how = [
        {"fit": "crop"},
        {"fit": "pad"},
        {"fit": "squash"},
        {"fit": "pad", "background": "grey"},
    ]
    found = [contents(train(16, **each)) for each in how]
    assert [contents(train(16, **each)) for each in how] == found
    assert len(set.union(*found)) == sum(map(len, found))


def test_what_is_no_fit_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        DataSource.choose("digits", fit="stretch")
    assert str(caught.value) == "--fit must be crop, pad or squash, got 'stretch'"
    assert not Path("data").exists()

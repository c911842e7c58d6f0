"""Transparent pictures are composed on a background, and said to be transparent."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from budgetnas.data import DataSource, check_background
from budgetnas.errors import InputError
from tests.data.pictures import chunk, contents, deep_png, held_out, noise, save, sided, train

Mask = npt.NDArray[np.bool_]


def shape(seed: int) -> Mask:
    """Which pixels show something."""
    return np.random.default_rng(seed).random((8, 8)) < 0.5


def rgba(mask: Mask, path: str) -> None:
    save(Image.fromarray(np.dstack([*[0 * mask] * 3, 255 * mask]).astype(np.uint8)), f"{path}.png")


def webp(mask: Mask, path: str) -> None:
    pixels = np.dstack([*[0 * mask] * 3, 255 * mask]).astype(np.uint8)
    save(Image.fromarray(pixels), f"{path}.webp", lossless=True)


def grey_and_alpha(mask: Mask, path: str) -> None:
    save(Image.fromarray(np.dstack([0 * mask, 255 * mask]).astype(np.uint8)), f"{path}.png")


def premultiplied(mask: Mask, path: str) -> None:
    pixels = np.dstack([*[0 * mask] * 3, 255 * mask]).astype(np.uint8)
    save(Image.fromarray(pixels).convert("RGBa").convert("RGBA"), f"{path}.tif")


def palette(**options: object) -> Callable[[Mask, str], None]:
    def write(mask: Mask, path: str) -> None:
        picture = Image.fromarray(np.where(mask, 1, 0).astype(np.uint8), "P")
        picture.putpalette([0, 0, 0, 0, 0, 0])
        save(picture, f"{path}.{options.get('suffix', 'png')}", transparency=0)

    return write


def grey_key(mask: Mask, path: str) -> None:
    save(Image.fromarray(np.where(mask, 0, 9).astype(np.uint8)), f"{path}.png", transparency=9)


def colour_key(mask: Mask, path: str) -> None:
    pixels = np.where(mask[..., None], [0, 0, 0], [9, 8, 7]).astype(np.uint8)
    save(Image.fromarray(pixels), f"{path}.png", transparency=(9, 8, 7))


def deep_key(channels: int) -> Callable[[Mask, str], None]:
    def write(mask: Mask, path: str) -> None:
        pixels = np.where(mask, 0, 300)[..., None].repeat(channels, 2).astype(np.uint16)
        key = chunk(b"tRNS", (300).to_bytes(2, "big") * channels)
        Path(f"{path}.png").write_bytes(deep_png(pixels, key))

    return write


def deep_alpha(channels: int) -> Callable[[Mask, str], None]:
    def write(mask: Mask, path: str) -> None:
        pixels = np.zeros((8, 8, channels + 1), np.uint16)
        pixels[..., -1] = 65535 * mask
        Path(f"{path}.png").write_bytes(deep_png(pixels))

    return write


@pytest.mark.parametrize(
    "write",
    [
        rgba, webp, grey_and_alpha, premultiplied, palette(), palette(suffix="gif"), grey_key,
        colour_key, deep_key(1), deep_key(3), deep_alpha(1), deep_alpha(3),
    ],
)  # fmt: skip
def test_a_shape_that_exists_in_alpha_only_is_seen(write: Callable[[Mask, str], None]) -> None:
    """Every colour is black; what is not there is white."""
    for part, n in (("train", 3), ("test", 1)):
        for name in "ab":
            Path(f"images/{part}/{name}").mkdir(parents=True)
            for number in range(n):
                write(shape(1000 * ord(name) + number), f"images/{part}/{name}/{number}")
    images = train()
    shapes = [shape(1000 * ord(name) + number) for name in "ab" for number in range(3)]
    assert images.channels == 1
    assert contents(images) == {np.where(m, 0, 255).astype(np.uint8).tobytes() for m in shapes}
    assert images.notices[-1] == (
        "6 of 6 pictures are transparent: composed on white (--background takes another colour)"
    )
    black = [np.where(m, 0, 0x80).astype(np.uint8).tobytes() for m in shapes]
    assert contents(train(background="grey")) == set(black)
    red = train(background="#ff0000")
    assert (red.channels, torch.unique(red.images.flatten(0, 2), dim=0).tolist()) == (
        3, [[0, 0, 0], [255, 0, 0]],
    )  # fmt: skip
    assert len(contents(held_out(1, depth=images.depth))) == 2


def test_half_transparent_pixels_are_mixed_and_opaque_ones_are_not_counted() -> None:
    for name in "ab":
        for number in range(3):
            picture = noise(1000 * ord(name) + number).convert("RGBA")
            save(picture, f"images/train/{name}/{number}.png")
    save(noise(1), "images/test/a/0.png")
    opaque = train()
    assert opaque.notices[1:] == ()
    picture = noise(5).convert("RGBA")
    picture.putalpha(51)
    save(picture, "images/train/b/half.png")
    half = train()
    assert half.notices[1:] == (
        "1 of 7 pictures are transparent: composed on white (--background takes another colour)",
    )
    mixed = np.asarray(noise(5)).astype(float) * 0.2 + 255 * 0.8
    assert abs(half.images[-1].numpy() - mixed).max() <= 1


def test_shapes_in_alpha_alone_are_on_both_sides_and_hidden_colours_move_nobody() -> None:
    """What is set aside follows what can be seen, not the colour behind what can't."""
    for number in range(40):
        for name in "ab":
            Path(f"images/train/{name}").mkdir(parents=True, exist_ok=True)
            rgba(shape(1000 * ord(name) + number), f"images/train/{name}/{number:02}")
    labels = train().labels.tolist()
    assert 48 <= len(labels) < 80
    for path in Path("images/train").glob("*/*"):
        with Image.open(path) as picture:
            pixels = np.array(picture)
        pixels[pixels[..., 3] == 0] = [200, 10, 7, 0]
        save(Image.fromarray(pixels), str(path))
    assert train().labels.tolist() == labels
    assert train(background="grey").labels.tolist() == labels


def test_opaque_alpha_changes_no_side() -> None:
    for number, image in enumerate(sided(6, aside=False)):
        save(image.convert("RGBA"), f"images/train/{'ab'[number % 2]}/{number}.png")
    with pytest.raises(InputError, match="none is set aside"):
        train()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("white", "white"), ("White", "white"), ("#FFFFFF", "white"), ("#000000", "black"),
        ("#808080", "grey"), ("#A1b2C3", "#a1b2c3"),
    ],
)  # fmt: skip
def test_a_colour_is_kept_in_one_way(given: str, kept: str) -> None:
    assert check_background(given) == kept
    source = DataSource.choose("digits", background=given)
    assert source.background == kept
    assert DataSource.parse(source.model_dump(), "a file") == source


@pytest.mark.parametrize("given", ["", "red", "#fff", "#12345g", "ffffff"])
def test_what_is_no_colour_is_refused(given: str) -> None:
    with pytest.raises(InputError) as caught:
        DataSource.choose("digits", background=given or "''")
    assert "--background must be white, black, grey or #rrggbb, got" in str(caught.value)

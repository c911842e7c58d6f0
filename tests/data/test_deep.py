"""Pictures of more than 8 bits: one rule for a set says which value is white."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from budgetnas.data import Depth
from budgetnas.data._source import white_level
from budgetnas.data.load import load_train
from budgetnas.errors import InputError
from tests.data.pictures import (
    GO_ON,
    contents,
    deep_png,
    deep_tiff,
    held_out,
    noise,
    save,
    source,
    train,
)
from tests.data.test_cache import counts, read

Values = npt.NDArray[Any]
Writer = Callable[[Values, str], None]


def values(seed: int, channels: int = 1) -> Values:
    """Numbers from 0 to 255 inclusive."""
    drawn = np.random.default_rng(seed).integers(0, 256, (8, 8, channels))
    drawn[0, 0], drawn[0, 1] = 0, 255
    return drawn


def tiff(dtype: str) -> Writer:
    def write(numbers: Values, path: str) -> None:
        save(Image.fromarray(numbers[..., 0].astype(dtype)), f"{path}.tif")

    return write


def grey_png(numbers: Values, path: str) -> None:
    save(Image.fromarray(numbers[..., 0].astype(np.uint16)), f"{path}.png")


def colour_png(numbers: Values, path: str) -> None:
    Path(f"{path}.png").write_bytes(deep_png(np.repeat(numbers, 3, 2).astype(np.uint16)))


def grey_and_alpha_png(numbers: Values, path: str) -> None:
    opaque = np.full_like(numbers, 2**16 - 1)
    Path(f"{path}.png").write_bytes(deep_png(np.concatenate([numbers, opaque], 2)))


def colour_and_alpha_png(numbers: Values, path: str) -> None:
    opaque = np.full_like(numbers, 2**16 - 1)
    Path(f"{path}.png").write_bytes(deep_png(np.concatenate([*[numbers] * 3, opaque], 2)))


def colour_tiff(order: str, **options: bool) -> Writer:
    def write(numbers: Values, path: str) -> None:
        pixels = np.repeat(numbers, 3, 2).astype(np.uint16)
        Path(f"{path}.tif").write_bytes(deep_tiff(pixels, order, **options))

    return write


def fill_with(write: Writer, times: float = 1, n: int = 3, part: str = "train") -> None:
    for name in "ab":
        Path(f"images/{part}/{name}").mkdir(parents=True, exist_ok=True)
        for number in range(n):
            numbers = values(1000 * ord(name) + number)
            scaled = numbers * times if times % 1 else numbers * int(times)
            write(scaled, f"images/{part}/{name}/{number}")


def bytes_png(numbers: Values, path: str) -> None:
    save(Image.fromarray(numbers[..., 0].astype(np.uint8)), f"{path}.png")


WRITERS: dict[str, tuple[Writer, float, float]] = {
    "int32 of bytes": (tiff("int32"), 1, 255),
    "uint16 of bytes": (grey_png, 1, 255),
    "uint16 TIFF of bytes": (tiff("uint16"), 1, 255),
    "int16 TIFF of bytes": (tiff("int16"), 1, 255),
    "colour of bytes": (colour_png, 1, 255),
    "grey and alpha of bytes": (grey_and_alpha_png, 1, 255),
    "colour and alpha of bytes": (colour_and_alpha_png, 1, 255),
    "little-endian TIFF of bytes": (colour_tiff("<"), 1, 255),
    "big-endian TIFF of bytes": (colour_tiff(">"), 1, 255),
    "packed little-endian TIFF of bytes": (colour_tiff("<", packed=True), 1, 255),
    "packed big-endian TIFF of bytes": (colour_tiff(">", packed=True), 1, 255),
    "10 bits": (grey_png, 4, 1023),
    "12 bits": (grey_png, 16, 4095),
    "12 bits of colour": (colour_png, 16, 4095),
    "16 bits": (grey_png, 257, 65535),
    "16 bits of colour": (colour_png, 257, 65535),
    "floats to 1": (tiff("float32"), 1 / 255, 1),
    "floats to 255": (tiff("float32"), 1, 255),
    "floats to 65,535": (tiff("float32"), 257, 65535),
    "labels": (tiff("int32"), 1 / 64, 3),
    "small floats": (tiff("float32"), 1 / 25500, 2**-6),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_set_uses_is_its_range(name: str) -> None:
    write, times, white = WRITERS[name]
    fill_with(write, times)
    fill_with(write, times, 1, "test")
    images = train()
    kind = "float" if "float" in name else "integer"
    assert images.depth == Depth(kind=kind, white=white)
    assert torch.unique(images.images).numel() >= (4 if name == "labels" else 128)
    assert images.images.max() >= 160
    _, notice = images.notices
    assert f"{white:,.6g} is white" in notice
    assert held_out(1, depth=images.depth).channels == 1


@pytest.mark.parametrize("name", [name for name in WRITERS if "bytes" in name])
def test_bytes_in_wider_files_are_the_bytes(name: str) -> None:
    fill_with(WRITERS[name][0])
    fill_with(bytes_png, 1, 1, "test")
    numbers = (values(1000 * ord(name) + n) for name in "ab" for n in range(3))
    assert contents(train()) == {each.astype(np.uint8).tobytes() for each in numbers}


@pytest.mark.parametrize(
    ("kind", "peak", "beside", "white"),
    [
        ("integer", 0, False, 1), ("integer", 1, False, 1), ("integer", 2, False, 3),
        ("integer", 255, False, 255), ("integer", 256, False, 511), ("integer", 100, True, 255),
        ("integer", 300, True, 511), ("integer", 4095, False, 4095),
        ("integer", 4096, False, 8191), ("integer", 65535, False, 65535),
        ("float", 0, False, 1), ("float", 1, False, 1), ("float", 0.5, False, 0.5),
        ("float", 0.51, False, 1), ("float", 0.01, False, 2**-6), ("float", 0.01, True, 1),
        ("float", 1.01, False, 3), ("float", 1.01, True, 255), ("float", 254.5, False, 255),
        ("float", 255.5, False, 511), ("float", 65535, False, 65535),
    ],
)  # fmt: skip
def test_white_level(kind: Any, peak: float, beside: bool, white: float) -> None:
    assert white_level(kind, peak, beside) == white
    assert white_level(kind, white, beside) == white >= peak


def test_beside_bytes_bytes_stay_as_they_are() -> None:
    fill_with(bytes_png)
    fill_with(bytes_png, 1, 1, "test")
    alone = contents(train())
    tiff("int32")(values(5).clip(0, 100), "images/train/a/wide")
    both = train()
    assert both.depth == Depth(kind="integer", white=255)
    assert contents(both) == alone | {values(5).clip(0, 100).astype(np.uint8).tobytes()}


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [(np.nan, "nan"), (np.inf, "inf"), (-1, "-1"), (70_000, "70000")],
)
def test_values_of_no_known_brightness_are_refused_by_name(wrong: float, shown: str) -> None:
    fill_with(tiff("float32"))
    numbers = values(1).astype(np.float32)
    numbers[3, 3] = wrong
    tiff("float32")(numbers, "images/train/a/wrong")
    with pytest.raises(InputError) as caught:
        train()
    assert str(caught.value) == (
        "images/train/a/wrong.tif: not a readable image: floats of more than 8 bits must be from "
        f"0 to 65,535, got {shown}{GO_ON}"
    )


@pytest.mark.parametrize("wrong", [-5, 70_000])
def test_whole_numbers_of_no_known_brightness_are_refused(wrong: int) -> None:
    fill_with(tiff("int32"))
    tiff("int32")(np.full((8, 8, 1), wrong), "images/train/a/wrong")
    with pytest.raises(InputError, match=rf"wrong.tif: .* whole numbers .*, got {wrong}"):
        train()


@pytest.mark.parametrize("packed", [False, True])
def test_channels_of_16_bits_in_planes_are_refused(packed: bool) -> None:
    """Pillow takes bytes of one for bytes of another."""
    fill_with(bytes_png)
    colour_tiff("<", packed=packed, planar=True)(values(1), "images/train/a/planes")
    with pytest.raises(InputError, match=r"planes.tif: .* must have its channels interleaved"):
        train()


def test_floats_beside_whole_numbers_are_refused_by_name() -> None:
    fill_with(tiff("float32"), 1 / 255)
    fill_with(bytes_png, 1, 1, "test")
    grey_png(values(1), "images/train/b/1-wide")
    with pytest.raises(InputError) as caught:
        train()
    assert str(caught.value) == (
        "images/train/b/1-wide.png holds whole numbers of more than 8 bits, "
        "images/train/a/0.tif floats: which values are equally bright can't be known, save all in "
        "one way"
    )


def test_the_test_part_follows_the_training_part() -> None:
    fill_with(grey_png, 16)
    brighter = values(77) * 257
    for name in "ab":
        Path(f"images/test/{name}").mkdir(parents=True)
        grey_png(brighter, f"images/test/{name}/0")
    depth = train().depth
    assert depth == Depth(kind="integer", white=4095)
    clipped = np.rint((brighter / 4095 * 255).clip(0, 255)).astype(np.uint8)
    assert contents(held_out(1, depth=depth)) == {clipped.tobytes()}


@pytest.mark.parametrize(
    ("write", "depth", "had"),
    [
        (grey_png, None, "have 8 bits"),
        (tiff("float32"), Depth(kind="integer", white=255), "whole numbers"),
    ],
)
def test_a_later_picture_of_another_depth_is_refused_by_name(
    write: Writer, depth: Depth | None, had: str
) -> None:
    fill_with(bytes_png)
    fill_with(write, 1, 1, "test")
    with pytest.raises(InputError) as caught:
        held_out(1, depth=depth)
    message = str(caught.value)
    assert message.startswith("2 images can't be read (--skip-unreadable leaves them out): ")
    assert message.count("/0.") == message.count(f"8 bits, the training images {had}") == 2


def test_sides_follow_the_values_not_the_format_nor_what_is_white() -> None:
    """A picture in a wider file, or beside a brighter one, is on the side where it was."""
    for number in range(30):
        for name in "ab":
            Path(f"images/train/{name}").mkdir(parents=True, exist_ok=True)
            numbers = values(1000 * ord(name) + number)
            bytes_png(numbers, f"images/train/{name}/{number:02}")
    labels = train().labels.tolist()
    for number in range(30):
        for name in "ab":
            path = f"images/train/{name}/{number:02}"
            tiff("int32")(values(1000 * ord(name) + number), path)
            Path(f"{path}.png").unlink()
    assert train().labels.tolist() == labels
    tiff("int32")(values(3) * 250, "images/train/b/99-brighter")
    images = train()
    assert images.depth == Depth(kind="integer", white=65535)
    assert images.labels.tolist() in (labels, [*labels, 1])


def test_another_set_with_the_same_file_has_another_white() -> None:
    fill_with(grey_png)
    fill_with(bytes_png, 1, 1, "test")
    first, what = read()
    assert what == counts(0, 6)  # once more: what is white was not known the first time
    again, what = read()
    assert what == counts(6, 0)
    grey_png(values(1) * 16, "images/train/b/brighter")
    brighter, _ = read()
    assert first.depth == again.depth == Depth(kind="integer", white=255)
    assert contents(first) == contents(again)
    assert brighter.images[:6].max() == round(255 * 255 / 4095)


def test_a_large_deep_picture_is_resized_as_its_bytes_are() -> None:
    for name in "ab":
        for number in range(3):
            picture = noise(ord(name) + number, (40, 30), mode="L")
            save(picture, f"bytes/train/{name}/{number}.png")
            whole = Image.fromarray(np.asarray(picture).astype(np.int32))
            save(whole, f"images/train/{name}/{number}.tif")
    for root in ("bytes", "images"):
        for name in "ab":
            save(noise(1, mode="L"), f"{root}/test/{name}/0.png")
    for fit in ("crop", "pad", "squash"):
        wide, narrow = (load_train(source(8, root, fit=fit)) for root in ("images", "bytes"))
        assert contents(wide) == contents(narrow)

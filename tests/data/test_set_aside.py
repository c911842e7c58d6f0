"""What is set aside for the test follows the content of each image, and nothing else."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from tests.data.pictures import contents, fill, held_out, noise, save, train


@contextmanager
def nobody_moves() -> Iterator[None]:
    """Nobody who was in train gets into the test part, nor the other way round."""
    left, aside = contents(train()), contents(held_out())
    yield
    now_left, now_aside = contents(train()), contents(held_out())
    assert not left & now_aside
    assert not aside & now_left
    assert not now_left & now_aside


def files() -> list[Path]:
    return sorted(Path("images/train").glob("*/*"))


def rename_files() -> None:
    for number, path in enumerate(files()):
        path.rename(path.with_name(f"{997 * number % 1000}-{path.name}"))


def rename_a_class() -> None:
    Path("images/train/a").rename("images/train/z")


def copy_files() -> None:
    for path in files():
        shutil.copy(path, path.with_name(f"copy-{path.name}"))


def copy_to_the_other_class() -> None:
    for path in files():
        other = "b" if path.parent.name == "a" else "a"
        shutil.copy(path, f"images/train/{other}/copy-{path.name}")


def store_losslessly() -> None:
    for path in files():
        with Image.open(path) as image:
            image.save(path.with_suffix(".bmp"))
            image.save(path.with_suffix(".webp"), lossless=True)


def store_instead() -> None:
    for path in files():
        with Image.open(path) as image:
            image.save(path.with_suffix(".tiff"))
        path.unlink()


def touch_files() -> None:
    for path in files():
        path.touch()


def add_images() -> None:
    fill(n=30, first=500)
    fill(classes="0z", n=30)


def remove_images() -> None:
    for path in files()[::3]:
        path.unlink()


@pytest.mark.parametrize(
    "change",
    [
        rename_files, rename_a_class, copy_files, copy_to_the_other_class, store_losslessly,
        store_instead, touch_files, add_images, remove_images,
    ],
)  # fmt: skip
def test_no_image_changes_sides(change: Callable[[], None]) -> None:
    fill(n=40)
    with nobody_moves():
        change()


def test_renaming_and_copying_keep_the_set_aside_images_themselves() -> None:
    fill(n=40)
    aside = contents(held_out())
    rename_files()
    rename_a_class()
    store_losslessly()
    assert contents(held_out()) == aside


def test_another_size_changes_no_side() -> None:
    fill(n=40)
    assert train(size=5).labels.tolist() == train(size=8).labels.tolist()


def test_grey_and_colour_copies_are_on_one_side() -> None:
    for number in range(40):
        grey = noise(number, mode="L")
        for name, image in (("a", grey), ("b", grey.convert("RGB"))):
            save(image, f"images/train/{name}/{number:03}.png")
    labels = train().labels
    assert labels.bincount().tolist() == [len(labels) / 2] * 2  # both copies, or none
    assert not contents(train()) & contents(held_out(channels=1))


def test_a_test_part_of_ones_own_sets_nothing_aside() -> None:
    fill(n=40)
    fewer = train()
    fill("test", n=1, first=900)
    assert len(fewer) < len(train()) == 80

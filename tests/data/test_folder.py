"""A user's own images: any format, upright, without alpha, and a test part that is theirs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from budgetnas.data import DataSource
from budgetnas.data.heldout import check_test, count_openings, open_test
from budgetnas.data.images import ImageSet
from budgetnas.data.load import load_train
from budgetnas.errors import InputError

Paint = Callable[[str, int], Image.Image]


def noise(seed: int, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Image.Image:
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(values, mode=None)


def save(image: Image.Image, path: str, **options: object) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)  # type: ignore[arg-type]


def fill(part: str = "train", classes: str = "ab", n: int = 20, first: int = 0) -> None:
    for number in range(n):
        for name in classes:
            image = noise(first + 1000 * ord(name) + number)
            save(image, f"images/{part}/{name}/{number:03}.png")


def source(size: int = 8) -> DataSource:
    return DataSource.choose("folder", "images", size)


def train(size: int = 8) -> ImageSet:
    return load_train(source(size))


def held_out(channels: int = 3) -> ImageSet:
    return open_test(source(), channels, Path("log"), "a test")


def contents(images: ImageSet) -> set[bytes]:
    return {image.numpy().tobytes() for image in images.images}


def test_without_a_test_part_a_fifth_is_set_aside() -> None:
    fill(n=100)
    left, aside = train(), held_out()
    assert len(left) + len(aside) == 200
    assert 20 < len(aside) < 60
    assert not contents(left) & contents(aside)
    assert left.classes == aside.classes == ("a", "b")


def test_the_set_aside_part_follows_content() -> None:
    fill()
    aside = contents(held_out())
    shutil.move("images/train/a", "images/train/c")  # renamed folders and files, copies
    for path in sorted(Path("images/train/c").iterdir()):
        shutil.copy(path, path.with_name(f"copy-{path.name}"))
    fill(classes="b", n=30, first=0)  # ten more
    assert aside <= contents(held_out())
    assert not contents(train()) & contents(held_out())


def test_a_test_folder_is_the_test_part_and_train_stays_whole() -> None:
    fill()
    fill("test", n=3, first=500)
    assert (len(train()), len(held_out())) == (40, 6)


def test_every_opening_is_logged() -> None:
    fill()
    assert count_openings(Path("log")) == 0
    held_out()
    held_out()
    assert count_openings(Path("log")) == 2


def test_exif_orientation_is_applied() -> None:
    fill()
    image = noise(7)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    save(image, "images/train/a/turned.png", exif=exif)
    fill("test")
    upright = np.rot90(np.asarray(image), -1).tobytes()
    assert upright in contents(train())


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("RGBA", "png"),
        ("RGBA", "webp"),
        ("P", "gif"),
        ("CMYK", "jpg"),
        ("1", "bmp"),
        ("LA", "png"),
    ],
)
def test_every_mode_becomes_colour(mode: str, suffix: str) -> None:
    fill()
    save(noise(1).convert(mode), f"images/train/a/other.{suffix}")
    fill("test")
    images = train()
    assert images.channels == 3
    assert len(images) == 41


def test_a_suffix_is_not_needed_and_formats_only_written_are_left_out() -> None:
    fill()
    save(noise(1), "images/train/a/plain.png")
    Path("images/train/a/plain.png").rename("images/train/a/plain")
    Path("images/train/a/notes.pdf").write_bytes(b"%PDF-1.4")
    fill("test")
    images = train()
    assert len(images) == 41
    assert noise(1).tobytes() in contents(images)


def test_alpha_is_dropped_not_blended() -> None:
    fill()
    image = noise(1)
    image.putalpha(0)
    save(image, "images/train/a/clear.png")
    fill("test")
    assert noise(1).tobytes() in contents(train())


def test_grey_only_if_all_are() -> None:
    for name in "ab":
        for number in range(5):
            save(noise(number + ord(name), mode="L"), f"images/train/{name}/{number}.png")
    fill("test")
    assert train().channels == 1
    assert held_out(channels=1).channels == 1
    save(noise(0), "images/train/a/colour.png")
    assert train().channels == 3


def test_deep_grey_is_scaled_not_cut_off() -> None:
    for name in "ab":
        for number in range(3):
            deep = Image.fromarray(np.full((8, 8), 256 * (100 * number), dtype=np.uint16))
            save(deep, f"images/train/{name}/{number}.png")
    fill("test")
    assert sorted(torch.unique(train().images).tolist()) == [0, 100, 200]


@pytest.mark.parametrize(("width", "height"), [(40, 20), (20, 40), (33, 47), (5, 9), (16, 16)])
def test_short_side_resized_centre_cropped(width: int, height: int) -> None:
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[height // 4 : -(height // 4), width // 4 : -(width // 4)] = 255
    fill()
    save(Image.fromarray(picture), "images/train/a/square.png")
    fill("test")
    images = train(16)
    assert images.images.shape[1:] == (16, 16, 3)
    white = next(i for i in images.images if i[7:9, 7:9].min() == 255 and i[0, 0].max() < 200)
    assert white.float().mean() > 20


def test_hidden_files_and_other_files_are_no_images() -> None:
    fill()
    Path("images/train/.DS_Store").write_text("x")
    Path("images/train/a/.hidden.png").write_text("x")
    Path("images/train/a/Thumbs.db").write_text("x")
    fill("test")
    assert len(train()) == 40


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda: shutil.rmtree("images"), "images/train is no folder"),
        (
            lambda: shutil.rmtree("images/train/b"),
            "at least 2 classes (folders) are needed, got a",
        ),
        (lambda: Path("images/train/c").mkdir(), "class 'c' has no image in images/train/c"),
        (lambda: Path("images/train/a/001.png").write_text("x"), "images/train/a/001.png: not a"),
        (
            lambda: Path("images/train/a/001.png").write_bytes(
                Path("images/train/a/002.png").read_bytes()[:99]
            ),
            "images/train/a/001.png: not a readable image",
        ),
    ],
)
def test_what_a_folder_can_not_be(damage: Callable[[], object], message: str) -> None:
    fill()
    damage()
    with pytest.raises(InputError) as caught:
        train()
    assert message in str(caught.value)


@pytest.mark.parametrize(("classes", "where"), [("abc", "'c' is in test only"), ("a", "")])
def test_classes_of_train_and_test_are_the_same(classes: str, where: str) -> None:
    fill()
    fill("test", classes=classes)
    with pytest.raises(InputError) as caught:
        check_test(source(), ("a", "b"))
    assert where in str(caught.value)

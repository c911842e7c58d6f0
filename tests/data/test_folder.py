"""A user's own images: any format, upright, and a test part that is theirs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from budgetnas.data import Depth, count_openings
from budgetnas.data.heldout import check_test
from budgetnas.errors import InputError
from tests.data.pictures import contents, fill, held_out, noise, save, sided, source, train


def test_without_a_test_part_a_fifth_is_set_aside() -> None:
    fill(n=100)
    left, aside = train(), held_out()
    assert len(left) + len(aside) == 200
    assert 20 < len(aside) < 60
    assert not contents(left) & contents(aside)
    assert left.classes == aside.classes == ("a", "b")


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


def test_what_pillow_warns_of_is_read_without_a_warning() -> None:
    fill()
    save(noise(1).convert("P"), "images/train/a/clear.png", transparency=bytes(range(256)))
    fill("test")
    assert len(train()) == 41  # a warning would be an error here


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
    images = train()
    assert sorted(torch.unique(images.images).tolist()) == [0, 100, 199]  # of 65,535
    assert images.depth == Depth(kind="integer", white=65535)


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
        (
            lambda: keep("images/train/a", 2),
            "class 'a' has 2 images in images/train/a, at least 3",
        ),
        (lambda: keep("images/train/b", 1), "class 'b' has 1 image in images/train/b, at least 3"),
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
    assert "\n" not in str(caught.value)


def keep(folder: str, n: int) -> None:
    for path in sorted(Path(folder).iterdir())[n:]:
        path.unlink()


def test_three_images_a_class_are_enough_beside_a_test_part() -> None:
    fill(n=3)
    fill("test", n=1)
    assert (len(train()), len(held_out())) == (6, 2)


def test_a_class_of_which_too_much_is_set_aside_is_named() -> None:
    fill(n=30)
    for number, image in enumerate(sided(3, aside=True) + sided(1, aside=False)):
        save(image, f"images/train/c/{number}.png")
    with pytest.raises(InputError) as caught:
        train()
    assert str(caught.value) == (
        "class 'c' has 4 images in images/train/c, of which 3 are set aside to test on: "
        "at least 2 must be left to train and validate on, got 1"
    )


def test_something_is_set_aside() -> None:
    for number, image in enumerate(sided(6, aside=False)):
        save(image, f"images/train/{'ab'[number % 2]}/{number}.png")
    with pytest.raises(InputError, match="of 6 images none is set aside to test on, add some"):
        train()


@pytest.mark.parametrize(("classes", "where"), [("abc", "'c' is in test only"), ("a", "")])
def test_classes_of_train_and_test_are_the_same(classes: str, where: str) -> None:
    fill()
    fill("test", classes=classes)
    with pytest.raises(InputError) as caught:
        check_test(source(), ("a", "b"))
    assert where in str(caught.value)


def test_a_set_of_one_picture_is_refused() -> None:
    for number in range(6):
        for name in "ab":
            save(noise(1), f"images/train/{name}/{number}.png")
    fill("test", n=1)
    with pytest.raises(InputError) as caught:
        train()
    assert str(caught.value) == (
        "folder-images: at least 2 different training images are needed, all 12 are identical "
        "at 8 x 8 pixels (--fit crop)"
    )


def test_one_class_may_be_of_one_picture_and_not_two() -> None:
    fill(n=4)
    fill("test", n=1)
    for number in range(6):
        save(noise(1), f"images/train/empty/{number}.png")
    assert len(train()) == 14
    for number in range(5):
        save(noise(2, (16, 16)), f"images/train/full/{number}.png")
    with pytest.raises(InputError) as caught:
        train()
    assert str(caught.value) == (
        "folder-images: at most 1 class may consist of copies of one image, got 2 at 8 x 8 pixels "
        "(--fit crop): 'empty' (6 images), 'full' (5 images)"
    )

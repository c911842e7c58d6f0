"""Large pictures: one limit, and decoding at a reduced scale where the format can."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from budgetnas.data import View
from budgetnas.data._decode import open_picture
from budgetnas.data._picture import Picture, fit_one, read_digested, read_picture
from tests.data.pictures import noise, save, train
from tests.data.test_hostile import complaint


def photo(width: int, height: int) -> Image.Image:
    """Something like a photo: smooth, with edges and grain."""
    waves = np.random.default_rng(0).normal(size=(12, 16, 3)) * 60 + 128
    smooth = Image.fromarray(waves.clip(0, 255).astype(np.uint8)).resize((width, height))
    grain = np.random.default_rng(1).normal(size=(height, width, 3)) * 8
    return Image.fromarray((np.asarray(smooth) + grain).clip(0, 255).astype(np.uint8))


def jpeg(picture: Image.Image, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, "JPEG", quality=90, **options)
    return file.getvalue()


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """A limit that small files exceed."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2**20)
    return 2**20


@pytest.mark.parametrize(
    ("width", "height", "size", "decoded"),
    [
        (2040, 1020, 32, (2040, 1020)),  # half of its short side is below 512
        (2100, 1100, 32, (1050, 550)),
        (2100, 1100, 137, (1050, 550)),  # 4 times the side, and a bit
        (2100, 1100, 138, (2100, 1100)),
        (4300, 4200, 32, (538, 525)),
        (4300, 4200, 200, (1075, 1050)),
        (4300, 4200, 0, (538, 525)),
    ],
)
def test_a_jpeg_is_decoded_at_the_scale_that_is_needed(
    width: int, height: int, size: int, decoded: tuple[int, int]
) -> None:
    content = jpeg(Image.new("RGB", (width, height)))
    assert open_picture(content, size).size == decoded


def test_pixels_hardly_change_by_it() -> None:
    picture = photo(2400, 1800)
    content = jpeg(picture)
    for size in (16, 64, 110):
        reduced = read_picture(content, size)
        assert max(reduced.values.shape) < 2400
        whole = Picture(np.asarray(Image.open(BytesIO(content)).convert("RGB")))
        view = View(size)
        a, b = (fit_one(p.colour(None, view.colour), view) for p in (reduced, whole))
        difference = np.abs(a.astype(int) - b.astype(int))
        assert difference.mean() < 0.6
        assert difference.max() <= 3


def test_no_size_changes_the_digest() -> None:
    content = jpeg(photo(2300, 1200))
    (small, first), (large, second) = (read_digested(content, size) for size in (32, 300))
    assert (small.values.shape, large.values.shape) == ((600, 1150, 3), (1200, 2300, 3))
    assert first == second == small.digest() != large.digest()


def test_a_jpeg_above_the_limit_is_decoded_at_reduced_scale(limit: int) -> None:
    picture = photo(3000, 1000)
    for name, content in {"baseline": jpeg(picture), "slow": jpeg(picture.rotate(180))}.items():
        for part in ("train", "test"):
            for number in range(3):
                for other in "ab":
                    save(noise(number + ord(other)), f"images/{part}/{other}/{number}.png")
        Path(f"images/train/a/{name}.jpg").write_bytes(content)
    images = train(100)
    assert len(images) == 8
    assert open_picture(jpeg(picture), 100).size == (1500, 500)
    turned = images.images[3], images.images[4].flip(0, 1)
    assert (turned[0].float() - turned[1].float()).abs().mean() < 12


def test_jpeg_2000_above_the_limit_is_reduced_and_below_it_is_not(limit: int) -> None:
    file = BytesIO()
    photo(1100, 1000).save(file, "JPEG2000")
    assert read_picture(file.getvalue(), 8).values.shape == (500, 550, 3)
    file = BytesIO()
    photo(1000, 1000).save(file, "JPEG2000")
    assert read_picture(file.getvalue(), 8).values.shape == (1000, 1000, 3)


@pytest.mark.parametrize(
    ("name", "content", "shown"),
    [
        ("a.jpg", jpeg(Image.new("L", (8200, 8200))), "8,200 x 8,200 pixels, at most 67,108,864"),
        (
            "b.jpg",
            jpeg(Image.new("L", (1500, 1500)), progressive=True),
            "1,500 x 1,500 pixels, at most 2,097,152",
        ),
    ],
)
def test_a_jpeg_that_no_scale_makes_small_enough_is_refused(
    name: str, content: bytes, shown: str, limit: int
) -> None:
    for number in range(3):
        for other in "ab":
            save(noise(number + ord(other)), f"images/train/{other}/{number}.png")
            save(noise(number + ord(other)), f"images/test/{other}/{number}.png")
    Path("images/train/a", name).write_bytes(content)
    message = complaint()
    assert message == (
        f"images/train/a/{name}: too large a picture: it has {shown} in all are decoded: "
        "save it smaller, or as baseline JPEG, which is decoded at reduced scale"
    )


def test_without_a_limit_everything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert open_picture(jpeg(Image.new("L", (2000, 1500))), 8).size == (1000, 750)

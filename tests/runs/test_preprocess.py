"""What `load_run` makes of a picture is what training makes of its file, pixel by pixel."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from budgetnas.data import Depth, ImageFormat, View
from budgetnas.data.images import ImageSet, Statistics
from budgetnas.data.load import load_train
from budgetnas.errors import InputError
from budgetnas.recipe import Numerics, load_recipe
from budgetnas.runs import Preprocess, RunConfig, load_run
from budgetnas.study import StudyConfig
from budgetnas.train import Normalizer
from budgetnas.workflows.retrain import retrain
from tests.data.pictures import deep_png, held_out, noise, save, source
from tests.data.test_fit import fill_marked

SIZES = [(8, 8), (20, 12), (11, 30)]


def see_through(picture: Image.Image) -> Image.Image:
    picture = picture.convert("RGBA")
    picture.putalpha(noise(99, picture.size, mode="L"))
    return picture


def saved(mode: str, suffix: str, **options: object) -> Callable[[Image.Image, str], None]:
    def write(picture: Image.Image, path: str) -> None:
        save(picture.convert(mode), f"{path}.{suffix}", **options)

    return write


def alpha(mode: str, suffix: str) -> Callable[[Image.Image, str], None]:
    def write(picture: Image.Image, path: str) -> None:
        save(see_through(picture).convert(mode), f"{path}.{suffix}")

    return write


def palette_and_alpha(picture: Image.Image, path: str) -> None:
    seen = picture.convert("L").point(lambda value: value // 128 * 255)
    save(Image.merge("LA", [seen, seen]).convert("PA"), f"{path}.tif")


def wide(dtype: str, times: float, suffix: str) -> Callable[[Image.Image, str], None]:
    def write(picture: Image.Image, path: str) -> None:
        values = np.asarray(picture.convert("L")).astype(float) * times
        save(Image.fromarray(values.astype(dtype)), f"{path}.{suffix}")

    return write


def wide_png(channels: int) -> Callable[[Image.Image, str], None]:
    def write(picture: Image.Image, path: str) -> None:
        values: npt.NDArray[np.uint16] = np.asarray(see_through(picture)).astype(np.uint16) * 16
        values[..., 3] *= 16
        pixels = values[..., [0, 3]] if channels == 2 else values[..., :channels]
        Path(f"{path}.png").write_bytes(deep_png(pixels))

    return write


def animated(picture: Image.Image, path: str) -> None:
    frames = [picture.rotate(180).convert("P")]
    save(picture.convert("P"), f"{path}.gif", save_all=True, append_images=frames)


def turned(picture: Image.Image, path: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(picture, f"{path}.jpg", exif=exif)


def large(picture: Image.Image, path: str) -> None:
    save(picture.resize((1100, 1030)), f"{path}.jpg")


FILES: dict[str, Callable[[Image.Image, str], None]] = {
    "1": saved("1", "png"),
    "L": saved("L", "png"),
    "LA": alpha("LA", "png"),
    "P": saved("P", "png"),
    "P, transparent": saved("P", "png", transparency=bytes(range(256))),
    "P, one transparent": saved("P", "gif", transparency=3),
    "PA": palette_and_alpha,
    "RGB": saved("RGB", "png"),
    "RGBA": alpha("RGBA", "png"),
    "RGBA, WebP": alpha("RGBA", "webp"),
    "RGB, key": saved("RGB", "png", transparency=(1, 2, 3)),
    "I;16": wide("uint16", 16, "png"),
    "I": wide("int32", 3, "tif"),
    "F": wide("float32", 1 / 255, "tif"),
    "RGB of 16 bits": wide_png(3),
    "RGBA of 16 bits": wide_png(4),
    "LA of 16 bits": wide_png(2),
    "CMYK": saved("CMYK", "jpg"),
    "YCbCr": saved("YCbCr", "jpg"),
    "YCbCr, TIFF": saved("YCbCr", "tif"),
    "animated": animated,
    "turned": turned,
    "large": large,
}


@pytest.mark.parametrize("name", FILES)
def test_pixels_are_those_of_training(name: str) -> None:
    """Of each mode, however it is fitted, as a path, an opened picture and a loaded one."""
    for part in ("train", "test"):
        for label, size in zip("abc", SIZES, strict=True):
            Path(f"images/{part}/{label}").mkdir(parents=True)
            for number in range(3):
                FILES[name](noise(number, size), f"images/{part}/{label}/{number}")
    paths = sorted(Path("images/train").glob("*/*"))
    seen = set()
    for fit, background in [
        ("crop", "white"), ("crop", "#20c0f0"), ("pad", "grey"), ("pad", "#20c0f0"),
        ("squash", "black"),
    ]:  # fmt: skip
        where = source(fit=fit, background=background)
        images = load_train(where)
        preprocess = Preprocess(images.format, where.view, statistics(images))
        assert torch.equal(preprocess(paths), normalised(images))
        with contextlib.ExitStack() as files:
            opened = [files.enter_context(Image.open(path)) for path in paths]
            assert torch.equal(preprocess(opened), normalised(images))
            for picture in opened:
                picture.load()  # it was left as it was, to be loaded now
            if "of 16 bits" not in name and name != "large":  # of which Pillow keeps all
                assert torch.equal(preprocess(opened), normalised(images))
        seen.add(images.fingerprint())
        test = held_out(images.channels, depth=images.depth, fit=fit, background=background)
        assert torch.equal(test.images, images.images)
    assert len(seen) >= 3


def statistics(images: ImageSet) -> Statistics:
    return Statistics((0.25,) * images.channels, (0.5,) * images.channels)


def normalised(images: ImageSet) -> torch.Tensor:
    normalize = Normalizer(statistics(images), Numerics(), torch.device("cpu"))
    return normalize(images.images)


@pytest.mark.parametrize("mode", ["La", "RGBa", "HSV", "YCbCr", "RGBX", "CMYK", "PA", "I;16B"])
def test_pictures_that_were_never_in_a_file(mode: str) -> None:
    grey = noise(1, mode="L")
    steps = {"La": ["LA"], "RGBa": ["RGBA"], "PA": ["LA"], "I;16B": ["I"]}.get(mode, ["RGB"])
    picture = grey
    for each in [*steps, mode]:
        picture = picture.convert(each)
    depth = Depth(kind="integer", white=255) if mode == "I;16B" else None
    preprocess = Preprocess(ImageFormat(1, depth), View(8), Statistics((0.0,), (1.0,)))
    expected = np.asarray(grey).astype(int)
    assert abs(np.rint(preprocess(picture)[0, 0].numpy() * 255) - expected).max() <= 2


def test_what_can_not_be_read_as_in_training_is_refused() -> None:
    preprocess = Preprocess(ImageFormat(1), View(8), Statistics((0.0,), (1.0,)))
    wide("uint16", 16, "png")(noise(1), "deep")
    with Image.open("deep.png") as picture:
        for given in (picture, Path("deep.png"), picture.copy()):
            with pytest.raises(InputError, match="holds whole numbers of more than 8 bits, the"):
                preprocess(given)
    cut = Path("deep.png").read_bytes()[:60]
    Path("cut.png").write_bytes(cut)
    with Image.open("cut.png") as picture, pytest.raises(InputError, match="not a readable pic"):
        preprocess(picture)


def test_a_run_keeps_how_its_pictures_were_read() -> None:
    """Trained for real on marks at one end, which only pad and squash show."""
    from budgetnas import search

    fill_marked(30)
    for path in Path("images").glob("*/*/*.png"):
        with Image.open(path) as picture:
            grey = np.asarray(picture.convert("L")).astype(np.int32) * 16
        path.unlink()
        save(Image.fromarray(grey), str(path.with_suffix(".tif")))
    data = {"dataset": "folder", "data_dir": "images", "image_size": 8}
    found = search("10k", trials=1, epochs=1, fit="squash", background="#FFFFFF", **data)
    begun = StudyConfig.read(Path("studies") / found.study)
    assert (begun.data.fit, begun.data.background) == ("squash", "white")
    assert begun.facts.depth == Depth(kind="integer", white=4095)
    recipe = load_recipe("short").changed(batch_size=6, epochs=6)
    result = retrain("best", study=found.study, recipe=recipe)
    config = RunConfig.read(Path(result.run))
    assert (config.data.view, config.depth) == (View(8, "squash"), begun.facts.depth)
    assert result.test_accuracy == 1
    model, preprocess = load_run(result.run)
    paths = [f"images/test/{name}/0.tif" for name in ("bright", "dull")]
    assert model(preprocess(paths)).argmax(1).tolist() == [0, 1]
    with pytest.raises(InputError, match="--fit was squash, now pad; --background was white, now"):
        search("10k", trials=2, fit="pad", background="black", study=found.study)
    with pytest.raises(InputError, match="holds floats of more than 8 bits, the trai"):
        preprocess(Image.fromarray(np.zeros((9, 9), np.float32)))

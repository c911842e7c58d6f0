"""Files are data: whatever lies in a folder, nothing runs, hangs, or takes all memory."""

import os
import pickle
import stat
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from budgetnas.data import DataSource
from budgetnas.data._decode import formats, readable_suffixes
from budgetnas.data.heldout import check_test
from budgetnas.data.load import load_train
from budgetnas.errors import InputError
from tests.data.pictures import GO_ON, chunk, fill, noise, png, save, source, train

BAD = Path("images/train/a/bad.png")


def complaint() -> str:
    with pytest.raises(InputError) as caught:
        train()
    message = str(caught.value)
    assert message.isprintable()
    return message.removesuffix(GO_ON)


@pytest.fixture(autouse=True)
def _images() -> None:
    fill(n=3)
    fill("test", n=1, first=900)


@pytest.mark.parametrize(("width", "shown"), [(10_000, "10,000"), (20_000, "20,000")])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(width: int, shown: str) -> None:
    BAD.write_bytes(png(width, 10_000, b""))
    assert complaint() == (
        f"{BAD}: too large a picture: it has {shown} x 10,000 pixels, at most 89,478,485 in all "
        "are decoded: save it smaller, or as baseline JPEG, which is decoded at reduced scale"
    )


def test_a_bomb_in_an_icon_is_refused() -> None:
    inside = png(10_000, 10_000, b"")
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inside), 22)
    BAD.with_suffix(".ico").write_bytes(struct.pack("<HHH", 0, 1, 1) + entry + inside)
    assert "images/train/a/bad.ico: too large a picture: " in complaint()


def test_a_bomb_in_a_comment_is_refused() -> None:
    text = b"note\0\0" + zlib.compress(bytes(2**27))
    BAD.write_bytes(png(8, 8, b"", chunk(b"zTXt", text)))
    assert complaint().startswith(f"{BAD}: not a readable image: ")


def test_too_thin_a_picture_is_refused_before_it_is_made_larger() -> None:
    save(Image.new("RGB", (60_000, 1)), str(BAD))
    with pytest.raises(InputError) as caught:
        train(size=64)
    assert str(caught.value) == (
        f"{BAD}: not a readable image: 60000x1 pixels are too thin to be cropped to 64x64: "
        f"--fit pad or squash shows all of it{GO_ON}"
    )
    assert train(size=64, fit="pad").size == train(size=64, fit="squash").size == 64


def test_the_limit_itself_is_no_bomb() -> None:
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = 64  # the pixels of an image here
    try:
        assert len(train()) == 6
        save(noise(1, (8, 9)), str(BAD))
        assert "8 x 9 pixels" in complaint()
    finally:
        Image.MAX_IMAGE_PIXELS = limit


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(ran) (w) file\n"


@pytest.fixture
def ghostscript(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A `gs` that leaves a trace when it runs."""
    trace, tools = Path("it-ran").absolute(), Path("bin").absolute()
    tools.mkdir()
    (tools / "gs").write_text(f"#!/bin/sh\ntouch {trace}\n")
    (tools / "gs").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    yield trace
    assert not trace.exists()


@pytest.mark.parametrize("name", ["bad.png", "bad"])
def test_a_program_in_postscript_is_never_run(name: str, ghostscript: Path) -> None:
    Path("images/train/a", name).write_bytes(EPS)
    assert complaint() == (
        f"images/train/a/{name}: not a readable image: it is in no format that is read"
    )


def test_files_that_say_they_are_postscript_are_no_images(ghostscript: Path) -> None:
    for suffix in ("eps", "ps"):
        Path(f"images/train/a/bad.{suffix}").write_bytes(EPS)
    assert len(train()) == 6


def test_all_formats_but_postscript_are_read() -> None:
    assert set(formats()) == set(Image.OPEN) - {"EPS"}
    assert {"", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif"} <= readable_suffixes()
    assert not {".eps", ".ps", ".pdf"} & readable_suffixes()


def test_only_known_plugins_of_pillow_can_run_a_program() -> None:
    plugins = {Image.OPEN[kind][0].__module__ for kind in formats()}
    texts = {name: Path(str(sys.modules[name].__file__)).read_text() for name in plugins}
    words = ("subprocess", "os.system", "popen", "pickle", "eval(", "exec(")
    found = {name for name, text in texts.items() if any(word in text for word in words)}
    # GIF to save, JPEG in `load_djpeg`, which nothing calls
    assert found <= {"PIL.GifImagePlugin", "PIL.JpegImagePlugin"}


def a_folder(path: Path) -> None:
    path.mkdir()
    save(noise(1), str(path / "within.png"))


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_broken_link(path: Path) -> None:
    path.symlink_to("nowhere.png")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (a_pipe, "a pipe, socket or device"),
        (a_device, "a pipe, socket or device"),
        (a_broken_link, "a link that leads nowhere"),
        (a_link_to_itself, "a link that leads nowhere"),
    ],
)
def test_what_is_named_like_an_image_must_be_a_file(
    make: Callable[[Path], None], what: str
) -> None:
    make(BAD)
    assert complaint() == f"{BAD}: an image must be a file, it is {what}"
    BAD.rename(BAD.with_suffix(".txt"))  # which is named like no image
    assert len(train()) == 6


@pytest.mark.parametrize("make", [a_broken_link, a_link_to_itself])
@pytest.mark.parametrize("place", ["images/train/c", "images/test", "images/Val"])
def test_a_class_or_test_part_does_not_get_lost_with_its_disk(
    make: Callable[[Path], None], place: str
) -> None:
    if Path(place).is_dir():
        Path(place).rename("elsewhere")
    make(Path(place))
    assert complaint() == f"{place} must be a folder, it is a link that leads nowhere"


def test_a_folder_named_like_an_image_is_a_folder() -> None:
    a_folder(BAD)
    assert len(train()) == 7


def test_a_link_to_the_folder_that_it_is_in_is_refused_not_followed_for_ever() -> None:
    Path("images/train/a/more").mkdir()
    Path("images/train/a/more/again").symlink_to("..")
    assert complaint() == "images/train/a/more/again: a link to a folder that it is in"


def test_links_to_files_and_folders_are_followed() -> None:
    Path("images/train/a").rename("elsewhere")
    Path("images/train/a").symlink_to("../../elsewhere")
    BAD.symlink_to("000.png")
    assert len(train()) == 7


@pytest.fixture
def nobody() -> Iterator[None]:
    """Whoever runs the tests, root's rights are not at hand."""
    everybody = stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH
    Path.cwd().chmod(everybody)
    me = os.geteuid()
    readable_suffixes()  # imports what is to be imported
    if me == 0:
        os.seteuid(65534)
    yield
    os.seteuid(me)


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("place", ["images/train/a/001.png", "images/train/b", "images/train"])
def test_what_may_not_be_read_is_named(place: str) -> None:
    me = os.geteuid()
    os.seteuid(os.getuid())
    Path(place).chmod(0)
    os.seteuid(me)
    try:
        assert complaint() == f"{place}: no permission to read it"
    finally:
        os.seteuid(os.getuid())
        Path(place).chmod(stat.S_IRWXU)


def test_names_of_any_kind_are_shown_on_one_line() -> None:
    BAD.with_name("two\nlines.png").write_text("x")
    assert complaint().startswith(r"'images/train/a/two\nlines.png': not a readable image: ")


class Malice:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(Path("it-ran").absolute()),)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Port 9 of this machine answers nobody, whatever network the machine has."""
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize(
    ("name", "folder", "packed", "files"),
    [
        (
            "cifar10", "cifar-10-batches-py", "cifar-10-python.tar.gz",
            ["batches.meta", "test_batch", *(f"data_batch_{n}" for n in range(1, 6))],
        ),
        ("cifar100", "cifar-100-python", "cifar-100-python.tar.gz", ["meta", "test", "train"]),
    ],
)  # fmt: skip
def test_no_pickle_is_read_but_the_published(
    name: str, folder: str, packed: str, files: list[str], archive: bool
) -> None:
    place = Path("data", folder)
    place.mkdir(parents=True)
    for file in files:
        (place / file).write_bytes(pickle.dumps(Malice()))
    if archive:
        Path("data", packed).write_bytes(pickle.dumps(Malice()))
    with pytest.raises(InputError) as caught:
        load_train(DataSource.choose(name))
    assert f"{name} is not in data and can't be downloaded" in str(caught.value)
    assert not Path("it-ran").exists()
    pickle.loads((place / files[0]).read_bytes())
    assert Path("it-ran").exists()  # it would have


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("damaged", [False, True])
def test_svhn_without_its_test_part_is_refused_before_training(damaged: bool) -> None:
    if damaged:
        Path("data").mkdir()
        Path("data/test_32x32.mat").write_text("half of a download")
    with pytest.raises(InputError) as caught:
        check_test(DataSource.choose("svhn"), ())
    assert "the test part of svhn is not in data and can't be downloaded" in str(caught.value)
    check_test(source(), ("a", "b"))

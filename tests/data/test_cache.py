"""The cache: what is decoded once is not decoded again, and nothing depends on it."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from budgetnas.data import View
from budgetnas.data import _cache as cache
from budgetnas.data._cache import Decoded, ImageCache, cache_path
from budgetnas.data._gather import gather
from budgetnas.data.images import ImageSet
from budgetnas.data.load import load_train
from tests.conftest import environment
from tests.data.pictures import fill, held_out, noise, save, source, train


def read(size: int = 8, root: str = "images") -> tuple[ImageSet, str]:
    """Read the training part; say where the images came from, in the program's words."""
    told: list[tuple[str, int, int]] = []
    images = load_train(source(size, root), lambda *progress: told.append(progress))
    what, done, total = told[-1]
    assert done == total
    return images, what


def counts(cached: int, decoded: int) -> str:
    return f"reading images ({cached} from the cache, {decoded} decoded)"


def rows() -> int:
    with sqlite3.connect(cache_path()) as connection:
        (n,) = connection.execute("SELECT count(*) FROM images").fetchone()
    connection.close()
    return int(n)


def change(statement: str, *values: object) -> None:
    with sqlite3.connect(cache_path()) as connection:
        connection.execute(statement, values)
    connection.close()


def assert_same(first: ImageSet, second: ImageSet) -> None:
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.labels, second.labels)
    assert first.classes == second.classes
    assert first.fingerprint() == second.fingerprint()


@pytest.fixture
def fifty() -> None:
    fill(n=25)
    fill("test", n=1, first=900)


@pytest.mark.usefixtures("fifty")
def test_what_was_decoded_once_is_not_decoded_again() -> None:
    cold, first = read()
    warm, second = read()
    assert (first, second) == (counts(0, 50), counts(50, 0))
    assert_same(cold, warm)


@pytest.mark.usefixtures("fifty")
@pytest.mark.parametrize("images_alike", [False, True])
def test_one_changed_image_is_noticed(images_alike: bool) -> None:
    path = Path("images/train/b/007.png")
    before, _ = read()
    times = path.stat()
    image = Image.open(path) if images_alike else noise(1)
    save(image, str(path), compress_level=0)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as old as it was
    after, what = read()
    assert what == counts(49, 1)
    assert (before.fingerprint() == after.fingerprint()) is images_alike
    changed = (before.images != after.images).flatten(1).any(1).nonzero().flatten().tolist()
    assert changed == ([] if images_alike else [32])


@pytest.mark.usefixtures("fifty")
def test_one_added_and_one_removed_image_are_noticed() -> None:
    before, _ = read()
    save(noise(1), "images/train/a/0055.png")
    added, what = read()
    assert what == counts(50, 1)
    assert added.images[6].numpy().tobytes() == noise(1).tobytes()
    Path("images/train/a/0055.png").unlink()
    removed, what = read()
    assert what == counts(50, 0)
    assert_same(before, removed)


@pytest.mark.usefixtures("fifty")
def test_renamed_moved_touched_and_copied_images_are_known() -> None:
    read()
    Path("images/train/a/003.png").rename("images/train/a/new.png")
    Path("images/train/a/004.png").rename("images/train/b/moved.png")
    Path("images/train/a/005.png").touch()
    shutil.copy("images/train/b/001.png", "images/train/b/copy.png")
    assert read()[1] == counts(51, 0)
    shutil.copytree("images", "elsewhere")
    assert read(root="elsewhere")[1] == counts(51, 0)


def test_the_set_aside_part_is_the_same_from_the_cache() -> None:
    fill(n=40)
    cold = train(), held_out()
    warm = train(), held_out()
    shutil.rmtree(cache_path().parent)
    again = held_out(), train()
    for first, second, third in zip(cold, warm, reversed(again), strict=True):
        assert_same(first, second)
        assert_same(first, third)


def test_grey_images_stay_grey() -> None:
    for name in "ab":
        for number in range(5):
            save(noise(number + ord(name), mode="L"), f"images/train/{name}/{number}.png")
    fill("test", n=1)
    cold, warm = train(), train()
    assert cold.channels == 1
    assert_same(cold, warm)
    save(noise(0), "images/train/b/9-colour.png")  # the last of all
    cold, warm = train(), train()
    assert cold.channels == 3
    assert_same(cold, warm)
    assert torch.equal(cold.images[:5, ..., 0], cold.images[:5, ..., 2])


@pytest.mark.usefixtures("fifty")
def test_sizes_and_decoders_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    read()
    assert read(size=9)[1] == counts(0, 50)
    assert read(size=9)[0].size == 9
    assert read()[1] == counts(50, 0)
    monkeypatch.setattr(cache, "decoder", lambda: "another version of Pillow")
    assert read()[1] == counts(0, 50)


@pytest.mark.usefixtures("fifty")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE images SET pixels = zeroblob(192) WHERE rowid = 9",
        "UPDATE images SET pixels = substr(pixels, 1, 100) WHERE rowid = 9",
        "UPDATE images SET pixels = 'no pixels' WHERE rowid = 9",
        "UPDATE images SET pixels = NULL WHERE rowid = 9",
        "UPDATE images SET facts = zeroblob(43) WHERE rowid = 9",
        "UPDATE images SET facts = substr(facts, 1, 42) WHERE rowid = 9",
        "UPDATE images SET facts = NULL WHERE rowid = 9",
        "UPDATE images SET checksum = 'none' WHERE rowid = 9",
        "DELETE FROM images WHERE rowid = 9",
    ],
)
def test_a_damaged_row_is_decoded_anew(statement: str) -> None:
    cold, _ = read()
    change(statement)
    mended, what = read()
    assert what == counts(49, 1)
    assert_same(cold, mended)
    assert read()[1] == counts(50, 0)


def overwrite_the_middle() -> None:
    with cache_path().open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 9000)


@pytest.mark.usefixtures("fifty")
@pytest.mark.parametrize(
    "damage",
    [
        lambda: cache_path().write_bytes(b"this is no database, and never was one" * 99),
        lambda: cache_path().write_bytes(cache_path().read_bytes()[:6000]),
        lambda: change("ALTER TABLE images DROP COLUMN checksum"),
        lambda: change("UPDATE images SET pixels = CAST(x'ff' AS TEXT)"),
        overwrite_the_middle,
    ],
)
def test_a_damaged_cache_is_replaced(damage: Callable[[], object]) -> None:
    cold, _ = read()
    damage()
    mended, what = read()
    assert what == counts(0, 50)
    assert_same(cold, mended)
    assert read()[1] == counts(50, 0)


def a_file_for_a_folder() -> None:
    shutil.rmtree(cache_path().parent)
    cache_path().parent.write_text("")


def a_folder_for_a_file() -> None:
    cache_path().mkdir(parents=True)


@pytest.mark.usefixtures("fifty")
@pytest.mark.parametrize("obstacle", [a_file_for_a_folder, a_folder_for_a_file])
def test_without_a_place_for_it_there_is_no_cache(obstacle: Callable[[], None]) -> None:
    obstacle()
    first, second = read(), read()
    assert first[1] == second[1] == counts(0, 50)
    assert_same(first[0], second[0])


@pytest.mark.usefixtures("fifty")
def test_a_full_disk_adds_nothing_and_is_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read()
    fill(classes="0", n=5)  # new ones come first
    fill("test", classes="0", n=1)
    monkeypatch.setattr("budgetnas.data._gather.CHUNK", 10)
    full = "CREATE TRIGGER full BEFORE INSERT ON images BEGIN SELECT RAISE(FAIL, 'no room'); END"
    change(full)
    assert read()[1] == read()[1] == counts(50, 5)
    change("DROP TRIGGER full")
    monkeypatch.setattr(cache, "RESERVE", 2**60)
    assert read()[1] == read()[1] == counts(50, 5)


@pytest.mark.usefixtures("fifty")
def test_a_full_cache_grows_no_more_and_gives_way_when_it_serves_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read()
    monkeypatch.setattr(cache, "LIMIT", 10_000)
    save(noise(1), "images/train/a/one-more.png")
    assert read()[1] == read()[1] == counts(50, 1)
    assert read(size=9)[1] == counts(0, 51)  # all are new, and nobody needs the old
    assert read(size=9)[1] == counts(51, 0)
    assert rows() == 51


@pytest.mark.usefixtures("fifty")
def test_a_locked_cache_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    cold, _ = read()
    monkeypatch.setattr(cache, "PATIENCE", 0.05)
    with sqlite3.connect(cache_path()) as another:
        another.execute("BEGIN EXCLUSIVE")
        without, what = read()
    another.close()
    assert what == counts(0, 50)
    assert_same(cold, without)
    assert read()[1] == counts(50, 0)


def test_all_of_a_chunk_is_kept_or_nothing() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    image = Decoded(pixels, grey=True, transparent=False, kind=None, peak=255.0, digest=bytes(32))
    with ImageCache(View(2)) as kept:
        keys = [kept.key(bytes([n])) for n in range(3)]
        kept.add(dict.fromkeys(keys[:2], image))
        assert set(kept.find(keys)) == set(keys[:2])
        assert kept.find(keys)[keys[0]].grey
    assert kept.find(keys) == {}  # closed


READ = """
import os, signal, sys
from budgetnas.data import DataSource
from budgetnas.data.load import load_train

def told(what, done, total):
    if done == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

print(load_train(DataSource.choose("folder", "images", 8), told).fingerprint())
"""


def reader(killed_at: int = -1) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", READ, str(killed_at)], env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_two_processes_may_mend_and_build_it_at_once() -> None:
    fill(n=150)
    fill("test", n=1, first=900)
    cache_path().write_bytes(b"no database" * 1000)
    both = [reader(), reader()]
    results = [process.communicate() for process in both]
    images, what = read()
    assert {out.strip() for out, _ in results} == {images.fingerprint()}, results
    assert what == counts(300, 0)


def test_killed_while_it_builds_it_leaves_what_was_done() -> None:
    fill(n=150)
    fill("test", n=1, first=900)
    killed = reader(killed_at=250)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    images, what = read()
    assert what == counts(250, 50)
    again, what = read()
    assert what == counts(300, 0)
    assert_same(images, again)


def test_progress_is_told_regularly_and_only_wanted_images_are_held() -> None:
    fill(n=150)
    told: list[int] = []
    paths = sorted(Path("images").glob("train/*/*"))
    found = gather(
        paths, View(8), lambda image: not image.set_aside, None, lambda *p: told.append(p[1])
    )
    assert told == [250, 300]
    assert 200 < len(found.images) == len(found.places) < 280
    assert found.images.flags.c_contiguous

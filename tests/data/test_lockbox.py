"""The lockbox: reading the training part touches nothing below the test part."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from budgetnas.data.heldout import check_test
from budgetnas.errors import InputError
from budgetnas.workflows.retrain import retrain
from budgetnas.workflows.search import search
from tests.data.pictures import fill, noise, save, source, train
from tests.trials.small import replay

_touched: list[str] | None = None


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    if _touched is not None and event in {"open", "os.listdir", "os.scandir"}:
        _touched.append(os.fsdecode(arguments[0]) if not isinstance(arguments[0], int) else "")


sys.addaudithook(_record)  # which can't be taken out again


@contextmanager
def watched() -> Iterator[list[str]]:
    """Every file that is opened, and every folder that is listed."""
    global _touched
    found: list[str] = []
    _touched = found
    try:
        yield found
    finally:
        _touched = None


def below_test(paths: list[str]) -> list[str]:
    test = Path("images/test").resolve()
    return [path for path in paths if Path(path).resolve().is_relative_to(test)]


def poison() -> None:
    Path("images/test/a/000.png").write_text("no image")
    Path("images/test/b/000.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\xff" * 99)
    os.mkfifo("images/test/b/pipe.png")
    save(noise(1), "images/test/unknown/000.png")
    Path("images/test/a/link.png").symlink_to("nowhere")


def test_training_reads_nothing_of_the_test_part(monkeypatch: pytest.MonkeyPatch) -> None:
    fill()
    fill("test", n=3, first=500)
    healthy = train()
    poison()
    for _ in ("from the cache", "decoding"):
        with watched() as touched:
            assert train().fingerprint() == healthy.fingerprint()
        assert below_test(touched) == []
        assert len([path for path in touched if path.endswith("000.png")]) >= 2
        monkeypatch.setenv("XDG_CACHE_HOME", str(Path("another-cache").absolute()))


def test_the_names_of_the_test_part_are_checked_without_opening_an_image() -> None:
    fill()
    fill("test", n=3, first=500)
    with watched() as touched:
        check_test(source(), ("a", "b"))
    test = Path("images/test")
    assert {Path(path) for path in below_test(touched)} == {test, test / "a", test / "b"}


def test_a_whole_search_does_not_notice_a_poisoned_test_part() -> None:
    fill()
    fill("test", n=3, first=500)
    options: dict[str, Any] = {
        "trials": 3, "dataset": "folder", "data_dir": "images", "image_size": 8, "epochs": 1,
    }  # fmt: skip
    healthy = search("100k", study="healthy", **options)
    poison()
    with watched() as touched:
        poisoned = search("100k", study="poisoned", **options)
    assert below_test(touched) == []
    assert len(touched) > 40, "what was touched was seen"
    assert replay(poisoned) == replay(healthy)
    with pytest.raises(InputError, match=r"images/test/a/link\.png: an image must be a file"):
        retrain("best", study="poisoned", epochs=1)
    assert not list(Path("studies").glob("*/test-openings.jsonl"))

"""``budgetnas bench`` as a program: its numbers agree with each other, and it leaves nothing."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from tests.bench.small import TINY
from tests.conftest import Program
from tests.trials.processes import is_gone

NET = ["bench", "--net", "net.json", "--image-size", "8", "--device", "cpu"]
SMALL = [*NET, "--images", "64", "--batch", "16", "--runs", "2"]


@pytest.fixture(autouse=True)
def _net() -> None:
    Path("net.json").write_text(json.dumps(TINY))


def test_its_json_is_consistent(budgetnas: Program) -> None:
    before = set(Path().rglob("*"))
    answer = budgetnas(
        *SMALL, "--engine-batch", "32", "--loader-workers", "1", "--skip-workers", "--json"
    ).json()
    assert answer["net"] == "net.json"
    assert answer["device"]
    assert answer["runs"] == 2
    assert answer["batch"] == {"usual": 16, "tuned": 16, "engine": 32}
    assert answer["loader_workers"]["usual"] == 1
    assert answer["dtype"]["usual"] == "float32"
    rounds = answer["rounds"]
    for way, rates in rounds.items():
        assert len(rates) == 2
        assert answer["images_per_second"][way] == median(rates)
    for way, ratio in answer["ratio"].items():
        pairs = zip(rounds["engine"], rounds[way], strict=True)
        assert ratio == pytest.approx(median(here / there for here, there in pairs))
    assert answer["workers"] is None
    assert set(Path().rglob("*")) == before


def test_people_are_told_all_of_it(budgetnas: Program) -> None:
    ended = budgetnas(*SMALL, "--loader-workers", "0", "--tuned-loader-workers", "0")
    assert ended.status == 0, ended.err
    for words in (
        "net.json: ", "drawn pictures of 8x8, seed 0", "torch ", "medians of 2 epochs",
        "usual ", "tuned ", "engine ", "Compute floor: this device's rate is not known",
        "workers: ",
    ):  # fmt: skip
        assert words in ended.out
    assert "outside kernels" not in ended.out, "there are none on a CPU"
    assert "measuring how many workers are best" in ended.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_no_process(
    started: Callable[..., "subprocess.Popen[str]"], number: int
) -> None:
    endless = [*NET, "--images", "2048", "--batch", "4", "--runs", "1000"]
    process = started(*endless, "--loader-workers", "1", "--tuned-loader-workers", "1")
    children = wait_for_children(process)
    process.send_signal(number)
    for child in children:  # as a terminal does: it tells all of them
        if number == signal.SIGINT:
            os.kill(child, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1].startswith(
        "Interrupted. Nothing is kept. To continue: budgetnas b"
    )
    assert "Traceback" not in err
    assert all(map(is_gone, children))


def wait_for_children(process: "subprocess.Popen[str]") -> list[int]:
    """Wait for a loader's process: a copy of the program, not what its imports may ask."""
    listing = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 60
    before: set[str] = set()
    while not (lasting := before & (now := _copies(process.pid, listing))):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        before = now
        time.sleep(0.2)
    return [int(child) for child in lasting]


def _copies(parent: int, listing: Path) -> set[str]:
    """List the children that run what their parent runs."""
    words = Path(f"/proc/{parent}/cmdline").read_bytes()
    children = listing.read_text().split()
    return {child for child in children if _words(child) == words}


def _words(process: str) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:  # it is gone
        return b""

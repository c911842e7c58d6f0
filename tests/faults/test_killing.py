"""Searches and retrainings killed for real (SIGKILL), at their writes and at any moment.

A few kills each in CI; `FAULT_ROUNDS=30 pytest tests/faults` does as many as it says.
"""

import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from budgetnas.study.storage import existing_study
from tests.conftest import Program, environment

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "2"))
ROOT = Path(__file__).parents[2]
Start = Callable[..., "subprocess.Popen[str]"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240 + 60 * ROUNDS)]


@pytest.mark.parametrize("what", ["search", "retrain", "run"])
@pytest.mark.parametrize("seed", range((ROUNDS + 9) // 10))
def test_killed_at_any_write_it_ends_as_if_nothing_had_happened(what: str, seed: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.killing", what, str(seed)],
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["kills"] >= 3
    assert answer["pieces"] == answer["whole"]
    print(what, seed, answer["kills"], "kills")


def trained(name: str) -> list[Any]:
    with existing_study(name, f"sqlite:///studies/{name}/study.db") as study:
        return [
            (t.number, t.state.name, t.params, t.value, t.intermediate_values)
            for t in study.trials
        ]


def integrity(database: Path) -> str:
    if not database.exists():
        return "ok"
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("pragma integrity_check").fetchone()[0])


def test_a_search_killed_at_random_moments_has_exactly_n_trials(
    budgetnas: Program, started: Start
) -> None:
    words = ("search", "--budget", "20k", "--dataset", "digits", "--epochs", 6, "--seed", 3)
    number = 2 * ROUNDS
    assert budgetnas(*words, "--trials", number, "--study", "whole").status == 0
    drawn = random.Random(0)
    kills = 0
    for _ in range(ROUNDS):
        process = started(*words, "--trials", number, "--study", "pieces")
        time.sleep(drawn.uniform(2, 8))
        process.kill()
        process.communicate()
        kills += process.returncode != 0
        assert integrity(Path("studies/pieces/study.db")) == "ok"
    ended = budgetnas(*words, "--trials", number, "--study", "pieces", "--json").json()
    assert (ended["trained"], ended["failed"], ended["stopped"]) == (number, 0, "trials")
    assert trained("pieces") == trained("whole")
    left = {path.name for path in Path("studies/pieces").iterdir()}
    assert left == {"study.toml", "study.db", ".lock"}
    print(kills, "kills while it ran,", number, "trials")


NET = {
    # heavy to write, light to train: kills find it writing
    "in_channels": 1, "block": "basic", "stem_width": 64,
    "stages": [{"width": 64, "depth": 1}, {"width": 512, "depth": 1}],
}  # fmt: skip


def digest(run: str) -> str:
    return hashlib.sha256(Path(run, "weights.safetensors").read_bytes()).hexdigest()


def test_a_retraining_killed_at_random_moments_ends_with_the_same_weights(
    budgetnas: Program, started: Start
) -> None:
    Path("net.json").write_text(json.dumps(NET))
    words = ("retrain", "net.json", "--dataset", "digits", "--image-size", 4, "--epochs", 10)
    whole = budgetnas(*words, "--out", "whole", "--json").json()
    drawn = random.Random(0)
    kills, number = 0, 1
    while kills < ROUNDS:
        run = f"pieces-{number}"
        more = ("--resume",) if Path(run, "run.json").exists() else ()
        process = started(*words, "--out", run, *more)
        wait_for_a_write(process, Path(run))
        if kills % 2:  # else in the middle of a write
            time.sleep(drawn.uniform(0, 1))
        process.kill()
        process.communicate()
        kills += process.returncode != 0
        number += process.returncode == 0
    runs = [str(path) for path in sorted(Path().glob("pieces-*"))]
    for run in runs:
        ended = budgetnas(*words, "--out", run, "--resume", "--json").json()
        assert digest(run) == digest("whole")
        assert ended["test_accuracy"] == whole["test_accuracy"]
        assert ended["test_loss"] == whole["test_loss"]
        assert not list(Path(run).glob(".*.part"))
        print(run, digest(run), "whole", digest("whole"))
    print(kills, "kills, every second one in the middle of a write, of", len(runs), "runs")


def wait_for_a_write(process: "subprocess.Popen[str]", run: Path) -> None:
    """Wait until a checkpoint is being written: it has a temporary name by then."""
    left = set(run.glob(".checkpoint*.part"))
    while process.poll() is None and not set(run.glob(".checkpoint*.part")) - left:
        time.sleep(0.001)

"""Kills a search or a retraining at its writes, again and again, until one of them gets through.

    python -m tests.faults.killing search SEED   # or retrain SEED, run SEED

The job runs in forked processes. Each kills itself with SIGKILL just before one of its
writes, to the storage or to a file, chosen at random; the next one continues. Prints a JSON
object. Run in an empty folder.
"""

import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sqlalchemy import Engine, event

from budgetnas.space import Space
from budgetnas.study import Quick
from budgetnas.study.storage import existing_study
from budgetnas.workflows.retrain import retrain
from budgetnas.workflows.run import run_study
from budgetnas.workflows.search import search

WRITES: list[tuple[Any, str]] = [
    (tempfile, "mkstemp"),
    (os, "fsync"),
    (Path, "replace"),
    (Path, "unlink"),
]
"""Writes to files; those to the storage are the commits of its database."""

GIVE_UP = 60
GRID = """
question = "Which?"
command = "budgetnas run studies/which"
time = { cpu = "seconds", gpu = "seconds" }
arch = { depths = [1], widths = [8] }
data = { dataset = "digits" }
seeds = 2
confusion = true
"""
AXIS = """
[[grid]]
name = "rate"
field = "recipe.optimizer.lr"
values = [0.01, 0.1, 1e6]
"""
SPACE = Space.parse(
    {
        "arch": {"stages": [1, 2], "width": {"low": 4, "high": 32, "step": 4}, "depth": [1, 2]},
        "recipe": {"lr": {"low": 0.01, "high": 0.3, "log": True}},
    },
    "a test",
)


def run_search(name: str, seed: int) -> None:
    """A small search on real digits."""
    pruner = ("median", "halving")[seed % 2]
    search(
        "12k", trials=8, study=name, dataset="digits", epochs=3, space=SPACE, pruner=pruner,
        seed=seed, train_samples=300,
    )  # fmt: skip


def run_grid(name: str, seed: int) -> None:
    """A small grid on real digits; one of its configurations diverges."""
    path = Path("studies", name, "study.toml")
    if not path.exists():
        path.parent.mkdir(parents=True)
        path.write_text(GRID + f"seed = {seed}\nselect = '{('last', 'best')[seed % 2]}'\n" + AXIS)
    quick = Quick(epochs=3, train_samples=200, image_size=8, width=1, batch_size=50)
    run_study(name, quick=quick)


def run_retrain(name: str, seed: int) -> None:
    """A small retraining on real digits, resumed if it has begun."""
    retrain(
        "modified-resnet-small", dataset="digits", epochs=8, out=name, seed=seed,
        resume=Path(name, "run.json").is_file(),
    )  # fmt: skip


def outcome_of_grid(name: str) -> str:
    """Everything that the trials of the study that it ran say."""
    return outcome_of_search(f"{name}/quick-digits")


def outcome_of_search(name: str) -> str:
    """Everything that the study's trials say, but how long they took."""
    with existing_study(name, f"sqlite:///studies/{name}/study.db") as study:
        trials = [
            (t.number, t.state.name, t.params, t.value, t.intermediate_values,
             {key: value for key, value in t.user_attrs.items() if key != "seconds"})
            for t in study.trials
        ]  # fmt: skip
    return json.dumps(trials)


def outcome_of_retrain(name: str) -> str:
    """The digest of the weights, and what the test said."""
    result = json.loads(Path(name, "result.json").read_text())
    digest = hashlib.sha256(Path(name, "weights.safetensors").read_bytes()).hexdigest()
    return json.dumps([digest, result["test_accuracy"], result["test_loss"]])


def in_a_process(action: Callable[[], None], writes: int | None) -> int:
    """Run an action that dies at one of its writes; return the process's wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    if writes is not None:
        die_at(writes)
    try:
        action()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def die_at(writes: int) -> None:
    """Kill this process before its n-th write."""
    left = [writes]

    def one_more() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any, **named: Any) -> Any:
            one_more()
            return real(*arguments, **named)

        return write

    event.listen(Engine, "commit", lambda connection: one_more())
    for owner, name in WRITES:
        setattr(owner, name, counted(getattr(owner, name)))


def main(what: str, seed: int) -> dict[str, Any]:
    """Compare the job killed at random writes with the job left alone."""
    torch.set_num_threads(1)
    run, outcome = {
        "search": (run_search, outcome_of_search),
        "run": (run_grid, outcome_of_grid),
        "retrain": (run_retrain, outcome_of_retrain),
    }[what]
    most = {"search": 90, "run": 60, "retrain": 40}[what]
    drawn = random.Random(seed)
    assert in_a_process(lambda: run("whole", seed), None) == 0
    kills = 0
    while kills < GIVE_UP:
        writes = drawn.randint(1, most)
        status = in_a_process(lambda: run("pieces", seed), writes)
        if status == 0:
            break
        assert os.WIFSIGNALED(status), f"ended with status {os.WEXITSTATUS(status)}"
        kills += 1
    return {"kills": kills, "whole": outcome("whole"), "pieces": outcome("pieces")}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))

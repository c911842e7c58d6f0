"""Running the program from a script, and what its numbers need beside them."""

import json
import math
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from scipy.special import stdtrit

from budgetnas._version import __version__
from budgetnas.arch import Budget
from budgetnas.cli.signals import ending
from budgetnas.data import DataSource
from budgetnas.files import write_atomic
from budgetnas.progress import SearchProgress
from budgetnas.recipe import Numerics, Recipe
from budgetnas.space import Grid
from budgetnas.study import About, StudyConfig, study_folder
from budgetnas.study.options import Resources
from budgetnas.workflows.begin import StudyImages, read_again, read_images
from budgetnas.workflows.work import SearchResult, work


def budgetnas(words: list[str]) -> dict[str, Any]:
    """Run the program; return its JSON."""
    command = [sys.executable, "-m", "budgetnas", *words, "--json"]
    print("+ budgetnas", shlex.join(words), file=sys.stderr, flush=True)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def retrain(words: list[str], out: Path) -> dict[str, Any]:
    """Run a retraining in a folder, or go on with it."""
    again = ["--resume"] if (out / "run.json").exists() else []
    return budgetnas(["retrain", *words, "--out", str(out), *again])


def read(name: str, source: DataSource, train_samples: int | None = None) -> StudyImages:
    """Read the images of a study that no command begins."""
    began, watch = StudyConfig.begun(study_folder(name)), SearchProgress()
    with ending(watch):
        if began:
            return read_again(began, source.data_dir, watch)
        return read_images(source, 0, train_samples, watch)


def train(
    name: str, images: StudyImages, recipe: Recipe, grid: Grid, budget: Budget, question: str,
    workers: int = 1, deadline: float = math.inf, adapted: Sequence[str] = (),
) -> SearchResult:  # fmt: skip
    """Train what is still missing of a study that no command begins: a list of networks.

    Args:
        name: The study's.
        images: Its images.
        recipe: Its recipe; each configuration has its own.
        grid: The configurations.
        budget: What none exceeds.
        question: What it answers.
        workers: How many trainings at once.
        deadline: Of `time.monotonic`, when it stops at the next epoch.
        adapted: What recipes had to give up for the images.
    """
    began, watch = StudyConfig.begun(study_folder(name)), SearchProgress()
    options = Resources(workers=workers)
    with ending(watch):
        config = StudyConfig(
            name=name, version=__version__, seed=0, train_samples=images.train_samples,
            budget=budget, about=About(question=question), data=images.source, facts=images.facts,
            numerics=Numerics(), recipe=recipe,
            proposal=grid, pruner="none",
        )  # fmt: skip
        return work(
            config, images, options, watch,
            began=began, url=None, trials=0, deadline=deadline, adapted=adapted,
        )  # fmt: skip


def interval(values: Sequence[float]) -> str:
    """Write a mean and its 95 % interval, of accuracies in percent."""
    n = len(values)
    half = float(stdtrit(n - 1, 0.975)) * stdev(values) / math.sqrt(n)
    return f"{100 * mean(values):.2f} ± {100 * half:.2f}"


def provenance(device: str, seed: int, runs: str = "n = 1 run each") -> str:
    """Say the commit, the hardware, the seed and n that numbers come from."""
    return (
        f"Commit {commit()}; {device} ({platform.processor() or platform.machine()}, "
        f"Python {platform.python_version()}); seed {seed}; {runs}."
    )


def commit() -> str:
    """Say what was measured: by `git`, or where the checkout has come without it, by COMMIT."""
    git = ["git", "describe", "--always", "--dirty"]
    asked = subprocess.run(  # noqa: S603
        git, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or os.environ.get("COMMIT", "unknown")


def write_table(
    path: Path, rows: Sequence[dict[str, Any]], *, device: str, seeds: Sequence[int], n: str
) -> None:
    """Write rows as JSON, with the command, the commit, the hardware, seeds and n beside them."""
    table = {
        "command": shlex.join(["python", *sys.argv]),
        "commit": commit(),
        "hardware": device,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "seeds": list(seeds),
        "n": n,
        "rows": rows,
    }
    write_atomic(path, json.dumps(table, indent=1) + "\n")

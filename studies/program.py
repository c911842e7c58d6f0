"""Running the program from a script, and what its numbers need beside them."""

import json
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any


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


def provenance(device: str, seed: int, runs: str = "n = 1 run each") -> str:
    """Say the commit, the hardware, the seed and n that numbers come from."""
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    return (
        f"Commit {commit}; {device} ({platform.processor() or platform.machine()}, "
        f"Python {platform.python_version()}); seed {seed}; {runs}."
    )

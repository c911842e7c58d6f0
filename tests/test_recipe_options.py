"""The script that measures what options of recipes give, in miniature."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import environment

SCRIPT = Path(__file__).parents[1] / "studies" / "recipe_options.py"


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [
        sys.executable, str(SCRIPT), "--dataset", "digits", "--epochs", "1", "--train-samples",
        "60", *words,
    ]  # fmt: skip
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False, timeout=240
    )


@pytest.mark.slow
def test_every_option_is_trained_once_a_seed_and_compared_with_the_base() -> None:
    first = run("--seeds", "1")
    assert first.returncode == 0, first.stderr
    written = Path("studies/recipe-options/results/options.md")
    assert written.read_text() == first.stdout
    rows = [line.split(" | ") for line in first.stdout.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[2:]] == [
        "| base", "| trivial instead of cutout", "| trivial before cutout", "| mixup", "| cutmix",
        "| SAM", "| ASAM", "| averaged weights instead of Lookahead", "| no cutout",
        "| no label smoothing",
    ]  # fmt: skip
    assert {row[1] for row in rows[2:]} == {"1"}
    assert "nan" not in first.stdout
    again = run("--seeds", "2")
    assert again.returncode == 0, again.stderr
    rows = [line.split(" | ") for line in again.stdout.splitlines() if line.startswith("| ")]
    assert {row[1] for row in rows[2:]} == {"2"}
    assert "nan" not in again.stdout
    other = run("--seeds", "2", "--arch", "resnet18")
    assert other.returncode == 1
    assert "can only be continued as it began" in other.stderr
    assert "Traceback" not in other.stderr

"""What must be quick imports nothing heavy; every command teaches."""

import subprocess
import sys

import pytest

from tests.conftest import Program, environment

HEAVY = ("torch", "torchvision", "optuna", "pandas", "sklearn", "numpy", "sqlalchemy")
COMMANDS = (
    "search", "retrain", "plan", "best", "finalists", "compare", "calibrate", "bench", "count",
    "presets", "dashboard",
)  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["count", "efficient-resnet", "--budget", "5M", "--dataset", "cifar100"],
        ["count", "resnet18", "--json"],
        ["presets"],
        *([command, "--help"] for command in COMMANDS),
        ["search", "--budget", "no"],
        ["bench", "--net", "resnet19"],
        ["search", "--budget", "9", "--dataset", "digits"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(words: list[str]) -> None:
    code = (
        "import sys\nfrom budgetnas.__main__ import main\n"
        "try:\n    main()\nfinally:\n"
        f"    print(*sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    heavy = done.stderr.splitlines()[-1]
    if words[:3] == ["search", "--budget", "9"]:
        assert "torch" in heavy, "the check can fail: a search does import torch"
    else:
        assert heavy == ""


def test_importing_the_package_is_light() -> None:
    code = f"import sys, budgetnas; print(sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_has_help(budgetnas: Program, command: str) -> None:
    ended = budgetnas(command, "--help")
    assert ended.status == 0
    listed = ended.out.partition("Options:")[2].splitlines()
    options = [number for number, line in enumerate(listed) if line.startswith("  -")]
    assert options
    for number in options:
        words = " ".join(listed[number : number + 2]).split()
        assert len(words) > 3, listed[number]


def test_the_program_alone_explains_itself(budgetnas: Program) -> None:
    assert budgetnas().out == budgetnas("--help").out
    for command in COMMANDS:
        assert command in budgetnas("-h").out

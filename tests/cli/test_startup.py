"""What must be quick imports nothing heavy; every command teaches."""

import re
import subprocess
import sys

import pytest

from tests.conftest import Program, environment

HEAVY = ("torch", "torchvision", "optuna", "pandas", "sklearn", "numpy", "sqlalchemy")
COMMANDS = (
    "search", "retrain", "plan", "best", "finalists", "compare", "fidelity", "bench", "count",
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
    options = re.findall(r"^│ [ *]*(-.*)│$", ended.out, flags=re.MULTILINE)
    assert options
    for line in options:
        assert len([word for word in line.split() if not word.startswith("-")]) > 1, line


def test_the_program_alone_explains_itself(budgetnas: Program) -> None:
    assert budgetnas().out == budgetnas("--help").out
    shown = budgetnas("-h").out
    assert "..." not in shown.replace("[ARGS]...", "")
    for command in COMMANDS:
        assert command in shown


def test_a_shell_completes_commands_and_options(
    budgetnas: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_BUDGETNAS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "budgetnas search --pr")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert {"--proposal", "--presets", "--pruner"} <= set(budgetnas().out.split())

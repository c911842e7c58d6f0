"""The house: public names, the import direction, seeds, and files written whole."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import budgetnas
from budgetnas import files
from budgetnas.seeds import derive_seed

ROOT = Path(__file__).parent.parent
PUBLIC = [
    "Arch", "BLOCKS", "Best", "Budget", "BudgetnasError", "COSTS", "Comparison", "Diverged",
    "EpochEnded", "Estimated", "Event", "Fidelity", "Finalists", "FrontStep", "ImageData",
    "InputError", "Loading", "Notice", "OutOfMemory", "Outlook", "PRESETS", "RECIPES",
    "Recipe", "RunEpochEnded", "RunResult", "RunStarted", "RunStopped", "SE", "SearchFailed",
    "SearchResult", "SearchStarted", "SeedsResult", "Space", "Stage", "Study", "TestOpened",
    "TrialEnded", "TrialFailed", "build_model", "compare", "count_macs", "count_params",
    "fidelity", "finalists", "layer_table", "load_run", "plan", "register_block",
    "register_objective", "retrain", "retrain_seeds", "run_study", "search", "write_report",
]  # fmt: skip


def test_public_names() -> None:
    assert budgetnas.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(budgetnas))
    typed = ast.parse(Path(budgetnas.__file__).read_text())
    imports = (each for each in ast.walk(typed) if isinstance(each, ast.ImportFrom))
    names = {alias.name for each in imports for alias in each.names}
    assert names == {*PUBLIC, "import_module", "__version__", "Any"}, "type checkers know the same"
    for name in PUBLIC:
        assert getattr(budgetnas, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        budgetnas.nothing  # noqa: B018


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()",
         "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "9 kept, 0 broken" in done.stdout, done.stdout + done.stderr


def test_seeds_are_named_and_stable() -> None:
    assert derive_seed(0, "trial", 17, "init") == 2664756711  # or old studies can't be continued
    assert len({derive_seed(0, "trial", n) for n in range(1000)}) == 1000
    assert derive_seed(0, "a", "b") != derive_seed(0, "b", "a")


def test_files_are_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep" / "file"
    files.write_atomic(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_log_grows_by_whole_lines(tmp_path: Path) -> None:
    for text in ("one", "two"):
        files.append_line(tmp_path / "log", text)
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    (tmp_path / "log").write_text("one\nhalf a li")
    files.append_line(tmp_path / "log", "two")
    assert (tmp_path / "log").read_text() == "one\nhalf a li\ntwo\n"

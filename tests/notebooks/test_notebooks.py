"""Notebooks are committed without outputs; a copy of each runs with its constants shrunk."""

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from budgetnas.analysis import count_study
from budgetnas.study import StudyFile, asks

ROOT = Path(__file__).parents[2]
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
STUDY_FILES = [path for path in sorted(ROOT.glob("studies/*/study.toml")) if asks(path)]

QUICKER = """
import warnings
warnings.filterwarnings("ignore", "IProgress")  # as the next cell does, before it imports
from budgetnas.study import Quick
QUICK = Quick(epochs=2, seeds=2, train_samples=64, image_size=8, width=0.1)
"""
# add yours here: what is put after the parameters, as papermill would
SHRUNK = {
    "01-what-fits": "DRAWS = 200; DEPTHS = [1, 2]",
    "02-reading-a-study": f"TRIALS = 3; EPOCHS = 2; {QUICKER}",
    "03-the-papers-figures": (
        f"STUDIES = ['er-07-lr-momentum', 'er-11-lookahead', 'mr-nets']; {QUICKER}"
    ),
    "04-your-own-images": "TRIALS = 2; EPOCHS = 1; RETRAIN_EPOCHS = 1; EACH = 12",
    "05-trusting-a-winner": (
        "TRIALS = 3; EPOCHS = 2; TOP = 2; SEEDS = 2; LONGER = 4; ARCHS = 5; SHORT = '1'"
    ),
}
PLOTLY = "application/vnd.plotly.v1+json"

each_notebook = pytest.mark.parametrize("name", NOTEBOOKS)


def read(name: str) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(NOTEBOOKS[name], as_version=4)  # type: ignore[no-untyped-call]
    return notebook


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parameters(notebook: NotebookNode) -> int:
    """Find the place of the cell that holds the constants to shrink: the first of code."""
    places = [place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    assert notebook.cells[places[0]].metadata == {"tags": ["parameters"]}
    return places[0]


@each_notebook
def test_is_committed_clean(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    assert re.fullmatch(r"\d\d-[a-z0-9-]+", name)
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
    }
    for cell in code_cells(notebook):
        assert cell.outputs == []
        assert cell.execution_count is None


def test_are_numbered() -> None:
    numbers = [int(name[:2]) for name in NOTEBOOKS]
    assert numbers == list(range(1, len(numbers) + 1))


@each_notebook
def test_begins_with_its_question_and_constants(name: str) -> None:
    notebook = read(name)
    title = notebook.cells[0].source.splitlines()[0]
    assert title.startswith("# ")
    assert title.endswith("?")
    assert "**To change:**" in notebook.cells[0].source
    assert parameters(notebook) == 1


@each_notebook
def test_every_cell_is_introduced(name: str) -> None:
    cells = read(name).cells
    assert [cell.cell_type for cell in cells[::2]] == ["markdown"] * len(cells[::2])
    assert [cell.cell_type for cell in cells[1::2]] == ["code"] * len(cells[1::2])


@each_notebook
def test_holds_no_logic(name: str) -> None:
    for cell in code_cells(read(name)):
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.While | ast.Try | ast.ClassDef | ast.With)
            if isinstance(node, ast.FunctionDef):
                assert ast.get_docstring(node)
                assert len(node.body) <= 4, "a docstring and three statements"


def test_the_papers_studies_are_all_there() -> None:
    notebook = read("03-the-papers-figures")
    (studies,) = (
        ast.literal_eval(statement.value)
        for statement in ast.parse(notebook.cells[parameters(notebook)].source).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "STUDIES"
    )
    files = {path.parent.name: StudyFile.read(path) for path in STUDY_FILES}
    assert sorted(studies) == [name for name, file in files.items() if file.source and file.train]


def test_claims_end_where_the_prose_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    counted = count_study("er-claims").networks
    fit = [place for place, network in enumerate(counted) if network.feasible]
    assert fit == [0, 1, 3, 5, 7, 8, 10, 11]
    prose = "\n".join(cell.source for cell in read("01-what-fits").cells)
    assert f"four leave {-counted[1].excess:,} parameters" in prose
    assert f"a fifth alone brings {(counted[2].params - counted[1].params) / 1e6:.1f} m" in prose


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like the repository's, where studies may be written."""
    for file in (ROOT / "pyproject.toml", *STUDY_FILES):
        target = tmp_path / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for variable in (
        "IPYTHONDIR",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
    ):
        monkeypatch.setenv(variable, str(tmp_path.with_name(f"{tmp_path.name}-jupyter")))
    monkeypatch.delenv("PLOTLY_RENDERER", raising=False)
    return tmp_path


def outputs(notebook: NotebookNode, kind: str) -> Iterator[Any]:
    """Yield what cells have shown in one form."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if kind in output.get("data", {}):
                yield output.data[kind]


# 01 from the repository's folder, the others from where they are
@pytest.mark.slow
@each_notebook
def test_runs(name: str, copy: Path) -> None:
    notebook = read(name)
    shrunk = nbformat.v4.new_code_cell(SHRUNK[name])  # type: ignore[no-untyped-call]
    notebook.cells.insert(parameters(notebook) + 1, shrunk)
    folder = copy if name.startswith("01") else copy / "notebooks"
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    said = [out for cell in code_cells(notebook) for out in cell.outputs if "name" in out]
    assert [out.text for out in said if out.name == "stderr"] == []
    figures = list(outputs(notebook, PLOTLY))
    assert figures
    assert all(figure["data"] for figure in figures)
    assert any("<table" in html for html in outputs(notebook, "text/html"))
    assert list((copy / "notebooks").iterdir()) == []

"""Documents: links lead somewhere, commands and options exist, examples are valid."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main

import budgetnas
from budgetnas.arch import PRESETS, count_params
from budgetnas.cli.main import app
from budgetnas.recipe import load_recipe
from budgetnas.space import Space
from budgetnas.study import StudyFile

ROOT = Path(__file__).parents[1]
FOLDERS = (".github", "budgetnas", "notebooks", "studies", "tests")
DOCUMENTS = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(p for f in FOLDERS for p in (ROOT / f).rglob("*.md")))
    if "results" not in path.parts
)
WORDS = 900

each = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.M | re.S)


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def commands() -> dict[str, set[str]]:
    group: Any = typer.main.get_command(app)
    return {
        name: {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        for name, command in group.commands.items()
    }


def test_the_readme_is_a_screen_or_two() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= WORDS


@each
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" not in link:
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@each
def test_paths_of_scripts_and_results_exist(path: Path) -> None:
    for name in re.findall(r"\b(?:studies/)[\w./-]+\.(?:py|md|sh)\b", path.read_text()):
        assert (ROOT / name).exists(), name


@each
def test_commands_and_options_exist(path: Path) -> None:
    known = commands()
    for line in path.read_text().splitlines():
        for name, rest in re.findall(r"(?:^    (?:\$ )?|`)budgetnas ([a-z]+)([^`#]*)", line):
            assert name in known, line
            assert set(re.findall(r"--[a-z][a-z-]*", rest)) <= known[name], line


@each
def test_python_parses(path: Path) -> None:
    for block in blocks(path, "python"):
        ast.parse(block)


def test_the_examples_of_extending_run(isolated: None) -> None:
    page = (ROOT / "budgetnas" / "README.md").read_text()
    chapter = page.partition("## Extending")[2].partition("\n## ")[0]
    names: dict[str, Any] = {"budgetnas": budgetnas}
    for block in re.findall(r"^```python\n(.*?)^```", chapter, re.M | re.S):
        if file := re.match(r"# (\w+\.py)\n", block):
            Path(file[1]).write_text(block)
        else:
            exec(block, names)


def test_presets_are_counted_as_documented() -> None:
    page = (ROOT / "budgetnas" / "arch" / "README.md").read_text()
    for name in PRESETS:
        assert f"{count_params(PRESETS[name]):,}" in page, name


def test_the_example_of_a_space_is_one(tmp_path: Path) -> None:
    (block,) = blocks(ROOT / "budgetnas" / "space" / "README.md", "toml")
    (tmp_path / "space.toml").write_text(block)
    assert Space.from_file(tmp_path / "space.toml") != Space()


def test_the_example_of_a_recipe_is_one(tmp_path: Path) -> None:
    (block,) = blocks(ROOT / "budgetnas" / "recipe" / "README.md", "toml")
    (tmp_path / "recipe.toml").write_text(block)
    assert load_recipe(str(tmp_path / "recipe.toml")).epochs == tomllib.loads(block)["epochs"]


def test_the_example_of_a_study_file_is_one(tmp_path: Path) -> None:
    (block,) = blocks(ROOT / "studies" / "README.md", "toml")
    path = tmp_path / "mine" / "study.toml"
    path.parent.mkdir()
    path.write_text(block)
    assert StudyFile.read(path).question == tomllib.loads(block)["question"]


def test_every_study_and_script_is_listed() -> None:
    page = (ROOT / "studies" / "README.md").read_text()
    for path in (*ROOT.glob("studies/*.py"), *ROOT.glob("studies/*/study.toml")):
        name = path.name if path.suffix == ".py" else path.parent.name
        assert f"`{name}`" in page, name


def test_the_package_is_described_as_it_is() -> None:
    page = (ROOT / "budgetnas" / "README.md").read_text()
    for name in re.findall(r"`([a-z_/]+\.py)`", page):
        assert list(ROOT.glob(f"budgetnas/**/{name}")) or (ROOT / name).exists(), name
    for path in ROOT.glob("budgetnas/*/__init__.py"):
        assert f"`{path.parent.name}/`" in page, path


def test_the_reference_of_commands_is_their_help() -> None:
    done = subprocess.run(
        [sys.executable, ".ci/reference.py", "--check"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

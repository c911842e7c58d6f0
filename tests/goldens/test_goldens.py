"""What the program shows and stores, held against committed texts.

A deliberate change rewrites them: `REWRITE_GOLDENS=1 pytest tests/goldens`; the diff of the
folder is then what is reviewed.
"""

import io
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from budgetnas.cli.main import COMMANDS, main
from budgetnas.files import cache_folder
from budgetnas.study import Comparison, Fidelity
from budgetnas.study.storage import existing_study
from tests.cli.test_bad_input import ROWS
from tests.goldens import made

HERE = Path(__file__).parent
EXACT = (
    "arch", "recipe", "params", "macs", "digest", "preset", "duplicate_of", "failure", "epochs",
)  # fmt: skip
"""The attributes of a trial that no processor changes, beside those named excess."""


def check(name: str, text: str) -> None:
    """Compare a text with the committed one, or replace that."""
    path = HERE / name
    if os.environ.get("REWRITE_GOLDENS"):
        path.write_text(text)
    assert text == path.read_text(), "deliberate? REWRITE_GOLDENS=1 pytest tests/goldens"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the commands are run."""
    return tmp_path_factory.mktemp("goldens")


@pytest.fixture(scope="module")
def answers(_measured: Path, folder: Path) -> dict[str, Any]:
    """What each command prints with --json; the studies are then in the folder."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        shutil.copytree(_measured, cache_folder())
        return made.make(folder)


def test_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    names = ["", *(f"{command.__name__} " for command in COMMANDS)]
    check("help.txt", "\n".join(made.answer(f"{name}--help") for name in names))


def paths(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """List the types of a JSON value and of what is in it, each by its path."""
    match value:
        case dict():
            yield at, "object"
            for key, inner in value.items():
                yield from paths(inner, f"{at}.{'N' if key.isdecimal() else key}".lstrip("."))
        case list():
            yield at, "list"
            for inner in value:
                yield from paths(inner, f"{at}[]")
        case None:
            yield at, "null"
        case _:
            yield at, type(value).__name__


def shape(pairs: Iterator[tuple[str, str]]) -> str:
    """Write down what types are at each path, in the order in which they are met."""
    found: dict[str, set[str]] = {}
    for path, kind in pairs:
        found.setdefault(path, set()).add(kind)
    return "".join(f"{path}: {' or '.join(sorted(kinds))}\n" for path, kinds in found.items())


def schema_paths(schema: Mapping[str, Any], part: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """List the types that a JSON schema allows, as `paths` lists those of a value."""
    types = {"integer": "int", "number": "float", "string": "str", "boolean": "bool",
             "array": "list"}  # fmt: skip
    if "$ref" in part:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    for choice in part.get("anyOf", ()):
        yield from schema_paths(schema, choice, at)
    if kind := part.get("type", "str" if "enum" in part or "const" in part else None):
        yield at, types.get(kind, kind)
    for key, inner in part.get("properties", {}).items():
        yield from schema_paths(schema, inner, f"{at}.{key}".lstrip("."))
    for inner in (part["items"],) if "items" in part else part.get("prefixItems", ()):
        yield from schema_paths(schema, inner, f"{at}[]")


def test_json(answers: Mapping[str, Any]) -> None:
    shapes = {f"budgetnas {words} --json": shape(paths(found)) for words, found in answers.items()}
    # what is null there, the measured numbers decide; tests/cli has that they print these
    for name, model in (("compare", Comparison), ("fidelity", Fidelity)):
        schema = model.model_json_schema(mode="serialization")
        shapes[f"budgetnas {name} --json"] = shape(schema_paths(schema, schema))
    check("json.txt", "\n".join(f"$ {words}\n{found}" for words, found in shapes.items()))


@pytest.mark.parametrize("name", [made.SEARCH, made.FILLING, made.FINALISTS, made.GRID])
def test_study_toml(answers: Mapping[str, Any], folder: Path, name: str) -> None:
    text = (folder / "studies" / name / "study.toml").read_text()
    text = re.sub(r'^version = ".*"$', "version = ...", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=\[numerics\]\n)(?:.+\n)+", numerics_names, text)
    check(f"{name.replace('/', '-')}.toml", text)


def numerics_names(found: re.Match[str]) -> str:
    return re.sub(r"= .+", "= ...", found.group())


def test_attributes(answers: Mapping[str, Any], folder: Path) -> None:
    studies = (made.SEARCH, made.FINALISTS, made.PUBLISHED, made.GRID)
    check("attributes.txt", "\n".join(stored(folder, name) for name in studies))


def stored(folder: Path, name: str) -> str:
    """Write down what the storage has of a study."""
    with existing_study(name, f"sqlite:///{folder}/studies/{name}/study.db") as study:
        lines = [f"study {name}\n", shape(paths(dict(sorted(study.user_attrs.items()))))]
        for trial in study.trials:
            lines += [
                f"\ntrial {trial.number}: {trial.state.name}\n",
                f"drawn = {trial.params}\n",
                f"constraints = {trial.constraints}\n",
                f"reported after = {list(trial.intermediate_values)}\n",
            ]
            for key, value in sorted(trial.user_attrs.items()):
                exact = key in EXACT or key.startswith("excess")
                lines.append(f"{key} = {value}\n" if exact else shape(paths(value, key)))
    return "".join(lines)


def test_error_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    said = []
    for number, (words, _, files) in enumerate(ROWS):
        there = tmp_path / f"{number}"
        there.mkdir()
        monkeypatch.chdir(there)
        made.write(files)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        capfd.readouterr()
        assert main(shlex.split(words)) == 2
        said.append(f"$ budgetnas {json.dumps(words)[1:-1]}\n{capfd.readouterr().err}")
    check("errors.txt", "\n".join(said))

"""What measures a GPU in one call: its parts, limits, what it carries, and its tables in small."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import environment
from tests.pretended_cuda.process import SITE

ROOT = Path(__file__).parents[1]
GPU = ROOT / "studies" / "gpu"
SCRIPTS = sorted(GPU.glob("*.sh"))
PIP = any(distributions(name="pip"))
"""Whether pip is installed. `find_spec("pip")` would switch off setuptools' own distutils, which
torch.compile imports."""
LOOP = """trap "echo kept; exit" INT; echo begun; while :; do sleep 0.1; done"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that holds the scripts only."""
    here = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__", "results")
    shutil.copytree(GPU, here / "studies" / "gpu", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", here)
    return here


def script(checkout: Path, name: str, *words: object, **named: object) -> Any:
    """Run a script there."""
    told = {"PYTHON": sys.executable, "OUT": "out", "WORK": "../work"} | named
    return subprocess.run(
        ["bash", f"studies/gpu/{name}.sh", *map(str, words)], cwd=checkout,
        env=environment() | {key: str(value) for key, value in told.items()},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def parts(checkout: Path, *lines: str) -> Path:
    """Write what is to be run."""
    path = checkout / "mine.sh"
    path.write_text("\n".join(lines))
    return path


def ends(checkout: Path) -> list[str]:
    """How each part ended, without the seconds that it took."""
    lines = (checkout / "out" / "parts.txt").read_text().splitlines()
    return [re.sub(r"(in|after|all:) \d+ s", r"\1 _ s", line) for line in lines]


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_bash_reads_it(path: Path) -> None:
    subprocess.run(["bash", "-n", path], check=True)
    if path.name != "parts.sh":  # which is read by another
        assert os.access(path, os.X_OK)


def test_a_part_that_fails_or_is_too_slow_stops_no_other(checkout: Path) -> None:
    mine = parts(
        checkout,
        "part fails 60 bash -c 'echo wrong >&2; exit 3'",
        f"part slow 3 bash -c '{LOOP}'",
        "part well 60 bash -c 'echo measured; echo 1 >$OUT/table.json'",
        "skip other 'it has no wheels'",
    )
    done = script(checkout, "run", mine)
    assert done.returncode == 1, done.stderr
    assert ends(checkout) == [
        "== fails: failed with status 3 after _ s",
        "== slow: out of time after _ s",
        "== well: done in _ s",
        "== other: skipped: it has no wheels",
        "== all: _ s of 540",
    ]
    said = {name: (checkout / "out" / f"{name}.log").read_text() for name in ("fails", "slow")}
    assert said == {"fails": "wrong\n", "slow": "begun\nkept\n"}, "it was interrupted, not killed"
    assert "measured" in done.stdout
    with tarfile.open(checkout / "out" / "all.tar.gz") as packed:
        assert {"./parts.txt", "./well.log", "./table.json"} <= set(packed.getnames())


def test_all_well_is_said_by_the_status(checkout: Path) -> None:
    done = script(checkout, "run", parts(checkout, "part well 60 true"))
    assert (done.returncode, done.stderr) == (0, "")


def test_all_parts_have_one_limit_too(checkout: Path) -> None:
    mine = parts(checkout, f"part all 300 bash -c '{LOOP}'", "part late 60 touch $OUT/late")
    done = script(checkout, "run", mine, LIMIT=3)
    assert done.returncode == 1
    first, second, _ = ends(checkout)
    assert re.fullmatch(r"== all: out of time after _ s", first)
    assert second == "== late: skipped: no time is left"
    assert not (checkout / "out" / "late").exists()


def test_what_is_missing_is_said_before_anything_is_run(checkout: Path) -> None:
    project = checkout / "pyproject.toml"
    text = project.read_text().replace('"numpy>=2.1"', '"nowhere-to-be-had>=3", "numpy>=2000"')
    project.write_text(text)
    done = script(checkout, "run", parts(checkout, "part any 60 touch $OUT/begun"))
    assert done.returncode == 2
    assert ends(checkout) == [
        "== nothing is run: this machine lacks what .gpu should bring:",
        "nowhere-to-be-had>=3: not installed",
        f"numpy>=2000: {version('numpy')} is installed",
    ]
    assert not (checkout / "out" / "begun").exists()


@pytest.mark.skipif(not PIP, reason="needs pip")
def test_wheels_images_and_the_commit_come_along(checkout: Path) -> None:
    (checkout / ".gpu" / "wheels").mkdir(parents=True)
    (checkout / ".gpu" / "images").mkdir()
    (checkout / ".gpu" / "commit").write_text("v1-dirty\n")
    about = "carried-1.0.dist-info"
    with zipfile.ZipFile(checkout / ".gpu/wheels/carried-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carried.py", "THERE = True\n")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: carried\nVersion: 1.0\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")
    picture = checkout / "set" / "train" / "a" / "1.png"
    picture.parent.mkdir(parents=True)
    picture.write_text("not one")
    with tarfile.open(checkout / ".gpu" / "images" / "set.tar.xz", "w:xz") as packed:
        packed.add(checkout / "set", "set")
    mine = parts(
        checkout,
        'part wheels 60 "$PYTHON" -c "import carried; print(carried.__file__)"',
        'part images 60 ls "$(images)/train/a"',
        "part commit 60 echo $COMMIT",
    )
    done = script(checkout, "run", mine)
    assert done.returncode == 0, done.stdout + done.stderr
    logs = [(checkout / "out" / f"{n}.log").read_text() for n in ("wheels", "images", "commit")]
    assert Path(logs[0].strip()) == checkout.parent / "work" / "site" / "carried.py"
    assert logs[1:] == ["1.png\n", "v1-dirty\n"]


def test_what_is_carried_is_what_the_machine_lacks() -> None:
    needed = runpy.run_path(str(GPU / "needed.py"))
    unknown = needed["wheels"](needed["installed"](None), "3.12")
    names = {line.partition("==")[0] for line in unknown}
    assert {
        "optuna",
        "sqlalchemy",
        "alembic",
        "scipy",
        "pandas",
        "plotly",
        "pytest",
        "typer",
    } <= names
    assert not names & {"torch", "torchvision", "numpy", "pillow", "optuna-dashboard"}
    assert all(line == f"{name}=={version(name)}" for name, line in zip(
        [line.partition("==")[0] for line in unknown], unknown, strict=True
    ))  # fmt: skip
    has = Path("has.txt")
    has.write_text("numpy==1.26.4\nscipy==99.0\nOptuna==5.0.0\npandas==1.5\nPyYAML @ file:///x\n")
    names = {
        line.partition("==")[0] for line in needed["wheels"](needed["installed"](has), "3.12")
    }
    assert {"numpy", "pandas", "pillow"} <= names, "too old, or not there"
    assert not names & {"scipy", "optuna", "pyyaml"}


def test_more_than_may_travel_is_refused(checkout: Path) -> None:
    """With a pip that downloads nothing but big files."""
    python = checkout.parent / "python"
    python.write_text(
        "#!/usr/bin/env bash\n"
        f'if [ "$2" != pip ]; then exec {sys.executable} "$@"; fi\n'
        'echo "$@" >../pip.txt\n'
        "truncate -s 3000000 .gpu/wheels/big-1-py3-none-any.whl\n"
    )
    python.chmod(0o755)
    (checkout / "images.tar").write_text("x")
    (checkout / "has.txt").write_text("numpy==99\n")
    for git in (["init", "-q"], ["add", "pyproject.toml"]):
        subprocess.run(["git", *git], cwd=checkout, check=True)
    told = {"PYTHON": python, "HAS": "has.txt"}
    done = script(checkout, "prepare", "images.tar", LIMIT_MIB=5, **told)
    assert done.returncode == 0, done.stderr
    assert "1 wheels, images: images.tar\n" in done.stdout
    assert re.search(r"travels: \d MiB of the checkout and 3 MiB of .gpu, of 5 MiB", done.stdout)
    assert (checkout / ".gpu" / "images" / "images.tar").read_text() == "x"
    assert (checkout / ".gpu" / "commit").read_text()
    asked = (checkout.parent / "pip.txt").read_text()
    assert "--no-deps --only-binary=:all: --python-version 3.12" in asked
    assert "--platform manylinux_2_28_x86_64" in asked
    assert "pillow==" in (checkout / ".gpu" / "wheels.txt").read_text()
    over = script(checkout, "prepare", "images.tar", LIMIT_MIB=2, **told)
    assert over.returncode == 1
    assert "more than 2 MiB travel" in over.stderr
    assert "2.9 MiB .gpu/wheels/big-1-py3-none-any.whl" in over.stderr


def table(name: str, *words: str, before: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Run a script that writes a table, in miniature; read it."""
    path = [*before, ROOT, ROOT / "studies"]
    done = subprocess.run(
        [sys.executable, GPU / name, "--smoke", "--out", "table.json", *words],
        env=environment() | {"PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    written: dict[str, Any] = json.loads(Path("table.json").read_text())
    assert list(written) == [
        "command", "commit", "hardware", "python", "torch", "seeds", "n", "rows",
    ]  # fmt: skip
    assert all(written.values())
    assert written["command"].endswith(f"studies/gpu/{name} --smoke --out table.json")
    return written


@pytest.mark.slow
def test_the_probe_on_a_pretended_gpu() -> None:
    written = table("probe.py", before=(SITE,))
    assert written["hardware"] == "Pretended GPU"
    rows = {row["name"]: row for row in written["rows"]}
    assert list(rows) == [
        "tiny", "tiny, no search", "tiny, float16", "SAM",
    ]  # fmt: skip
    for name, row in rows.items():
        assert list(row) == [
            "name", "params", "batch", "build_s", "first_step_s", "eager_ms", "captured_ms",
            "host_ms", "capture_s", "odd_first_s", "odd_ms", "validation_first_s",
            "validation_s", "close_s", "waits", "searches", "peak_mib", "refused", "error",
        ], name  # fmt: skip
        assert row["error"] is None
        assert row["refused"] is None
        assert row["waits"] == 3, "two readings of an epoch's validation, one of its training"
        numbers = [value for column, value in row.items() if column.endswith(("_s", "_ms"))]
        assert all(value >= 0 for value in numbers), name
    # three convolutions: forward, images, weights of each, but for the images of the first; and
    # of the validation, which has no gradients, none of its own
    assert rows["tiny"]["searches"] == 11
    assert rows["tiny, no search"]["searches"] == 0


@pytest.fixture
def without_the_rest(tmp_path: Path) -> Path:
    """A folder that, in PYTHONPATH, takes away what is not carried."""
    folder = tmp_path / "without"
    folder.mkdir()
    left_out = runpy.run_path(str(GPU / "needed.py"))["LEFT_OUT"]
    names = [name.replace("-", "_") for name in left_out]
    (folder / "sitecustomize.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({names!r}))\n"
    )
    return folder


@pytest.mark.slow
def test_how_many_trials_a_minute(without_the_rest: Path) -> None:
    written = table("search_rate.py", before=(without_the_rest,))
    (row,) = written["rows"]
    assert (row["trials"], row["failed"], row["stopped"]) == (2, 0, "trials")
    assert row["epochs"] == 2
    assert row["trials_per_minute"] == pytest.approx(120 / row["training_seconds"])
    assert row["training_seconds"] < row["seconds"]
    assert 0 < row["best_params"] <= 20_000


@pytest.mark.slow
def test_the_published_recipe_and_full(without_the_rest: Path) -> None:
    written = table("two_recipes.py", before=(without_the_rest,))
    assert "stopped: trials" in written["n"]
    assert [row["what"] for row in written["rows"]] == [
        "efficient-resnet, full", "efficient-resnet, published recipe",
    ]  # fmt: skip
    for row in written["rows"]:
        assert row["n"] == 1
        assert 0 < row["mean"] < 1
        assert row["margin"] is None, "of one seed nothing is known"

"""What users register: who knows it, and that a study goes on with the code it began with."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import budgetnas
from budgetnas import plugins
from budgetnas.arch import (
    Act,
    Arch,
    Conv,
    Norm,
    Residual,
    Stage,
    Style,
    count_params,
    projection,
)
from budgetnas.errors import InputError
from budgetnas.events import Event, Notice
from budgetnas.runs import load_run
from budgetnas.study import StudyConfig
from budgetnas.workflows.work import SearchResult
from tests.conftest import Program
from tests.trials.small import replay, run

FILE = """
import budgetnas
from budgetnas.arch import Act, Residual, projection

@budgetnas.register_block("single")
def single(w_in, w_out, stride, style):
    conv = style.conv(w_in, w_out, style.stage.kernel, stride)
    branch = (("conv", conv), *style.norm("norm", w_out))
    return Residual(branch, projection(w_in, w_out, stride, style), post=(("act", Act()),))
"""
SPACE = {"arch": {"block": "single", "stages": 1, "width": {"low": 4, "high": 32, "step": 4}}}

pytestmark = pytest.mark.usefixtures("isolated")


def single(w_in: int, w_out: int, stride: int, style: Style) -> Residual:
    conv = style.conv(w_in, w_out, style.stage.kernel, stride)
    branch = (("conv", conv), *style.norm("norm", w_out))
    return Residual(branch, projection(w_in, w_out, stride, style), post=(("act", Act()),))


def described(block: str) -> Arch:
    return Arch(block=block, stem_width=8, stages=(Stage(width=16, depth=2),))


def searched(**options: Any) -> SearchResult:
    return run(space=SPACE, epochs=1, **options)


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "single.py").write_text(FILE)
    return "single.py"


def test_a_registered_block_is_counted_and_built_as_described() -> None:
    assert budgetnas.register_block("single", single) is single
    assert budgetnas.register_block("single")(single) is single  # again, as a decorator
    arch = described("single")
    built = sum(weights.numel() for weights in budgetnas.build_model(arch).parameters())
    stem, head = 3 * 8 * 9 + 2 * 8, 16 * 10 + 10
    first, second = 8 * 16 * 9 + 2 * 16 + 8 * 16 + 2 * 16, 16 * 16 * 9 + 2 * 16
    assert count_params(arch) == built == stem + first + second + head


def same_shape(w_in: int, w_out: int, stride: int, style: Style) -> Residual:
    return Residual((("conv", style.conv(w_in, w_out, 3)),))


def no_shortcut(w_in: int, w_out: int, stride: int, style: Style) -> Residual:
    return Residual((("conv", style.conv(w_in, w_out, 3, stride)),))


def of_layers(*named: Any) -> Any:
    return lambda *_: Residual(named)


def by_width(w_in: int, w_out: int, stride: int, style: Style) -> Residual:
    return single(w_in, max(w_out, 8), stride, style)


def test_a_block_is_checked_at_every_width() -> None:
    def growing(w_in: int, w_out: int, stride: int, style: Style) -> Residual:
        conv = style.conv(w_in, w_out + (w_out > 16), 3, stride)
        return Residual((("conv", conv),), projection(w_in, w_out, stride, style))

    budgetnas.register_block("growing", growing)
    wide = Arch(block="growing", stem_width=20, stages=(Stage(width=20, depth=1),))
    with pytest.raises(InputError, match=r"its branch must map .*\(20, 8, 8\), got \(21, 8, 8\)"):
        count_params(wide)


@pytest.mark.parametrize(
    ("name", "function", "complaint"),
    [
        ("basic", single, "block 'basic' is budgetnas's own and can't be replaced"),
        ("Mein Block", single, "must be of a-z, 0-9, _ and -, got 'Mein Block'"),
        ("mine", lambda *_: None, "block 'mine' must return a Residual, got None"),
        ("mine", same_shape, r"its branch must map .* to \(16, 4, 4\), got \(16, 8, 8\)"),
        ("mine", no_shortcut, r"its shortcut must map .* to \(16, 4, 4\), got \(8, 8, 8\)"),
        ("mine", 3, "block 'mine' must be a function, got 3"),
        (single, None, "the name of a block must be of a-z, 0-9, _ and -, got <function single"),
        (
            "mine",
            lambda *_: 1 / 0,
            r"'mine': ZeroDivisionError: .* \(.*test_plugins.py, line \d+\)",
        ),
        ("mine", lambda *_: Residual(None), "its branch must be .* pairs .*, got None"),  # type: ignore[arg-type]
        (
            "mine",
            of_layers(("a", Conv(8, 16, 3, 2)), ("a", Conv(16, 16, 3))),
            r"got \('a', Conv\(w_in=16",
        ),
        (
            "mine",
            of_layers(("a", Conv(8, 16, 3, 2)), ("b", Norm(5))),
            r"Norm\(width=5\) can't follow 16",
        ),
        ("mine", of_layers(("a", Conv(8, 16, 4, 2))), "a kernel must be odd, got Conv"),
        (
            "mine",
            of_layers(("a", Conv(8, 0, 3, 2))),
            "sizes must be whole numbers from 1, got Conv",
        ),
        ("mine", by_width, "'mine': ValueError: The truth value .*: w_in and w_out may be arrays"),
    ],
)
def test_what_is_no_block_is_refused(name: str, function: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        budgetnas.register_block(name, function)
    with pytest.raises(InputError, match="unknown block 'mine', known: basic, bottleneck, preact"):
        Arch.parse(described("basic").model_dump() | {"block": "mine"}, "arch")


def test_a_name_is_registered_once() -> None:
    def of(kernel: int) -> Any:
        def block(w_in: int, w_out: int, stride: int, style: Style) -> Residual:
            conv = style.conv(w_in, w_out, kernel, stride)
            return Residual((("conv", conv),), projection(w_in, w_out, stride, style))

        return block

    budgetnas.register_block("mine", of(3))
    budgetnas.register_block("mine", of(3))
    with pytest.raises(InputError, match=r"'mine' is registered already, by tests.test_plugins"):
        budgetnas.register_block("mine", of(5))


@pytest.mark.parametrize(
    ("content", "name", "complaint"),
    [
        ("", "nothing_there", "a plugin is an importable module or the path of a .py file"),
        ("", "../nothing.py", "no plugin /.*/nothing.py; a path is relative to the working"),
        ("1 / 0", "broken.py", "'broken.py' can't be imported: ZeroDivisionError: division"),
        ("(", "broken.py", "'broken.py' can't be imported: SyntaxError: "),
        ("\n1 / 0", "broken.py", r"ZeroDivisionError: .* \(.*broken.py, line 2\)"),
        ("raise SystemExit(3)", "broken.py", "'broken.py' can't be imported: SystemExit: 3"),
        ("", "sys", "a plugin needs a source file, 'sys' has none"),
    ],
)
def test_plugins_that_cant_be(content: str, name: str, complaint: str) -> None:
    Path("broken.py").write_text(content)
    with pytest.raises(InputError, match=f"^--plugins: .*{complaint}"):
        run(plugins=[name], metric="mine")  # which the plugin would have registered


def test_plugins_are_names() -> None:
    for wrong in (3, [3]):
        with pytest.raises(InputError, match=r"^--plugins: must be a (list|table of keys), got 3"):
            run(plugins=wrong)


def test_a_study_goes_on_with_the_code_that_it_began_with(file: str, budgetnas: Program) -> None:
    begun = searched(trials=1, plugins=[file])
    config = StudyConfig.read(Path("studies", begun.study))
    assert [each.name for each in config.plugins] == [file]
    whole = replay(searched(trials=2, plugins=[file], study="whole"))
    # another process, which imports it because study.toml says so, goes on exactly
    budgetnas("search", "--study", begun.study, "--trials", 2)
    assert replay(searched(trials=2, study=begun.study)) == whole
    assert budgetnas("retrain", "best", "--study", begun.study, "--epochs", 1).status == 0
    (folder,) = Path("studies", begun.study, "runs").iterdir()
    assert "single" in budgetnas("count", folder / "arch.json").complaint()
    assert budgetnas("count", folder / "arch.json", "--plugins", file).status == 0
    assert load_run(folder)[0].classes

    Path(file).write_text(FILE.replace('"conv"', '"another"'))
    complaint = budgetnas("retrain", "best", "--study", begun.study).complaint()
    assert f"the code of plugin {file} was {config.plugins[0].digest}, now " in complaint
    Path(file).unlink()
    assert f"no plugin {Path(file).absolute()}" in budgetnas("report", begun.study).complaint()


def test_a_study_file_names_plugins(file: str) -> None:
    Path("studies/mine").mkdir(parents=True)
    Path("studies/mine/study.toml").write_text(
        f"""
        plugins = ["{file}"]
        question = "Is one convolution enough?"
        command = "budgetnas run studies/mine"
        time = {{ cpu = "1 s", gpu = "1 s" }}
        data = {{ dataset = "digits", train_samples = 100 }}
        recipe = {{ base = "short", epochs = 1 }}
        arch = {{ depths = [1], widths = [8] }}
        [[grid]]
        name = "block"
        field = "arch.block"
        values = ["single", "basic"]
        """
    )
    result = budgetnas.run_study("mine")
    assert result.trained == 2
    assert budgetnas.run_study("mine", plugins=[]) == result


def test_what_no_plugin_registers_is_known_here_only() -> None:
    heard: list[Event] = []
    budgetnas.register_block("single", single)
    searched(trials=1, watch=heard.append)
    only_here = "block 'single': registered in this process only, no --plugins name it"
    assert Notice(only_here) in heard
    with pytest.raises(InputError, match="--workers: block 'single': registered in this process"):
        searched(trials=2, workers=2)


@pytest.mark.slow
def test_worker_processes_import_plugins(file: str) -> None:
    alone = replay(searched(trials=3, plugins=[file], study="alone"))
    together = searched(trials=3, plugins=[file], study="together", workers=2)
    assert together.failed == 0
    assert [trial[2:] for trial in replay(together)] == [trial[2:] for trial in alone]


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_with_its_plugins(
    file: str, started: Callable[..., "subprocess.Popen[str]"]
) -> None:
    Path("space.toml").write_text('[arch]\nblock = "single"\nstages = 2\nwidth = 8\n')
    asked: dict[str, Any] = {"dataset": "digits", "epochs": 30, "trials": 2, "pruner": "none"}
    words = [word for name, value in asked.items() for word in (f"--{name}", value)]
    process = started(
        "search", "--budget", "12k", "--space", "space.toml", "--plugins", file, *words,
        "--workers", 2, "--study", "pieces",
    )  # fmt: skip
    while len(list(Path("studies/pieces").glob("trial-*.safetensors"))) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    pieces = budgetnas.search(study="pieces", trials=2)
    assert (pieces.trained, pieces.failed) == (2, 0)
    asked |= {"plugins": [file], "space": "space.toml"}
    assert replay(pieces) == replay(budgetnas.search("12k", study="whole", **asked))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with an entry point."""
    (tmp_path / "their").mkdir()
    (tmp_path / "their" / "__init__.py").write_text("")
    (tmp_path / "their" / "blocks.py").write_text(FILE.replace("@budgetnas.register", "# "))
    info = tmp_path / "their-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: their\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[budgetnas.blocks]\nsingle = their.blocks:single\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(plugins.NO_ENTRY_POINTS)
    yield
    for name in ("their", "their.blocks"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("installed")
def test_entry_points_are_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plugins.NO_ENTRY_POINTS, "1")
    with pytest.raises(InputError, match="unknown block 'single', known: basic, bottleneck, pr"):
        searched(trials=1)
    monkeypatch.delenv(plugins.NO_ENTRY_POINTS)
    with pytest.raises(InputError, match=r"unknown block 'no', known: .*, preact, single$"):
        run(space={"arch": {"block": "no"}})
    begun = searched(trials=1)
    config = StudyConfig.read(Path("studies", begun.study))
    assert [each.name for each in config.plugins] == ["their.blocks"]
    assert searched(trials=1) == begun

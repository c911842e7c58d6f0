"""Where studies live, what they are called, and who holds them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from budgetnas.arch import Budget
from budgetnas.data import DataSource
from budgetnas.errors import InputError
from budgetnas.study import find_file, find_study, held, study_folder, study_name
from budgetnas.study._place import default_name


@pytest.mark.parametrize(
    ("source", "budget", "name"),
    [
        (DataSource.choose("cifar10"), "5e6", "cifar10-5M"),
        (DataSource.choose("digits"), "78500", "digits-78500"),
        (DataSource.choose("folder", "my birds!"), "100k", "folder-my-birds--100k"),
    ],
)
def test_default_names(source: DataSource, budget: str, name: str) -> None:
    assert default_name(source, Budget.from_text(budget)) == name
    assert study_folder(name) == Path("studies") / name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/etc",
        "a/b/c",
        "a/",
        "a/../b",
        ".a",
        "a b",
        "a\n",
        "a€",
        "\N{COMBINING ACUTE ACCENT}a",
        "a\N{RIGHT-TO-LEFT OVERRIDE}b",
        "a\N{ZERO WIDTH SPACE}",
        "x/runs",
        "a\N{FULLWIDTH SOLIDUS}b",
        "\N{DOG FACE}",
        "a\udc80",
        "a" * 101,
        "日" * 67,
    ],
)
def test_names_that_could_leave_the_folder(name: str) -> None:
    with pytest.raises(InputError, match="a study's name has letters"):
        study_folder(name)


def named(folder: str) -> str:
    return default_name(DataSource.choose("folder", folder), Budget.from_text("100k"))


def test_letters_of_any_language_tell_studies_apart() -> None:
    folders = [
        "日本", "中国", "צילומים", "صور", "हिन्दी", "ไทย", "été", "ete", "images", "\N{DOG FACE}",
        "\N{CAT FACE}", "a\N{RIGHT-TO-LEFT OVERRIDE}b", "日" * 80, "日" * 79 + "本", "x" * 90,
        "x" * 91, "CON", "photos.2024",
    ]  # fmt: skip
    names = [named(folder) for folder in folders]
    assert names[:2] == ["folder-日本-100k", "folder-中国-100k"]
    assert names[-2:] == ["folder-CON-100k", "folder-photos.2024-100k"]
    assert len({name.casefold() for name in names}) == len(folders)
    for name in names:
        path = study_folder(name)
        assert path == Path("studies") / name
        path.mkdir(parents=True)
        assert study_name(path) == name


def test_a_name_is_the_same_however_its_letters_were_typed() -> None:
    composed, apart = "\N{LATIN SMALL LETTER E WITH ACUTE}t", "e\N{COMBINING ACUTE ACCENT}t"
    assert named(composed) == named(apart) == f"folder-{composed}-100k"
    assert study_folder(apart) == study_folder(composed)
    begin(composed, 0)
    assert find_study(apart) == (composed, False)
    (Path("studies") / apart).mkdir()
    (Path("studies") / apart / "study.toml").write_text('question = "?"')
    with pytest.raises(InputError, match="must have a composed name"):
        find_file(f"studies/{apart}")


def begin(name: str, age: int) -> None:
    path = Path("studies") / name / "study.toml"
    path.parent.mkdir(parents=True)
    path.write_text("")
    os.utime(path, (1_000_000 - age, 1_000_000 - age))


def test_the_only_one_else_the_newest() -> None:
    with pytest.raises(InputError, match=r"no study in \./studies; budgetnas search begins one"):
        find_study(None)
    begin("asked/results", 0)  # a committed table's, not a study to go on with
    with pytest.raises(InputError, match=r"no study in \./studies"):
        find_study(None)
    begin("old", 10)
    assert find_study(None) == ("old", True)
    begin("new", 0)
    assert find_study(None) == ("new", True)
    assert find_study("old") == ("old", False)
    with pytest.raises(InputError, match=r"no study 'lost' in \./studies; known: new, old"):
        find_study("lost")


def test_one_process_at_a_time() -> None:
    folder = Path("studies/one").resolve()
    code = (
        "from pathlib import Path; from budgetnas.study import held\n"
        f"with held(Path({str(folder)!r})): pass"
    )
    with held(folder):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert f"is held by process {os.getpid()}" in done.stderr
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_lock_follows_no_link_and_waits_for_no_pipe(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("content")
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / ".lock").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"), held(folder):
        pass
    assert precious.read_text() == "content"
    (folder / ".lock").unlink()
    os.mkfifo(folder / ".lock")
    with pytest.raises(InputError, match=r"\.lock must be a file"), held(folder):
        pass

"""A study is continued as it began, or not at all: file, storage, data and version."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from budgetnas._version import __version__
from budgetnas.errors import BudgetnasError, InputError
from budgetnas.workflows.search import search
from tests.trials.small import run

FOLDER = Path("studies/digits-12k")


def edit(old: str, new: str) -> None:
    path = FOLDER / "study.toml"
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))


def sql(statement: str) -> None:
    with closing(sqlite3.connect(FOLDER / "study.db")) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda: edit("limit = 12000", "limit = 13000"),
            "study.toml budget limit was 12000, now 13000 (undo the change",
        ),
        (lambda: edit("epochs = 2", "epochs = 3"), "study.toml recipe epochs was 2, now 3"),
        (
            lambda: edit("high = 32", "high = 64"),
            "study.toml proposal space arch width high was 32, now 64",
        ),
        (
            lambda: edit('name = "digits-12k"', 'name = "other"'),
            "study.toml: name must be its folder's, 'digits-12k', got 'other'",
        ),
        (
            lambda: edit(f'version = "{__version__}"', 'version = "9.9.9"'),
            f"the version of budgetnas was 9.9.9, now {__version__}",
        ),
        (
            lambda: edit(f'version = "{__version__}"', 'version = "9.9.9"\nnovelty = 1'),
            f"study.toml: begun with budgetnas '9.9.9', this is '{__version__}', "
            "which reads it differently (novelty: unknown key, known: ",
        ),
        (lambda: edit("seed = 0", "seed = -1"), "study.toml: seed: "),
        (
            lambda: edit('fingerprint = "', 'fingerprint = "0'),
            "the data fingerprint was 0",
        ),
        (
            lambda: (FOLDER / "study.db").unlink(),
            "the storage of study 'digits-12k' is missing: no file",
        ),
        (lambda: (FOLDER / "study.db").write_bytes(b""), "has no study 'digits-12k', it is empty"),
        (
            lambda: sql("delete from study_system_attributes where key = 'budgetnas:definition'"),
            "must remember what defines it, it has nothing",
        ),
        (lambda: sql("delete from studies"), "has no study 'digits-12k'"),
        (
            lambda: (FOLDER / "study.db").write_text("no database" * 99),
            "can't be opened: file is not a database",
        ),
        (lambda: sql("update trials set state = 'FOO'"), "is damaged: LookupError: "),
        (lambda: sql("delete from trial_values"), "without a value"),
        (
            lambda: sql("delete from trial_user_attributes where key = 'params'"),
            "is damaged: KeyError: 'params'",
        ),
        (
            lambda: sql("update trial_user_attributes set value_json = '{' where key = 'arch'"),
            "is damaged: JSONDecodeError: ",
        ),
        (
            lambda: sql("insert into trials(number, study_id, state) values (999, 1, 'FAIL')"),
            "is damaged: ValueError: trial ",
        ),
        (
            lambda: (FOLDER / "study.toml").unlink(),
            "has another study 'digits-12k' already, or its study.toml is missing",
        ),
    ],
)
def test_what_was_changed_is_not_continued(
    damage: Callable[[], object], message: str, begun: str
) -> None:
    damage()
    before = {path: path.read_bytes() for path in FOLDER.iterdir()}
    with pytest.raises(BudgetnasError) as caught:
        search(study=begun, trials=2) if (FOLDER / "study.toml").exists() else run(trials=2)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in FOLDER.iterdir() if path.name != ".lock"} == {
        path: content for path, content in before.items() if path.name != ".lock"
    }


def test_a_name_that_is_taken_in_a_storage_leaves_nothing_behind() -> None:
    run(trials=1, storage="sqlite:///shared.db", study="one")
    Path("studies/one/study.toml").rename("kept.toml")
    Path("studies/one/.lock").unlink()
    Path("studies/one/space.toml").unlink()
    Path("studies/one").rmdir()
    with pytest.raises(BudgetnasError, match="has another study 'one' already"):
        run(trials=1, storage="sqlite:///shared.db", study="one")
    assert not Path("studies/one").exists()
    assert run(trials=1, storage="sqlite:///shared.db", study="two").trained == 1


def test_a_storage_that_can_not_be_is_refused_before_it_is_made() -> None:
    with pytest.raises(InputError, match=r"data/nowhere/train|train is no folder"):
        run(trials=1, storage="sqlite:///new.db", dataset="folder", data_dir="nowhere")
    assert not Path("new.db").exists()

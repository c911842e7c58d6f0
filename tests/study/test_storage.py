"""Storages: one form of their URLs, and never a password."""

import re
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from budgetnas.errors import InputError, without_passwords
from budgetnas.study.storage import (
    check_storage,
    connected,
    hides_password,
    open_study,
    redacted,
)


def test_sqlite_paths_are_absolute() -> None:
    absolute = f"sqlite:///{Path('x.db').resolve()}"
    assert redacted("sqlite:///x.db") == redacted(absolute) == absolute


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@host/name",
        "postgresql://u@host/name?password=secret",
        "mysql+pymysql://u:secret@host:1/name?ssl=1",
        "nonsense secret",
        "mssql+pyodbc:///?odbc_connect=UID%3Du%3BPWD%3Dsecret",
        "sqlite:///x.db?pwd=secret",
    ],
)
def test_no_password_is_shown(url: str) -> None:
    assert "secret" not in redacted(url)
    assert "secret" not in without_passwords(f"--storage={url}" if "://" in url else "")


@pytest.mark.parametrize("url", ["postgresql://u:secret@host/x", "mysql://h/x?sslpassword=secret"])
def test_what_was_redacted_can_be_told(url: str) -> None:
    assert not hides_password(url)
    assert hides_password(redacted(url))


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("postgres://u:secret@h/x", "got 'postgres': write postgresql://"),
        ("nonesuch://h/x", "known: sqlite, postgresql, mysql, mariadb"),
        ("postgresql://u:secret@h/x", "pip install 'budgetnas[postgresql]'"),
        ("mysql+pymysql://h/x", "pip install pymysql"),
    ],
)
def test_what_can_not_be_reached_says_what_to_do(
    url: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for driver in ("psycopg", "pymysql"):
        monkeypatch.setitem(sys.modules, driver, None)  # as if it were not installed
    with pytest.raises(InputError, match=re.escape(cure)) as refused:
        check_storage(url)
    assert "secret" not in str(refused.value)


def test_many_can_make_the_same_storage_at_once(tmp_path: Path) -> None:
    """Optuna alone fails in most of these rounds: whoever comes second finds a row that wasn't."""

    def begin(url: str) -> str:
        with connected(url) as storage:
            return open_study("s", storage).study_name

    with ThreadPoolExecutor(4) as pool:
        for number in range(5):
            url = f"sqlite:///{tmp_path / str(number)}.db"
            assert list(pool.map(begin, [url] * 4)) == ["s"] * 4


def test_a_storage_half_made_is_not_taken_for_one(tmp_path: Path) -> None:
    """Whoever only reads would make the rest of it, and its maker would fail."""
    file = tmp_path / "study.db"
    url = f"sqlite:///{file}"
    with connected(url) as storage:
        open_study("s", storage)
    assert check_storage(url)
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM alembic_version")
    assert not check_storage(url)
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE alembic_version")
    assert not check_storage(url)

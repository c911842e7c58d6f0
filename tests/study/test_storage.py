"""Storages: one form of their URLs, and never a password."""

from pathlib import Path

import pytest

from budgetnas.passwords import without_passwords
from budgetnas.study.storage import hides_password, redacted


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

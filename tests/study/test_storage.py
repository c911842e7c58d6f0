"""Storages: one form of their URLs, and never a password."""

from pathlib import Path

import pytest

from budgetnas.study.storage import redacted


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
    ],
)
def test_no_password_is_shown(url: str) -> None:
    assert "secret" not in redacted(url)

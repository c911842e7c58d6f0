"""The transactions that a study's storage commits with something written."""

from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from sqlalchemy import Connection, Engine, event


@contextmanager
def commits_of(study: optuna.Study | None = None) -> Iterator[list[int]]:
    """Collect them: of each, how many statements wrote.

    Args:
        study: Whose storage; None for all that there are or will be.
    """
    engine = Engine if study is None else study._storage._backend.engine  # type: ignore[attr-defined]
    commits: list[int] = []
    written = 0

    def execute(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        nonlocal written
        written += statement.split(None, 1)[0] in ("INSERT", "UPDATE", "DELETE")

    def commit(_: Connection) -> None:
        nonlocal written
        if written:  # reading is no transaction that waits for the disk
            commits.append(written)
        written = 0

    event.listen(engine, "before_cursor_execute", execute)
    event.listen(engine, "commit", commit)
    try:
        yield commits
    finally:
        event.remove(engine, "before_cursor_execute", execute)
        event.remove(engine, "commit", commit)

"""Storages: any SQLAlchemy URL; a file in the study's folder unless one is given."""

import contextlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from budgetnas.errors import HIDDEN, BudgetnasError, InputError, is_secret
from budgetnas.files import require_writable
from budgetnas.study.trial_record import check_trials

METRIC = "val_accuracy"
"""The name of a trial's value, for the dashboard and data frames."""

# add yours here: by the backend of a URL, what to install to reach it
DRIVERS = {
    "postgresql": "pip install 'budgetnas[postgresql]'",
    "mysql": "pip install pymysql, and begin the URL with mysql+pymysql://",
    "mariadb": "pip install pymysql, and begin the URL with mariadb+pymysql://",
}

MAKING_S = 30.0
"""Seconds to wait for another process that makes the same storage at the same time."""


def default_url(folder: Path) -> str:
    """Return the URL of the database in a study's folder."""
    return f"sqlite:///{(folder / 'study.db').resolve()}"


def redacted(url: str) -> str:
    """Return a storage's URL in one form and without passwords: what may be printed and stored.

    The path of an SQLite file is made absolute, so that a study is found from any folder.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return "(not an SQLAlchemy URL)"
    if parsed.drivername.startswith("sqlite") and parsed.database not in (None, "", ":memory:"):
        parsed = parsed.set(database=str(Path(parsed.database or "").resolve()))
    secret = [key for key in parsed.query if is_secret(key)]
    parsed = parsed.update_query_dict(dict.fromkeys(secret, HIDDEN))
    return parsed.render_as_string(hide_password=True)


def hides_password(url: str) -> bool:
    """Return whether a URL is a redacted one, whose password is not in it."""
    parsed = make_url(url)
    return HIDDEN in (parsed.password, *parsed.query.values())


def open_storage(url: str) -> RDBStorage:
    """Connect to a storage.

    Raises:
        InputError: If the URL is none, its driver is missing, or nothing answers there.
    """
    until = time.monotonic() + MAKING_S
    with _opening(url):
        while True:
            try:
                return RDBStorage(url, engine_kwargs=_engine_arguments(url))
            except SQLAlchemyError as error:
                if not _made_elsewhere(error) or time.monotonic() > until:
                    raise
            time.sleep(0.1)


def _made_elsewhere(error: SQLAlchemyError) -> bool:
    """Return whether another process makes the tables of a new storage at this moment.

    The second one finds a table or a row of Optuna's that was not there when it looked.
    """
    return isinstance(error, IntegrityError) or "already exists" in str(error)


def check_storage(url: str) -> bool:
    """Look whether a storage can be connected to, and whether its tables are all made.

    Nothing is written, not even an empty file.

    Raises:
        InputError: If the URL is none, its driver is missing, or nothing answers there.
    """
    file = _sqlite_file(url)
    if file and not file.startswith("file:") and not Path(file).exists():
        if not Path(file).parent.is_dir():
            raise InputError(
                f"the storage {redacted(url)} can't be opened: no folder {Path(file).parent}"
            )
        require_writable(Path(file))
        return False
    with _opening(url):
        engine = create_engine(url, **_engine_arguments(url))
        try:
            return _is_made(engine)
        finally:
            engine.dispose()


def _is_made(engine: Engine) -> bool:
    """Return whether Optuna's tables are there: the schema's revision is what it writes last."""
    if not inspect(engine).has_table("alembic_version"):
        return False
    with engine.connect() as connection:
        return connection.execute(text("SELECT 1 FROM alembic_version")).first() is not None


@contextlib.contextmanager
def _opening(url: str) -> Iterator[None]:
    """Raise an error on one line, without a password, if the storage can't be opened."""
    try:
        make_url(url)
    except (ArgumentError, ValueError):
        raise InputError(
            "--storage must be an SQLAlchemy URL such as sqlite:///study.db or "
            "postgresql://user@host/name, got something else"
        ) from None
    file = _sqlite_file(url)
    if file and (file.startswith("file:") or (Path(file).exists() and not Path(file).is_file())):
        raise InputError(f"--storage must name a file for SQLite, got {redacted(url)}")
    if file == "":
        raise InputError(f"--storage must outlast the program, got {redacted(url)} in memory")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of options in the URL that nobody knows
            yield
    except ImportError as error:
        cure = DRIVERS.get(make_url(url).get_backend_name(), "install the one that its URL names")
        raise InputError(
            f"the storage {redacted(url)} needs a driver that can be imported: "
            f"{str(error).splitlines()[0]}; {cure}"
        ) from None
    except NoSuchModuleError:
        raise InputError(_unknown_kind(url)) from None
    except (SQLAlchemyError, RuntimeError, ValueError, TypeError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        kind = BudgetnasError if "is locked" in reason else InputError  # it may be free soon
        raise kind(f"the storage {redacted(url)} can't be opened: {reason}") from None


def _unknown_kind(url: str) -> str:
    kind = make_url(url).drivername
    known = ("sqlite", *DRIVERS)
    cure = "write postgresql://" if kind == "postgres" else f"known: {', '.join(known)}"
    return f"the storage {redacted(url)} must be of a known kind, got {kind!r}: {cure}"


def _sqlite_file(url: str) -> str | None:
    """Return the path of an SQLite file, empty if it is in memory; None for another database."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None
    if not parsed.drivername.startswith("sqlite"):
        return None
    return "" if parsed.database in (None, "", ":memory:") else parsed.database


@contextlib.contextmanager
def storage_guard(url: str) -> Iterator[None]:
    """Raise an error on one line where a storage breaks, instead of its hundred."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise BudgetnasError(
            f"the storage {redacted(url)} failed: {str(cause).splitlines()[0]}; what was finished "
            "is in it; fix this and run the same command again"
        ) from error


def _engine_arguments(url: str) -> dict[str, Any]:
    """Wait a minute for another process that writes to an SQLite file, as the dashboard does."""
    parsed = make_url(url)
    if not parsed.drivername.startswith("sqlite") or "timeout" in parsed.query:
        return {}
    return {"connect_args": {"timeout": 60}}


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Log only Optuna's errors within."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@contextlib.contextmanager
def connected(url: str) -> Iterator[RDBStorage]:
    """Connect to a storage for a while; afterwards no connection is left open.

    What breaks meanwhile is a `BudgetnasError` on one line.
    """
    storage = open_storage(url)
    try:
        with quiet_optuna(), storage_guard(url):
            yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


@contextlib.contextmanager
def one_transaction(study: optuna.Study) -> Iterator[None]:
    """Join all that this thread writes to a study's storage into one transaction.

    Optuna commits each attribute alone, and each commit waits for the disk: 20 ms, or 0.5 s on a
    busy one. A block should not ask the study for its trials after it has ended one: Optuna
    remembers ended trials, and would not learn that the transaction was rolled back.

    Raises:
        StorageInternalError: If it was rolled back, and Optuna did not say so.
    """
    storage = getattr(study._storage, "_backend", study._storage)
    if not isinstance(storage, RDBStorage):
        yield
        return
    sessions = storage.scoped_session  # one a thread
    if sessions.registry.has() and isinstance(sessions().bind, Connection):
        raise RuntimeError("a transaction can't be begun within another one")
    sessions.remove()
    with storage.engine.connect() as connection, connection.begin() as transaction:
        # Optuna's commits then write nothing yet, its rollbacks undo the whole
        sessions(bind=connection, join_transaction_mode="rollback_only")
        try:
            yield
        finally:
            sessions.remove()
        if not transaction.is_active:
            raise StorageInternalError("a transaction was rolled back")


def open_study(name: str, storage: RDBStorage) -> optuna.Study:
    """Load a study from its storage, or begin it there."""
    study = optuna.create_study(
        study_name=name, storage=storage, direction="maximize", load_if_exists=True
    )
    if study.metric_names != [METRIC]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([METRIC])  # the dashboard's axes say it
    return study


def require_file(name: str, url: str) -> None:
    """Raise if a study's SQLite file is missing: connecting would make an empty one.

    Raises:
        InputError: If it is.
    """
    database = _sqlite_file(url)
    if database and not Path(database).is_file():
        raise InputError(f"the storage of study {name!r} is missing: no file {database}")


@contextlib.contextmanager
def existing_study(name: str, url: str) -> Iterator[optuna.Study]:
    """Connect to a study that is in its storage.

    Raises:
        InputError: If it is not there.
    """
    require_file(name, url)
    if not check_storage(url):  # Optuna would make its tables there
        raise InputError(f"the storage {redacted(url)} has no study {name!r}, it is empty")
    with connected(url) as storage:
        try:
            study = optuna.load_study(study_name=name, storage=storage)
        except KeyError:
            raise InputError(f"the storage {redacted(url)} has no study {name!r}") from None
        try:
            check_trials(study.get_trials(deepcopy=False))
        except (ValueError, LookupError, TypeError) as error:  # Optuna reads what is there
            reason = " ".join(str(error).split())[:200]
            raise BudgetnasError(
                f"the storage {redacted(url)} is damaged: {type(error).__name__}: {reason}"
            ) from error
        yield study

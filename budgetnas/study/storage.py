"""Storages: any SQLAlchemy URL; a file in the study's folder unless one is given."""

from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from budgetnas.errors import InputError


def default_url(folder: Path) -> str:
    """Return the URL of the database in a study's folder."""
    return f"sqlite:///{(folder / 'study.db').resolve()}"


def redacted(url: str) -> str:
    """Return a storage's URL in one form and without passwords: what may be printed and stored.

    The path of an SQLite file is made absolute, so that a study is found from any folder.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        return "(not an SQLAlchemy URL)"
    if parsed.drivername.startswith("sqlite") and parsed.database not in (None, "", ":memory:"):
        parsed = parsed.set(database=str(Path(parsed.database or "").resolve()))
    secret = [key for key in parsed.query if "pass" in key.lower()]
    parsed = parsed.update_query_dict(dict.fromkeys(secret, "***"))
    return parsed.render_as_string(hide_password=True)


def open_storage(url: str) -> RDBStorage:
    """Connect to a storage.

    Raises:
        InputError: If the URL is none, its driver is missing, or nothing answers there.
    """
    try:
        make_url(url)
    except ArgumentError:
        raise InputError(
            "--storage must be an SQLAlchemy URL such as sqlite:///study.db or "
            "postgresql://user@host/name, got something else"
        ) from None
    try:
        return RDBStorage(url, engine_kwargs=_engine_arguments(url))
    except ImportError as error:
        raise InputError(f"the storage {redacted(url)} needs a driver: {error.name}") from None
    except (SQLAlchemyError, RuntimeError, ValueError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise InputError(f"the storage {redacted(url)} can't be opened: {reason}") from None


def _engine_arguments(url: str) -> dict[str, object]:
    # Wait for whoever else writes to the file, the dashboard for one, instead of failing.
    return (
        {"connect_args": {"timeout": 60}} if make_url(url).drivername.startswith("sqlite") else {}
    )


def open_study(name: str, url: str) -> optuna.Study:
    """Load a study from its storage, or begin it there."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(url)
    return optuna.create_study(
        study_name=name, storage=storage, direction="maximize", load_if_exists=True
    )


def load_study(name: str, url: str) -> optuna.Study:
    """Load a study from its storage.

    Raises:
        InputError: If it is not there.
    """
    database = make_url(url).database if url.startswith("sqlite:") else None
    if database and not Path(database).is_file():  # connecting would make an empty one
        raise InputError(f"the storage of study {name!r} is missing: no file {database}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return optuna.load_study(study_name=name, storage=open_storage(url))
    except KeyError:
        raise InputError(f"the storage {redacted(url)} has no study {name!r}") from None

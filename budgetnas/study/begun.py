"""Opening a study: `BegunStudy` to read it, `owned_study` to work on it, alone and as it began."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from budgetnas.errors import InputError
from budgetnas.files import sweep
from budgetnas.space import Grid, Space
from budgetnas.study._config import StudyConfig, require_same
from budgetnas.study._place import config_path, find_study, held, study_folder
from budgetnas.study.storage import (
    check_storage,
    connected,
    default_url,
    existing_study,
    hides_password,
    open_study,
    redacted,
)
from budgetnas.study.trial_record import own_trials


@dataclass(frozen=True)
class BegunStudy:
    """A study that has begun."""

    name: str
    """The study's name."""
    folder: Path
    """Its folder."""
    config: StudyConfig
    """Its definition."""
    guessed: bool
    """Whether the user did not name it."""

    def space(self) -> Space:
        """Return what it draws from.

        Raises:
            InputError: If it does not draw, but goes through a grid.
        """
        proposal = self.config.proposal
        if isinstance(proposal, Grid):
            raise InputError(
                f"--study must be a search, which has a space to draw from, got {self.name!r}, "
                f"a {proposal.name}"
            )
        return proposal.space

    def trials(self, storage: str | None = None) -> Sequence[FrozenTrial]:
        """Read its own trials, in the order of their numbers.

        Args:
            storage: SQLAlchemy URL of its storage, if it is not what the study remembers.

        Raises:
            InputError: If the storage is not there, or not this study's.
        """
        url = storage_url(self.config, self.folder, storage)
        with existing_study(self.name, url) as loaded:
            require_unchanged(loaded, self.config)
            return own_trials(loaded.get_trials(deepcopy=False))


def find_begun(name: str | None) -> BegunStudy:
    """Find the study that a command means: of this name, else the only one, else the newest.

    Raises:
        InputError: If there is none, with those that there are.
    """
    found, guessed = find_study(name)
    folder = study_folder(found)
    return BegunStudy(found, folder, StudyConfig.read(folder), guessed)


def storage_url(config: StudyConfig, folder: Path, given: str | None) -> str:
    """Return the URL of a study's storage, with its password where it needs one.

    Args:
        config: What defines the study.
        folder: The study's folder.
        given: The URL that the user gives, if any.

    Raises:
        InputError: If a password is needed that was never stored.
    """
    stored = config.storage or default_url(folder)
    if given is not None:
        return given
    if hides_password(stored):
        raise InputError(
            f"study {config.name!r} is in {stored}, whose password is not stored: "
            "give --storage with it"
        )
    return stored


DEFINITION = "budgetnas:definition"
"""The storage's own attribute that says what defines a study, as its study.toml does.

A system attribute, which dashboards leave out: it is long, and not to be changed.
"""

BUDGET, DATA, HARDWARE = "budget", "data", "hardware"
"""Attributes of a study, which dashboards show."""


def write_data(study: optuna.Study, title: str) -> None:
    """Write which images the study's trials are trained on."""
    study.set_user_attr(DATA, title)


def add_hardware(study: optuna.Study, here: str) -> None:
    """Add this machine to those that the study's trials were trained on."""
    before = hardware_of(study)
    if before is None or not before.endswith(here):
        study.set_user_attr(HARDWARE, f"{before}; then {here}" if before else here)


def hardware_of(study: optuna.Study) -> str | None:
    """Return what the study's trials were trained on; None before any was."""
    known = study.user_attrs.get(HARDWARE)
    return None if known is None else str(known)


@contextlib.contextmanager
def owned_study(
    config: StudyConfig, folder: Path, url: str, *, begun: bool
) -> Iterator[optuna.Study]:
    """Hold a study and connect to its storage; a new one is begun there.

    The storage remembers what defines the study, so that neither can be changed alone.

    Args:
        config: What defines it.
        folder: Its folder.
        url: Its storage.
        begun: Whether it must be there already.

    Raises:
        InputError: If another process holds it, it is lost, it was changed, or its name is taken.
    """
    if not begun and url != default_url(folder) and check_storage(url):
        with connected(url) as storage:  # before anything is written
            _require_free(config.name, storage, url)
    with held(folder):
        if not begun and config_path(folder).exists():
            raise InputError(f"{folder} has just been begun by another process: try again")
        sweep(folder)
        with (existing_study if begun else _new_study)(config.name, url) as study:
            if begun:
                require_unchanged(study, config)
            else:
                study.set_user_attr(BUDGET, f"{config.budget} {config.budget.cost}")
                study._storage.set_study_system_attr(
                    study._study_id, DEFINITION, config.definition()
                )
            yield study


@contextlib.contextmanager
def _new_study(name: str, url: str) -> Iterator[optuna.Study]:
    with connected(url) as storage:
        _require_free(name, storage, url)
        yield open_study(name, storage)


def _require_free(name: str, storage: RDBStorage, url: str) -> None:
    """Raise if the name is taken; a study killed before its first trial does not count."""
    if name not in optuna.get_all_study_names(storage):
        return
    study = optuna.load_study(study_name=name, storage=storage)
    if study.get_trials(deepcopy=False) or study.directions != [StudyDirection.MAXIMIZE]:
        raise InputError(
            f"the storage {redacted(url)} has another study {name!r} already, or its study.toml "
            "is missing: give another --study"
        )


def require_unchanged(study: optuna.Study, config: StudyConfig) -> None:
    """Raise for a study whose study.toml no longer says what its storage remembers.

    Raises:
        InputError: With both values of what differs.
    """
    began = study._storage.get_study_system_attrs(study._study_id).get(DEFINITION)
    if not isinstance(began, dict):
        raise InputError(
            f"the storage of study {config.name!r} must remember what defines it, it has "
            "nothing: it was changed, or begun by another version"
        )
    require_same(
        f"study {config.name!r}",
        {"study.toml": (began, config.definition())},
        "undo the change, or begin another --study",
    )

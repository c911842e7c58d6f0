"""`BegunStudy`: a study that has begun, as commands that build on it find it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import FrozenTrial

from budgetnas.errors import InputError
from budgetnas.space import Grid, Space
from budgetnas.study.config import StudyConfig, storage_url
from budgetnas.study.owned import require_unchanged
from budgetnas.study.place import find_study, study_folder
from budgetnas.study.storage import existing_study
from budgetnas.study.trials import own_trials


@dataclass(frozen=True)
class BegunStudy:
    """A study that has begun."""

    name: str
    """The study's name."""
    folder: Path
    """Its folder."""
    config: StudyConfig
    """What defines it."""
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

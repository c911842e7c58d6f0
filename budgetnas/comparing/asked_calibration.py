"""What a calibration is asked to be; what it can't be is refused at once, without torch."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from budgetnas.errors import InputError
from budgetnas.recipe import Recipe
from budgetnas.recipe.recipe import MAX_EPOCHS
from budgetnas.space import Space
from budgetnas.space.grid import MAX_SEEDS
from budgetnas.spec import shorten
from budgetnas.study.begun import BegunStudy
from budgetnas.study.calibration import LEAST_ARCHS
from budgetnas.study.config import StudyConfig
from budgetnas.study.options import Training

MOST_ARCHS = 1_000


@dataclass(frozen=True)
class AskedCalibration:
    """Which trainings are to be compared; it can't exist with what can't be."""

    archs: int = 12
    """Architectures."""
    short: tuple[int, ...] = (1, 3, 9)
    """Candidates for the epochs of a trial."""
    epochs: int = 30
    """Epochs of a full training."""
    recipe: Recipe | str = "full"
    """Of a full training; a name, a file's, or a recipe, which is taken at its word."""
    seeds: int = 1
    """How often each is trained."""
    top: int = 3
    """How many would be trained in full, by the short trainings."""

    def __post_init__(self) -> None:
        """Refuse what can't be.

        Raises:
            InputError: With the first rule that is broken, and the value.
        """
        listed, last = ",".join(map(str, self.short)), max(self.short, default=0)
        in_order = bool(self.short) and [*self.short] == sorted({*self.short})
        rules = [
            (
                LEAST_ARCHS <= self.archs <= MOST_ARCHS,
                f"--archs must be from {LEAST_ARCHS} to {MOST_ARCHS:,}, got {self.archs}",
            ),
            (
                1 <= self.epochs <= MAX_EPOCHS,
                f"--epochs must be from 1 to {MAX_EPOCHS:,}, got {self.epochs}",
            ),
            (
                in_order and self.short[0] > 0,
                f"--short must be whole numbers from 1, each more than the last, got {listed}",
            ),
            (
                last < self.epochs,
                f"--short must be less than --epochs, got {listed} and {self.epochs}",
            ),
            (
                1 <= self.top < self.archs,
                f"--top must be from 1 to less than --archs, got {self.top} and {self.archs}",
            ),
            (
                1 <= self.seeds <= MAX_SEEDS,
                f"--seeds must be from 1 to {MAX_SEEDS:,}, got {self.seeds}",
            ),
        ]
        for holds, rule in rules:
            if not holds:
                raise InputError(rule)
        self._full()

    def full_recipe(self, config: StudyConfig) -> tuple[Recipe, list[str]]:
        """The recipe of a full training, a named one fitted to the study's images; notices."""
        facts = config.facts
        return self._full().fitted_recipe(config.data, facts.channels, facts.train)

    @property
    def recipe_name(self) -> str:
        """What the recipe of a full training is called."""
        return self.recipe if isinstance(self.recipe, str) else "a recipe of its own"

    def command(self, study: str, data_dir: str | Path | None) -> str:
        """Write the command that asks for this."""
        return shlex.join(
            ["budgetnas", "calibrate", "--study", study, "--archs", str(self.archs),
             "--short", ",".join(map(str, self.short)), "--epochs", str(self.epochs),
             *(["--recipe", self.recipe] if isinstance(self.recipe, str) else []),
             "--seeds", str(self.seeds), "--top", str(self.top),
             *(["--data-dir", str(data_dir)] if data_dir else [])]
        )  # fmt: skip

    def _full(self) -> Training:
        return Training.of(recipe=self.recipe, epochs=self.epochs)


def short_epochs(text: str) -> tuple[int, ...]:
    """Read candidates as they are typed: `1,3,9`.

    Raises:
        InputError: If that is no list of whole numbers.
    """
    words = text.split(",")
    if not all(word.isascii() and word.isdecimal() and len(word) <= 9 for word in words):
        raise InputError(f"--short must be whole numbers such as 1,3,9, got {shorten(text)}")
    return tuple(map(int, words))


def calibrated_space(base: BegunStudy) -> Space:
    """Return what a study draws from.

    Raises:
        InputError: If it does not draw, but goes through a grid.
    """
    proposal = base.config.proposal
    space = getattr(proposal, "space", None)
    if not isinstance(space, Space):
        raise InputError(
            f"--study must be a search, which has a space to draw from, got {base.name!r}, "
            f"a {proposal.name}"
        )
    return space

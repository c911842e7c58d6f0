"""What a comparison with baselines is asked to be; what can't be is refused at once."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from budgetnas.analysis import PUBLISHED
from budgetnas.errors import InputError
from budgetnas.recipe import Recipe
from budgetnas.recipe.recipe import MAX_EPOCHS
from budgetnas.space.grid import MAX_SEEDS
from budgetnas.study.config import StudyConfig
from budgetnas.study.drawn import Drawn
from budgetnas.study.options import Training

SEEDS, EPOCHS, RECIPE = 3, 30, "full"
"""With how many seeds, for how long and how networks are trained, unless told."""
MOST_RANDOM = 100_000

PUBLISHED_RECIPE = "efficient-resnets"


@dataclass(frozen=True)
class AskedComparison:
    """What the caller asked for, None where nothing was said."""

    seeds: int | None = None
    """With how many seeds each network is trained."""
    epochs: int | None = None
    """Instead of the recipe's."""
    recipe: Recipe | str | None = None
    """How networks are trained; a name, a file's, or a recipe, which is taken at its word."""
    random: int | None = None
    """How many random networks are drawn and trained as the search's trials are."""

    def __post_init__(self) -> None:
        """Refuse what can't be.

        Raises:
            InputError: With the first rule that is broken, and the value.
        """
        for name, value, least, most in (
            ("seeds", self.seeds, 1, MAX_SEEDS),
            ("epochs", self.epochs, 1, MAX_EPOCHS),
            ("random", self.random, 0, MOST_RANDOM),
        ):
            if value is not None and not least <= value <= most:
                raise InputError(f"--{name} must be from {least} to {most:,}, got {value}")
        if self.recipe_name == PUBLISHED:
            raise InputError(f"--recipe: {PUBLISHED!r} is what another one is called here")
        self._asked_recipe()

    @property
    def recipe_name(self) -> str:
        """What the recipe is called."""
        if isinstance(self.recipe, Recipe):
            return "a recipe of its own"
        return self.recipe or RECIPE

    def recipe_for(
        self, config: StudyConfig, drawn: Drawn | None = None
    ) -> tuple[Recipe, list[str]]:
        """Fit the recipe to a study's images, and lay over it what a trial had drawn; notices.

        A recipe file is taken at its word.
        """
        facts = config.facts
        return self._asked_recipe().fitted_recipe(config.data, facts.channels, facts.train, drawn)

    def published_for(self, config: StudyConfig) -> tuple[Recipe, list[str]]:
        """Fit the published recipe to a study's images, for as many epochs; notices."""
        facts, epochs = config.facts, self._asked_recipe().written_recipe().epochs
        published = Training.of(recipe=PUBLISHED_RECIPE, epochs=epochs)
        return published.fitted_recipe(config.data, facts.channels, facts.train)

    def command(self, study: str, random: int, data_dir: str | Path | None) -> str:
        """Write the command that asks for this, and for so many random networks."""
        named = [] if isinstance(self.recipe, Recipe) else ["--recipe", self.recipe_name]
        epochs = self._asked_recipe().written_recipe().epochs
        return shlex.join(
            ["budgetnas", "compare", "--study", study, "--seeds", f"{self.seeds or SEEDS}",
             "--epochs", f"{epochs}", *named, "--random", f"{random}",
             *(["--data-dir", str(data_dir)] if data_dir else [])]
        )  # fmt: skip

    def _asked_recipe(self) -> Training:
        epochs = EPOCHS if self.recipe is None else None
        return Training.of(recipe=self.recipe or RECIPE, epochs=self.epochs or epochs)

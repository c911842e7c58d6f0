"""`AskedRun`: a study file, in full or scaled down, on its data or on others."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from budgetnas.arch import Budget
from budgetnas.data import DataSource
from budgetnas.errors import InputError
from budgetnas.recipe import Recipe
from budgetnas.space import Grid
from budgetnas.study.config import About
from budgetnas.study.file import StudyFile, find_file
from budgetnas.study.file_tables import Quick
from budgetnas.study.options import RunOptions
from budgetnas.study.place import data_name
from budgetnas.study.quick import quick_recipe

MAKE_ANOTHER = ("quick", "dataset", "data_dir", "skip_unreadable")
"""Options that make another study of the same file."""


@dataclass(frozen=True)
class AskedRun:
    """A study file, and what is asked of it."""

    path: Path
    folder: str
    """The name of its folder."""
    file: StudyFile
    quick: Quick | None
    data: DataSource
    asked: RunOptions

    @property
    def name(self) -> str:
        """The name of the study that this makes: `NAME/quick-digits`."""
        return f"{self.folder}/{'quick-' if self.quick else ''}{data_name(self.data)}"

    @property
    def trials(self) -> int:
        """How many trained trials a search shall have."""
        most = self.file.search.trials if self.file.search else 0
        return min(most, self.quick.trials) if self.quick else most

    def grid(self, in_channels: int, num_classes: int) -> Grid:
        """The configurations for such images."""
        file, quick = self.file, self.quick
        return Grid(
            axes=file.grid_axes(),
            cells=file.cells(str(self.path), in_channels, num_classes, quick),
            seeds=min(file.seeds, quick.seeds) if quick else file.seeds,
        )

    def recipe(self) -> Recipe:
        """The recipe of a search's trials, and what a grid's configurations change."""
        full = self.file.base_recipe(str(self.path))
        if self.quick is None:
            return full
        return quick_recipe(full, self.quick, full.epochs, str(self.path))

    def budget(self) -> Budget:
        """The budget; a search that is scaled down has a smaller one."""
        budget = self.file.budget
        if not (self.quick and self.file.search):
            return budget
        return budget.changed(limit=max(1, round(budget.limit * self.quick.width**2)))

    def about(self, samples: int | None) -> About:
        """The study's question, source and command.

        Args:
            samples: The training images that are used at most; None: all.
        """
        command = ["budgetnas", "run", self.asked.study, *self.asked.words(*MAKE_ANOTHER)]
        return About(
            question=self.file.question,
            source=self.file.source,
            claim=self.file.claim,
            command=shlex.join(command),
            scaled=self._scaled(samples) if self.quick else None,
        )

    def _scaled(self, samples: int | None) -> str:
        """Return what is smaller than the file says."""
        assert self.quick is not None, "in full nothing is smaller"
        file, quick = self.file, self.quick
        full, size = file.base_recipe(str(self.path)), self.data.image_size
        words = [(f"{quick.epochs} epochs instead of {full.epochs}", quick.epochs != full.epochs)]
        if file.search:
            recipes = [self.recipe()]
            words += [
                (f"{self.trials} trained trials instead of {file.search.trials}", True),
                (f"at most {self.budget()} {file.budget.cost} instead of {file.budget}", True),
            ]
        else:
            recipes = [cell.recipe for cell in self.grid(3, 10).cells]
            words += [
                (f"{quick.seeds} seeds instead of {file.seeds}", quick.seeds < file.seeds),
                (f"widths x {quick.width:g}", quick.width != 1),
            ]
        smaller = all(recipe.batch_size < full.batch_size for recipe in recipes)
        own = DataSource.choose(self.data.dataset, self.data.data_dir).image_size
        words += [
            (f"batches of {quick.batch_size}", smaller),
            (f"at most {samples:,} training images", samples is not None),
            (f"images of {size} x {size} pixels", size != own),
            (f"the recipe's {', '.join(quick.recipe)} for a short training", bool(quick.recipe)),
        ]
        return ", ".join(text for text, differs in words if differs)


def asked_run(options: RunOptions) -> AskedRun:
    """Read a study file, and settle on which data and how large it is to be run."""
    path, folder = find_file(options.study)
    file = StudyFile.read(path)
    quick, dataset = options.quick, options.dataset
    scale = file.quick if quick is True else quick or None
    asked = file.data
    other = dataset is not None and dataset != asked.dataset
    skip = options.skip_unreadable
    try:
        data = DataSource.choose(
            dataset or asked.dataset,
            options.data_dir if other or options.data_dir is not None else asked.data_dir,
            None if other else asked.image_size,
            asked.fit,
            asked.background,
            asked.skip_unreadable if skip is None else skip,
        )
    except InputError as error:
        if dataset is not None:
            raise
        raise InputError(str(error).replace("--dataset: ", f"{path}: data.dataset: ")) from None
    if scale:
        data = data.changed(image_size=min(data.image_size, scale.image_size))
    return AskedRun(path, folder, file, scale, data, options)

"""`StudyFile`: what people write to have a question answered; `AskedRun`: a run of it.

A study file is the study.toml of a folder in ``studies``. What it runs (in full, scaled down by
`--quick`, on other data) are studies of their own, in folders beside it::

    question = "Does Nesterov's momentum help?"
    command = "budgetnas run studies/nesterov"
    time = { cpu = "20 s with --quick --dataset digits", gpu = "1 h" }
    recipe = { base = "efficient-resnets", epochs = 30 }   # or a recipe's name
    arch = { depths = [4, 4, 3], widths = [64, 128, 256] } # or a preset's name
    seeds = 3

    [[grid]]                                  # one axis; several make a grid
    name = "momentum"
    field = "recipe.optimizer.nesterov"
    values = { plain = false, "Nesterov's" = true }
"""

import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from budgetnas.arch import Budget
from budgetnas.data import DataSource
from budgetnas.errors import InputError
from budgetnas.metric import DEFAULT_METRIC, Metric
from budgetnas.plugins import Plugins
from budgetnas.recipe import Recipe, recipe_from
from budgetnas.space import Axis, Cell, Grid, Seeds
from budgetnas.spec import Maybe, Spec, all_of, overlay, printable, read_toml, shorten
from budgetnas.study._config import About, Selection
from budgetnas.study._network import Network, network_table
from budgetnas.study._place import STUDIES, asks, config_path, data_name, study_folder
from budgetnas.study._tables import AxisFile, Changes, Data, Quick, Time, quick_cells, quick_recipe
from budgetnas.study.options import Drawing, RunOptions, Sampling

MAX_CELLS = 10_000


def _budget(given: object) -> object:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return given
    try:
        whole = isinstance(given, float) and given.is_integer()
        return Budget.from_text(str(int(given) if whole else given))
    except InputError as error:
        raise ValueError(str(error)) from None


Limit = Annotated[Budget, BeforeValidator(_budget)]


class SearchTable(Drawing, Sampling):
    """A search, as `budgetnas search` runs it."""

    @field_validator("space", mode="before")
    @classmethod
    def _is_a_table(cls, space: Any) -> Any:
        if not isinstance(space, dict):
            raise ValueError(f"must be a table of keys, got {shorten(space)}")
        return space


class StudyFile(Spec):
    """A question, and the trainings that answer it."""

    plugins: Plugins = ()
    """Modules and .py files that register what the study uses; before what is registered."""
    question: Annotated[str, Field(min_length=1)]
    """The question that the study answers."""
    command: str
    """The command that runs it in full."""
    time: Time
    """How long that takes."""
    source: Maybe[str] = None
    """Where the question comes from: a paper's figure."""
    claim: Maybe[str] = None
    """The conclusion there."""
    budget: Limit = Budget(limit=5_000_000)
    """The budget that no network exceeds: 5M."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of every random choice."""
    seeds: Seeds = 1
    """With how many seeds each configuration is trained."""
    data: Data = Data()
    """On which images."""
    recipe: str | dict[str, Any] = "short"
    """How: a named recipe, or a table of what differs from its `base`."""
    arch: str | dict[str, Any] = "efficient-resnet"
    """Which network: a preset, or a table of `Network`."""
    metric: Metric = DEFAULT_METRIC
    """The metric of comparisons: `accuracy`, or `balanced`, where classes are unequal."""
    select: Selection = "last"
    """A training counts by its last epoch, or by its best on the validation images."""
    confusion: bool = False
    """Keep which class is taken for which."""
    train: bool = True
    """Whether networks are trained; else they are counted and held against the budget."""
    grid: tuple[AxisFile, ...] = ()
    """The axes of a grid."""
    presets: tuple[str, ...] = ()
    """A list of presets, instead of a grid."""
    search: Maybe[SearchTable] = None
    """A search, instead of either."""
    quick: Quick = Quick()
    """The scale of `--quick`."""

    @field_validator("grid", mode="after")
    @classmethod
    def _of_one_name_each(cls, grid: tuple[AxisFile, ...]) -> tuple[AxisFile, ...]:
        names = [axis.name for axis in grid]
        if len(set(names)) != len(names):
            raise ValueError(f"axes must have different names, got {', '.join(names)}")
        for number, axis in enumerate(grid):
            for before in grid[:number]:
                undone = [a for a in axis.places() for b in before.places() if b[: len(a)] == a]
                if undone:
                    raise ValueError(
                        f"an axis may not undo another: {axis.name!r} sets "
                        f"{'.'.join(undone[0])}, as {before.name!r} before it"
                    )
        return grid

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        given = [name for name in ("grid", "presets", "search") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                "one of grid, presets and search is needed, "
                f"got {' and '.join(given) or 'none of them'}"
            )
        cells = math.prod(len(axis.named()) for axis in self.axes())
        if cells > MAX_CELLS:
            raise ValueError(
                f"a grid may have at most {MAX_CELLS:,} configurations, got {cells:,}"
            )
        if self.search and (self.seeds != 1 or not self.train):
            raise ValueError("a search has one seed, and trains: seeds and train are a grid's")
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a study file, and see that each of its configurations can be.

        Raises:
            InputError: With file and key, and with what is known where a name is not.
        """
        data, source = read_toml(path), printable(path)
        if "question" not in data and "facts" in data:
            raise InputError(f"{source} is of a study that has begun, not a study file")
        file = cls.parse(data, source)
        if file.search:
            quick_recipe(file.base_recipe(source), file.quick, 1, source)
        else:
            file.cells(source, 3, 10, file.quick)
        return file

    def axes(self) -> tuple[AxisFile, ...]:
        """Return the axes of the grid; a list of presets has one, a search none."""
        if self.search:
            return ()
        return self.grid or (AxisFile(name="network", field="arch", values=self.presets),)

    def base_recipe(self, source: str) -> Recipe:
        given = {"base": self.recipe} if isinstance(self.recipe, str) else self.recipe
        return recipe_from(given, f"{source}: recipe")

    def says_batch(self) -> bool:
        """Return whether the file says how large batches are, so that they stay as they are."""
        changes = [
            axis.changes(name, "").get("recipe") for axis in self.axes() for name in axis.named()
        ]
        tables = [table for table in (self.recipe, *changes) if isinstance(table, dict)]
        return any("batch_size" in table for table in tables)

    def grid_axes(self) -> tuple[Axis, ...]:
        return tuple(Axis(name=axis.name, values=tuple(axis.named())) for axis in self.axes())

    def cells(
        self, source: str, in_channels: int, num_classes: int, quick: Quick | None
    ) -> tuple[Cell, ...]:
        """Return the configurations, the last axis changing fastest.

        Args:
            source: Names the file in errors.
            in_channels: Of the images.
            num_classes: Of the data.
            quick: What to make smaller.
        """
        full = self.base_recipe(source)
        network = network_table(self.arch, f"{source}: arch", {})
        cells, problems = [], []
        for values, changes in self._configurations(source):
            where = f"{source}: {', '.join(f'{k} {v!r}' for k, v in values.items())}"
            try:
                table, recipe = network, full.model_dump()
                for change in changes:
                    table = network_table(change.get("arch", {}), f"{where}: arch", table)
                    recipe = _recipe_table(change.get("recipe", {}), f"{where}: recipe", recipe)
                arch = Network.parse(table, f"{where}: arch").arch(in_channels, num_classes)
                how = Recipe.parse(recipe, f"{where}: recipe")
                cells.append(Cell(values=values, arch=arch, recipe=how))
            except InputError as error:
                problems.append(str(error))
        if problems:
            raise InputError(all_of(problems, source))
        found = tuple(cells)
        return quick_cells(found, quick, full.epochs, source) if quick else found

    def _configurations(self, source: str) -> Iterator[tuple[dict[str, str], list[Changes]]]:
        axes = self.axes()
        for names in product(*(axis.named() for axis in axes)):
            values = {axis.name: name for axis, name in zip(axes, names, strict=True)}
            yield (
                values,
                [
                    axis.changes(name, f"{source}: {axis.name} {name!r}")
                    for axis, name in zip(axes, names, strict=True)
                ],
            )


def _recipe_table(given: Any, source: str, base: dict[str, Any]) -> dict[str, Any]:
    table = {"base": given} if isinstance(given, str) else given
    if not isinstance(table, dict):
        raise InputError(f"{source}: must be a recipe's name or a table, got {shorten(given)}")
    return recipe_from(table, source).model_dump() if "base" in table else overlay(base, table)


def find_file(text: str) -> tuple[Path, str]:
    """Find the study file that a user means: its folder, the file itself, or its name in studies.

    Returns:
        The file, and the name of its folder.

    Raises:
        InputError: If there is none in ./studies, with those that there are.
    """
    for path in (Path(text), config_path(Path(text)), config_path(STUDIES / text)):
        name = path.absolute().parent.name
        if path.is_file() and path.name == "study.toml":
            if path.absolute() != config_path(STUDIES / name).absolute():
                rule = f"a study file must be ./{STUDIES}/NAME/study.toml"
                raise InputError(f"{rule}, what it runs is beside it; got {printable(path)}")
            if study_folder(name).name != name:
                raise InputError(f"a study's folder must have a composed name (NFC), got {name!r}")
            return path, name
    files = (path for path in STUDIES.glob("*/study.toml") if asks(path))
    known = ", ".join(sorted(path.parent.name for path in files))
    raise InputError(f"no study file {printable(text)}; in ./{STUDIES}: {known or 'none'}")


MAKE_ANOTHER = ("quick", "dataset", "data_dir", "skip_unreadable", "plugins")
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
        return f"{self.folder}/{'quick-' if self.quick else ''}{data_name(self.data)}"

    @property
    def trials(self) -> int:
        most = self.file.search.trials if self.file.search else 0
        return min(most, self.quick.trials) if self.quick else most

    def grid(self, in_channels: int, num_classes: int) -> Grid:
        file, quick = self.file, self.quick
        return Grid(
            axes=file.grid_axes(),
            cells=file.cells(str(self.path), in_channels, num_classes, quick),
            seeds=min(file.seeds, quick.seeds) if quick else file.seeds,
        )

    def recipe(self) -> Recipe:
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

"""`run_study`: a study file's question, in full or scaled down, on its data or on others."""

import math
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from budgetnas.arch import Budget
from budgetnas.data import DataSource
from budgetnas.errors import InputError
from budgetnas.events import Watcher, nobody
from budgetnas.files import require_writable
from budgetnas.progress import SearchProgress, shows
from budgetnas.recipe import Recipe
from budgetnas.searching.asked_workers import check_workers
from budgetnas.searching.begin import fitted, require_possible
from budgetnas.searching.plan import Plan, Settled
from budgetnas.searching.pruners import PRUNERS
from budgetnas.searching.samplers import SAMPLERS, known
from budgetnas.searching.work import Job, SearchResult, work
from budgetnas.space import PROPOSALS, Grid, Space
from budgetnas.study.config import About, DataFacts, StudyConfig
from budgetnas.study.file import StudyFile, find_file
from budgetnas.study.file_tables import Quick
from budgetnas.study.place import config_path, data_name, study_folder
from budgetnas.study.quick import quick_recipe
from budgetnas.train.device import choose_device


@shows(SearchProgress)
def run_study(
    study: str | Path,
    *,
    quick: bool | Quick = False,
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    skip_unreadable: bool | None = None,
    device: str = "auto",
    timeout: float | None = None,
    workers: int | str = 1,
    watch: Watcher | None = None,
    show_progress: bool = True,
) -> SearchResult:
    """Run a study file, or go on with it where it stopped.

    What comes out is a study of its own in the folder of that name in ./studies:
    ``studies/NAME/quick-digits``, say.

    Args:
        study: The file, its folder, or the folder's name in ./studies.
        quick: Scale it down by what the file says, or by this.
        dataset: Other data than the file's.
        data_dir: Where data sets are kept; for `folder`, the folder of images.
        skip_unreadable: Leave out files of a folder that can't be read; else what the file says.
        device: auto, cpu, cuda or cuda:N.
        timeout: Seconds after which it stops at the next epoch.
        workers: How many trials to train at once, in processes of their own; `auto` measures how
            many are fastest. What more than one draw depends on which trials had ended, so then
            each training can be replayed, but not the order of trials.
        watch: Told what happens, instead of showing it.
        show_progress: Show on stderr how far it is; False to be silent.

    Raises:
        InputError: If the file is not what it should be, or what is asked can't be.
        SearchFailed: After five failed trials in a row of a search.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    watch = watch or nobody
    if timeout is not None and not timeout > 0:
        raise InputError(f"timeout > 0 must hold, got {timeout:g}")
    at_once = check_workers(workers)
    asked = asked_run(study, quick, dataset, data_dir, skip_unreadable)
    if not asked.file.train:
        raise InputError(f"{asked.path}: train = false: its networks are counted, never trained")
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    plan = asked.plan()
    folder = study_folder(plan.name)
    began = StudyConfig.read(folder) if config_path(folder).is_file() else None
    require_writable(folder)
    job = Job(
        plan.name, folder, plan, began, plan.source.data_dir, None, asked.trials, deadline,
        choose_device(device), at_once,
    )  # fmt: skip
    return work(job, watch)


@dataclass(frozen=True)
class AskedRun:
    """A study file, and what is asked of it."""

    path: Path
    folder: str
    """The name of its folder."""
    file: StudyFile
    quick: Quick | None
    data: DataSource
    asked: str
    """What names the file on a command line."""
    options: tuple[str, ...]
    """As they were given."""

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

    def plan(self) -> Plan:
        """What the study shall be."""
        file, quick = self.file, self.quick
        samples = file.data.train_samples
        if quick:
            samples = min(samples or quick.train_samples, quick.train_samples)
        budget = self._budget()
        if file.search:
            where = f"{self.path}: search."
            known("sampler", file.search.sampler, dict(SAMPLERS), where)
            known("pruner", file.search.pruner, dict(PRUNERS), where)
            known("proposal", file.search.proposal, dict(PROPOSALS), where)
            require_possible((budget,), self._space(), self.data)

        def settle(facts: DataFacts) -> Settled:
            recipe = self._recipe()
            proposal = (
                PROPOSALS[file.search.proposal](
                    sampler=file.search.sampler,
                    space=self._space(),
                    presets=file.search.presets,
                )
                if file.search
                else self.grid(facts.channels, len(facts.classes))
            )
            few = None if quick or file.says_batch() else facts.train
            return fitted(recipe, proposal, self.data, facts.channels, few)

        return Plan(
            self.name, self.data, file.seed, samples, at_most=quick is not None, budget=budget,
            pruner=file.search.pruner if file.search else "none", settle=settle,
            metric=file.metric, select=file.select, confusion=file.confusion,
            about=self._about(samples),
        )  # fmt: skip

    def _space(self) -> Space:
        assert self.file.search is not None, "only a search has a space"
        return Space.from_table(self.file.search.space, f"{self.path}: search.space")

    def _recipe(self) -> Recipe:
        """The recipe of a search's trials, and what a grid's configurations change."""
        full = self.file.base_recipe(str(self.path))
        if self.quick is None:
            return full
        return quick_recipe(full, self.quick, full.epochs, str(self.path))

    def _budget(self) -> Budget:
        """The budget; a search that is scaled down has a smaller one."""
        budget = self.file.budget
        if not (self.quick and self.file.search):
            return budget
        return budget.changed(limit=max(1, round(budget.limit * self.quick.width**2)))

    def _about(self, samples: int | None) -> About:
        return About(
            question=self.file.question,
            source=self.file.source,
            claim=self.file.claim,
            command=shlex.join(["budgetnas", "run", self.asked, *self.options]),
            scaled=self._scaled(samples) if self.quick else None,
        )

    def _scaled(self, samples: int | None) -> str:
        """Say what is smaller than the file says."""
        assert self.quick is not None, "in full nothing is smaller"
        file, quick = self.file, self.quick
        full, size = file.base_recipe(str(self.path)), self.data.image_size
        words = [(f"{quick.epochs} epochs instead of {full.epochs}", quick.epochs != full.epochs)]
        if file.search:
            recipes = [self._recipe()]
            words += [
                (f"{self.trials} trained trials instead of {file.search.trials}", True),
                (f"at most {self._budget()} {file.budget.cost} instead of {file.budget}", True),
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


def asked_run(
    study: str | Path,
    quick: bool | Quick,
    dataset: str | None,
    data_dir: str | Path | None,
    skip_unreadable: bool | None = None,
) -> AskedRun:
    """Read a study file, and settle on which data and how large it is to be run."""
    path, folder = find_file(str(study))
    file = StudyFile.read(path)
    scale = file.quick if quick is True else quick or None
    asked = file.data
    other = dataset is not None and dataset != asked.dataset
    size = None if other else asked.image_size
    place = data_dir if other or data_dir is not None else asked.data_dir
    try:
        data = DataSource.choose(
            dataset or asked.dataset,
            place,
            size,
            asked.fit,
            asked.background,
            asked.skip_unreadable if skip_unreadable is None else skip_unreadable,
        )
    except InputError as error:
        if dataset is not None:
            raise
        raise InputError(str(error).replace("--dataset: ", f"{path}: data.dataset: ")) from None
    if scale:
        data = data.changed(image_size=min(data.image_size, scale.image_size))
    options = [
        *(["--quick"] if quick else []),
        *(["--dataset", dataset] if dataset else []),
        *(["--data-dir", str(data_dir)] if data_dir else []),
        *(["--skip-unreadable"] if skip_unreadable else []),
    ]
    return AskedRun(path, folder, file, scale, data, str(study), tuple(options))

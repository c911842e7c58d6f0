"""`run_study`: a study file's question, in full or scaled down, on its data or on others."""

import math
import time
from pathlib import Path

from budgetnas.errors import InputError
from budgetnas.events import Watcher, nobody
from budgetnas.files import require_writable
from budgetnas.progress import SearchProgress, shows
from budgetnas.searching.asked_workers import check_workers
from budgetnas.searching.begin import fitted, require_possible
from budgetnas.searching.plan import Plan, Settled
from budgetnas.searching.pruners import PRUNERS
from budgetnas.searching.samplers import SAMPLERS, known
from budgetnas.searching.work import Job, SearchResult, work
from budgetnas.space import PROPOSALS
from budgetnas.study.asked_run import AskedRun, asked_run
from budgetnas.study.config import DataFacts, StudyConfig
from budgetnas.study.file_tables import Quick
from budgetnas.study.place import config_path, study_folder
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
    plan = plan_of(asked)
    folder = study_folder(plan.name)
    began = StudyConfig.read(folder) if config_path(folder).is_file() else None
    require_writable(folder)
    job = Job(
        plan.name, folder, plan, began, plan.source.data_dir, None, asked.trials, deadline,
        choose_device(device), at_once,
    )  # fmt: skip
    return work(job, watch)


def plan_of(asked: AskedRun) -> Plan:
    """Return what the study that a study file makes shall be."""
    file, quick = asked.file, asked.quick
    samples = file.data.train_samples
    if quick:
        samples = min(samples or quick.train_samples, quick.train_samples)
    budget = asked.budget()
    if file.search:
        where = f"{asked.path}: search."
        known("sampler", file.search.sampler, dict(SAMPLERS), where)
        known("pruner", file.search.pruner, dict(PRUNERS), where)
        known("proposal", file.search.proposal, dict(PROPOSALS), where)
        require_possible((budget,), asked.space(), asked.data)

    def settle(facts: DataFacts) -> Settled:
        recipe = asked.recipe()
        proposal = (
            PROPOSALS[file.search.proposal](
                sampler=file.search.sampler,
                space=asked.space(),
                presets=file.search.presets,
            )
            if file.search
            else asked.grid(facts.channels, len(facts.classes))
        )
        few = None if quick or file.says_batch() else facts.train
        return fitted(recipe, proposal, asked.data, facts.channels, few)

    return Plan(
        asked.name, asked.data, file.seed, samples, at_most=quick is not None, budget=budget,
        pruner=file.search.pruner if file.search else "none", settle=settle,
        metric=file.metric, select=file.select, confusion=file.confusion,
        about=asked.about(samples),
    )  # fmt: skip

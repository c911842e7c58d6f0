"""`search`: from what a user asks to a study with N trained trials."""

from pathlib import Path

from budgetnas.errors import InputError
from budgetnas.events import Watcher
from budgetnas.files import require_writable
from budgetnas.progress import SearchProgress, verb
from budgetnas.searching.begin import require_possible
from budgetnas.searching.plan import Plan, Settled
from budgetnas.searching.work import Job, SearchResult, work
from budgetnas.study import (
    DataFacts,
    StudyConfig,
    budget_needed,
    config_path,
    require_same,
    require_same_search,
    study_folder,
    study_name,
)
from budgetnas.study.begun import storage_url
from budgetnas.study.options import SearchOptions
from budgetnas.study.storage import check_storage, default_url, redacted, require_file
from budgetnas.train import choose_device


@verb(SearchOptions, SearchProgress)
def search(options: SearchOptions, watch: Watcher) -> SearchResult:
    """Run or resume a study until it has so many trained trials.

    The study is begun on the first call; later calls continue it, and may leave out everything
    but its name. No architecture over the budget is trained, and no test image is seen.

    Raises:
        InputError: If what is asked can't be.
        SearchFailed: After five failed trials in a row.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    folder = study_folder(options.name())
    name = study_name(folder)
    began = StudyConfig.read(folder) if config_path(folder).is_file() else None
    storage = options.storage
    if began:
        require_same_search(began, options)
        storage = _same_storage(began, folder, storage)
        require_file(name, storage)
    plan = None if began else _plan(options, name)
    require_writable(folder)
    deadline = options.deadline()
    where = choose_device(options.device)
    if storage is not None:
        check_storage(storage)  # what is wrong with it should be said before images are read
    job = Job(
        name, folder, plan, began, options.data_dir, storage, options.trials, deadline, where,
        options.workers,
    )  # fmt: skip
    return work(job, watch)


def _plan(options: SearchOptions, name: str) -> Plan:
    """Plan a new study."""
    if "/" in name:
        raise InputError(f"a search's name has no '/', which a study file's runs have: {name!r}")
    if options.budget is None:
        raise budget_needed(name)
    source = options.source()

    def settle(facts: DataFacts) -> Settled:
        recipe, notices = options.fitted_recipe(source, facts.channels, facts.train)
        return Settled(recipe, options.proposed(), notices)

    plan = Plan(
        name, source, options.seed or 0, options.train_samples, at_most=False,
        budget=options.budget, pruner=options.pruner, settle=settle, limits=options.limits,
        smaller=options.smaller, metric=options.metric, plugins=options.plugins,
    )  # fmt: skip
    require_possible(plan.all_limits, options.space, source)
    return plan


def _same_storage(began: StudyConfig, folder: Path, storage: str | None) -> str:
    """Return the URL to continue with; a search must not move to another storage unnoticed."""
    if storage is not None:
        stored = began.storage or default_url(folder)
        require_same(f"study {began.name!r}", {"--storage": (stored, redacted(storage))})
    return storage_url(began, folder, storage)

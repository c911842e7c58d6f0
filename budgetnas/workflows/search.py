"""`search`: a study until it has N trained trials."""

from pathlib import Path

from budgetnas._version import __version__
from budgetnas.errors import InputError
from budgetnas.events import Watcher
from budgetnas.files import require_writable
from budgetnas.progress import SearchProgress, verb
from budgetnas.recipe import Numerics
from budgetnas.study import (
    StudyConfig,
    budget_needed,
    require_same,
    require_same_search,
    study_folder,
    study_name,
)
from budgetnas.study.begun import storage_url
from budgetnas.study.options import SearchOptions
from budgetnas.study.storage import check_storage, default_url, redacted, require_file
from budgetnas.train import choose_device
from budgetnas.workflows.begin import StudyImages, read_again, read_images, require_possible
from budgetnas.workflows.work import SearchResult, work


@verb(SearchOptions, SearchProgress)
def search(options: SearchOptions, watch: Watcher) -> SearchResult:
    """Run or resume a study until it has N trained trials.

    The study begins with the first call; later calls continue it, and may leave out everything
    but its name. No architecture over the budget is trained, and no test image is seen.

    Raises:
        InputError: If the options are not possible.
        SearchFailed: After five failed trials in a row.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    folder = study_folder(options.name())
    name = study_name(folder)
    began = StudyConfig.begun(folder)
    storage = options.storage
    if began:
        require_same_search(began, options)
        storage = _same_storage(began, folder, storage)
        require_file(name, storage)
    else:
        _require_new(options, name)
    require_writable(folder)
    choose_device(options.device)  # its errors, and those of the storage, come before images
    deadline = options.deadline()
    if storage is not None:
        check_storage(storage)
    adapted = list[str]()
    if began:
        images = read_again(began, options.data_dir, watch)
        config = began.changed(data=images.source)
    else:
        images = read_images(options.source(), options.seed or 0, options.train_samples, watch)
        config, adapted = _begin(options, name, images)
    return work(
        config, images, options, watch,
        began=began, url=storage, trials=options.trials, deadline=deadline, adapted=adapted,
    )  # fmt: skip


def _require_new(options: SearchOptions, name: str) -> None:
    """Raise, before images are read, where no study can begin."""
    if "/" in name:
        raise InputError(f"a search's name has no '/', which a study file's runs have: {name!r}")
    if options.budget is None:
        raise budget_needed(name)
    least = options.smaller[-1] if options.smaller else options.budget
    require_possible((least, *options.limits), options.space, options.source())


def _begin(
    options: SearchOptions, name: str, images: StudyImages
) -> tuple[StudyConfig, list[str]]:
    """Define a new study; return what its recipe had to give up, too."""
    facts = images.facts
    recipe, adapted = options.fitted_recipe(images.source, facts.channels, facts.train)
    config = StudyConfig.of(
        options, name=name, version=__version__, seed=options.seed or 0,
        storage=redacted(options.storage) if options.storage else None,
        smaller=options.smaller, limits=options.limits, data=images.source, facts=facts,
        numerics=Numerics(), recipe=recipe, proposal=options.proposed(),
    )  # fmt: skip
    return config, adapted


def _same_storage(began: StudyConfig, folder: Path, storage: str | None) -> str:
    """Return the URL to continue with; a search must not move to another storage unnoticed."""
    if storage is not None:
        stored = began.storage or default_url(folder)
        require_same(f"study {began.name!r}", {"--storage": (stored, redacted(storage))})
    return storage_url(began, folder, storage)

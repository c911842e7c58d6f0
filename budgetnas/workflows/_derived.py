"""Training more networks for a study that has begun, as a study in a folder of its own."""

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from budgetnas._version import __version__
from budgetnas.errors import InputError
from budgetnas.events import Watcher
from budgetnas.files import require_writable
from budgetnas.recipe import Recipe
from budgetnas.space import Grid
from budgetnas.study import StudyConfig, study_folder
from budgetnas.study.begun import BegunStudy, find_begun, storage_url
from budgetnas.study.options import Drawn, Training
from budgetnas.study.storage import redacted
from budgetnas.train import choose_device
from budgetnas.workflows.begin import read_again
from budgetnas.workflows.options import ComparingOptions
from budgetnas.workflows.work import SearchResult, work


def derived_name(base: BegunStudy, variant: str) -> str:
    """Return the name of a study in the folder of another: `digits-100k/finalists`."""
    if "/" in base.name:
        raise InputError(
            f"{base.name!r} is a sub-study; run this command on {base.name.partition('/')[0]!r}"
        )
    return f"{base.name}/{variant}"


def recipe_for(
    options: Training, config: StudyConfig, drawn: Drawn | None = None
) -> tuple[Recipe, list[str]]:
    """Fit a recipe to a study's images, with what one of its trials drew; with notices."""
    facts = config.facts
    return options.fitted_recipe(config.data, facts.channels, facts.train, drawn)


def train_derived(
    base: BegunStudy,
    variant: str,
    options: ComparingOptions,
    watch: Watcher,
    *,
    trials: int = 0,
    deadline: float | None = None,
    adapted: Sequence[str] = (),
    **fields: Any,
) -> SearchResult:
    """Begin a study on the images, split, seed and limits of another, or continue it.

    A grid's trainings are never stopped early, and count by their last epoch.

    Args:
        base: The other study.
        variant: The name of the study's folder, in the other's.
        options: Where the images are, on which device, with how many workers, and how long.
        watch: Receives events.
        trials: Number of trained trials; a grid has its own.
        deadline: On the monotonic clock; that of the options by default.
        adapted: What recipes had to give up for the images.
        fields: What of its `StudyConfig` differs from the other's.

    Raises:
        InputError: If it has begun otherwise, or can't be trained.
        SearchFailed: After five failed trials in a row of a search.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    if isinstance(fields["proposal"], Grid):
        fields = {"pruner": "none", "select": "last", **fields}
    name = derived_name(base, variant)
    folder = study_folder(name)
    began = StudyConfig.begun(folder)
    require_writable(folder)
    stored = base.config.storage
    url = storage_url(base.config, base.folder, options.storage) if stored else None
    choose_device(options.device)  # its errors come before images
    deadline = options.deadline() if deadline is None else deadline
    images = read_again(began or base.config, options.data_dir, watch)
    config = base.config.changed(
        name=name, version=__version__, smaller=(), confusion=False, data=images.source,
        storage=redacted(url) if url else None, **fields,
    )  # fmt: skip
    return work(
        config, images, options, watch,
        began=began, url=url, trials=trials, deadline=deadline, adapted=adapted,
    )  # fmt: skip


def derived_trials(
    base: BegunStudy, variant: str, storage: str | None
) -> tuple[StudyConfig, Sequence[FrozenTrial]]:
    """Read a study in the folder of another: its definition, and its trials by number."""
    found = find_begun(derived_name(base, variant))
    return found.config, found.trials(storage if base.config.storage else None)

"""`run_study`: a study file's question, in full or scaled down, on its data or on others."""

from budgetnas._version import __version__
from budgetnas.errors import InputError
from budgetnas.events import Watcher
from budgetnas.files import require_writable
from budgetnas.progress import SearchProgress, verb
from budgetnas.recipe import Numerics
from budgetnas.study import AskedRun, StudyConfig, asked_run, study_folder
from budgetnas.study.options import RunOptions
from budgetnas.train import choose_device
from budgetnas.workflows.begin import (
    StudyImages,
    fitted,
    read_again,
    read_images,
    require_possible,
)
from budgetnas.workflows.work import SearchResult, work


@verb(RunOptions, SearchProgress)
def run_study(options: RunOptions, watch: Watcher) -> SearchResult:
    """Run a study file, or continue where it stopped.

    The result is a study of its own in the folder of that name in ./studies:
    ``studies/NAME/quick-digits``, say.

    Raises:
        InputError: If the file is not valid, or the options are not possible.
        SearchFailed: After five failed trials in a row of a search.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    asked = asked_run(options)
    if not asked.file.train:
        raise InputError(f"{asked.path}: train = false: its networks are counted, never trained")
    choose_device(options.device)  # its errors come before images
    deadline = options.deadline()
    if asked.file.search:
        require_possible((asked.budget(),), asked.file.search.space, asked.data)
    folder = study_folder(asked.name)
    began = StudyConfig.begun(folder)
    require_writable(folder)
    images = _images(asked, began, watch)
    config, adapted = _defined(asked, images)
    return work(
        config, images, options, watch,
        began=began, url=None, trials=asked.trials, deadline=deadline, adapted=adapted,
    )  # fmt: skip


def _images(asked: AskedRun, began: StudyConfig | None, watch: Watcher) -> StudyImages:
    at_most = asked.quick is not None
    if began:
        return read_again(began, asked.data.data_dir, watch, at_most=at_most)
    return read_images(asked.data, asked.file.seed, _samples(asked), watch, at_most=at_most)


def _samples(asked: AskedRun) -> int | None:
    given, quick = asked.file.data.train_samples, asked.quick
    return min(given or quick.train_samples, quick.train_samples) if quick else given


def _defined(asked: AskedRun, images: StudyImages) -> tuple[StudyConfig, list[str]]:
    """Define the study that a study file makes; return what recipes had to give up, too."""
    file, facts = asked.file, images.facts
    proposal = (
        file.search.proposed() if file.search else asked.grid(facts.channels, len(facts.classes))
    )
    batch_for = None if asked.quick or file.says_batch() else facts.train
    recipe, proposal, adapted = fitted(
        asked.recipe(), proposal, asked.data, facts.channels, batch_for
    )
    config = StudyConfig.of(
        file, pruner=file.search.pruner if file.search else "none",
        name=asked.name, version=__version__, train_samples=images.train_samples,
        about=asked.about(_samples(asked)), plugins=(*file.plugins, *asked.asked.plugins),
        budget=asked.budget(), data=images.source,
        facts=facts, numerics=Numerics(), recipe=recipe, proposal=proposal,
    )  # fmt: skip
    return config, adapted

"""`run_study`: a study file's question, in full or scaled down, on its data or on others."""

from budgetnas.errors import InputError
from budgetnas.events import Watcher
from budgetnas.files import require_writable
from budgetnas.progress import SearchProgress, verb
from budgetnas.searching.begin import fitted, require_possible
from budgetnas.searching.plan import Plan, Settled
from budgetnas.searching.work import Job, SearchResult, work
from budgetnas.study import AskedRun, DataFacts, StudyConfig, asked_run, config_path, study_folder
from budgetnas.study.options import RunOptions
from budgetnas.train import choose_device


@verb(RunOptions, SearchProgress)
def run_study(options: RunOptions, watch: Watcher) -> SearchResult:
    """Run a study file, or go on with it where it stopped.

    What comes out is a study of its own in the folder of that name in ./studies:
    ``studies/NAME/quick-digits``, say.

    Raises:
        InputError: If the file is not what it should be, or what is asked can't be.
        SearchFailed: After five failed trials in a row of a search.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    asked = asked_run(options)
    if not asked.file.train:
        raise InputError(f"{asked.path}: train = false: its networks are counted, never trained")
    deadline = options.deadline()
    plan = plan_of(asked)
    folder = study_folder(plan.name)
    began = StudyConfig.read(folder) if config_path(folder).is_file() else None
    require_writable(folder)
    job = Job(
        plan.name, folder, plan, began, plan.source.data_dir, None, asked.trials, deadline,
        choose_device(options.device), options.workers,
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
        require_possible((budget,), file.search.space, asked.data)

    def settle(facts: DataFacts) -> Settled:
        recipe = asked.recipe()
        proposal = (
            file.search.proposed()
            if file.search
            else asked.grid(facts.channels, len(facts.classes))
        )
        few = None if quick or file.says_batch() else facts.train
        return fitted(recipe, proposal, asked.data, facts.channels, few)

    return Plan(
        asked.name, asked.data, file.seed, samples, at_most=quick is not None, budget=budget,
        pruner=file.search.pruner if file.search else "none", settle=settle,
        metric=file.metric, select=file.select, confusion=file.confusion,
        about=asked.about(samples), plugins=(*file.plugins, *asked.asked.plugins),
    )  # fmt: skip

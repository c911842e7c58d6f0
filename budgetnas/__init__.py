"""budgetnas: neural architecture search under a parameter budget.

The public names below are all there is. They load on first use, so that ``import budgetnas`` and
counting cost nothing, and the program can arrange for interruptions before it begins.
"""

from importlib import import_module

from budgetnas._version import __version__ as __version__

TYPE_CHECKING = False  # as `typing` would say, which takes long to import
if TYPE_CHECKING:
    from typing import Any

    from budgetnas._study import Study as Study
    from budgetnas.analysis import Best as Best
    from budgetnas.analysis import FrontStep as FrontStep
    from budgetnas.arch import BLOCKS as BLOCKS
    from budgetnas.arch import COSTS as COSTS
    from budgetnas.arch import PRESETS as PRESETS
    from budgetnas.arch import SE as SE
    from budgetnas.arch import Arch as Arch
    from budgetnas.arch import Budget as Budget
    from budgetnas.arch import Stage as Stage
    from budgetnas.arch import count_macs as count_macs
    from budgetnas.arch import count_params as count_params
    from budgetnas.arch import layer_table as layer_table
    from budgetnas.arch import register_block as register_block
    from budgetnas.data.load import ImageData as ImageData
    from budgetnas.errors import BudgetnasError as BudgetnasError
    from budgetnas.errors import Diverged as Diverged
    from budgetnas.errors import InputError as InputError
    from budgetnas.errors import OutOfMemory as OutOfMemory
    from budgetnas.errors import RunStopped as RunStopped
    from budgetnas.errors import SearchFailed as SearchFailed
    from budgetnas.errors import TrialFailed as TrialFailed
    from budgetnas.events import EpochEnded as EpochEnded
    from budgetnas.events import Estimated as Estimated
    from budgetnas.events import Event as Event
    from budgetnas.events import Loading as Loading
    from budgetnas.events import Notice as Notice
    from budgetnas.events import RunEpochEnded as RunEpochEnded
    from budgetnas.events import RunStarted as RunStarted
    from budgetnas.events import SearchStarted as SearchStarted
    from budgetnas.events import TestOpened as TestOpened
    from budgetnas.events import TrialEnded as TrialEnded
    from budgetnas.metric import register_objective as register_objective
    from budgetnas.model import build_model as build_model
    from budgetnas.recipe import RECIPES as RECIPES
    from budgetnas.recipe import Recipe as Recipe
    from budgetnas.report import write_report as write_report
    from budgetnas.runs import RunResult as RunResult
    from budgetnas.runs import load_run as load_run
    from budgetnas.space import Space as Space
    from budgetnas.study import Comparison as Comparison
    from budgetnas.study import Fidelity as Fidelity
    from budgetnas.workflows.compare import compare as compare
    from budgetnas.workflows.fidelity import fidelity as fidelity
    from budgetnas.workflows.finalists import Finalists as Finalists
    from budgetnas.workflows.finalists import finalists as finalists
    from budgetnas.workflows.plan import Outlook as Outlook
    from budgetnas.workflows.plan import plan as plan
    from budgetnas.workflows.retrain import SeedsResult as SeedsResult
    from budgetnas.workflows.retrain import retrain as retrain
    from budgetnas.workflows.retrain import retrain_seeds as retrain_seeds
    from budgetnas.workflows.run import run_study as run_study
    from budgetnas.workflows.search import search as search
    from budgetnas.workflows.work import SearchResult as SearchResult

# add yours here, and above for type checkers: which module holds which names
_HELD_BY = {
    "budgetnas._study": "Study",
    "budgetnas.analysis": "Best FrontStep",
    "budgetnas.arch": (
        "Arch BLOCKS Budget COSTS PRESETS SE Stage count_macs count_params layer_table "
        "register_block"
    ),
    "budgetnas.data.load": "ImageData",
    "budgetnas.errors": (
        "BudgetnasError Diverged InputError OutOfMemory RunStopped SearchFailed TrialFailed"
    ),
    "budgetnas.events": (
        "EpochEnded Estimated Event Loading Notice "
        "RunEpochEnded RunStarted SearchStarted TestOpened TrialEnded"
    ),
    "budgetnas.metric": "register_objective",
    "budgetnas.model": "build_model",
    "budgetnas.recipe": "RECIPES Recipe",
    "budgetnas.report": "write_report",
    "budgetnas.runs": "RunResult load_run",
    "budgetnas.space": "Space",
    "budgetnas.study": "Comparison Fidelity",
    "budgetnas.workflows.compare": "compare",
    "budgetnas.workflows.fidelity": "fidelity",
    "budgetnas.workflows.finalists": "Finalists finalists",
    "budgetnas.workflows.plan": "Outlook plan",
    "budgetnas.workflows.retrain": "SeedsResult retrain retrain_seeds",
    "budgetnas.workflows.run": "run_study",
    "budgetnas.workflows.search": "search",
    "budgetnas.workflows.work": "SearchResult",
}
_HOMES = {name: home for home, names in _HELD_BY.items() for name in names.split()}

__all__ = sorted(_HOMES)


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module 'budgetnas' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

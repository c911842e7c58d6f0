"""budgetnas: neural architecture search under a parameter budget.

The public names below are all there is. They load on first use, so that ``import budgetnas`` and
counting cost nothing, and the program can arrange for interruptions before it begins.
"""

from importlib import import_module

from budgetnas._version import __version__ as __version__

TYPE_CHECKING = False  # as `typing` would say, which takes long to import
if TYPE_CHECKING:
    from typing import Any

    from budgetnas.arch import Arch, Budget, count_macs, count_params
    from budgetnas.model import build_model
    from budgetnas.recipe import Recipe
    from budgetnas.retraining.retrain import retrain
    from budgetnas.retraining.run import load_run
    from budgetnas.searching.search import search
    from budgetnas.space import Space

__all__ = [
    "Arch",
    "Budget",
    "Recipe",
    "Space",
    "build_model",
    "count_macs",
    "count_params",
    "load_run",
    "retrain",
    "search",
]

_HOMES = {
    "Arch": "budgetnas.arch",
    "Budget": "budgetnas.arch",
    "Recipe": "budgetnas.recipe",
    "Space": "budgetnas.space",
    "build_model": "budgetnas.model",
    "count_macs": "budgetnas.arch",
    "count_params": "budgetnas.arch",
    "load_run": "budgetnas.retraining.run",
    "retrain": "budgetnas.retraining.retrain",
    "search": "budgetnas.searching.search",
}


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module 'budgetnas' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

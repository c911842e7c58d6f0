"""A small search on digits, and what it leaves in its storage."""

import math
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from budgetnas.space import Space
from budgetnas.study.storage import existing_study
from budgetnas.trials import _loop as loop
from budgetnas.workflows.search import search
from budgetnas.workflows.work import SearchResult

SMALL = Space.parse(
    {"arch": {"stages": [1, 2], "width": {"low": 4, "high": 32, "step": 4}, "depth": [1, 2]}}, "t"
)


FREE = {"proposal": "free", "presets": False, "sampler": "tpe", "pruner": "median"}
"""Draws that may be over the budget, and a sampler that learns: not the defaults."""


def run(trials: int = 3, **options: Any) -> SearchResult:
    given: dict[str, Any] = {"dataset": "digits", "epochs": 2, "space": SMALL, **options}
    return search(given.pop("budget", "12k"), trials=trials, **given)


def trials_in(name: str, url: str | None = None) -> list[optuna.trial.FrozenTrial]:
    with existing_study(name, url or f"sqlite:///studies/{name}/study.db") as study:
        return study.trials


def trials_of(result: SearchResult) -> list[optuna.trial.FrozenTrial]:
    return trials_in(result.study, result.storage)


def replay(result: SearchResult) -> list[tuple[Any, ...]]:
    """Everything about the trials that depends on the seed."""
    return [
        (t.number, t.state, t.params, t.value, t.intermediate_values) for t in trials_of(result)
    ]


def end_time(patched: pytest.MonkeyPatch) -> None:
    """Let a search's timeout be over from now on, however fast this machine is."""
    patched.setattr(loop, "time", SimpleNamespace(monotonic=lambda: math.inf))

"""A search on digits whose trials are two that learn and two that can't, and their race."""

from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from budgetnas.space import Space
from budgetnas.workflows.finalists import Finalists, finalists
from tests.trials.small import FREE, run, trials_in

NAME = "digits-12k"
RACE = f"{NAME}/finalists"
FOLDER = Path("studies") / NAME / "finalists"
SPACE = Space.parse(
    {
        "arch": {"stages": 1, "width": [8, 12, 16], "depth": 1, "block": "basic", "se": "none",
                 "shortcut_kernel": 1},
        "recipe": {"lr": [0.1, 1e-6], "batch_size": 16},
    }, "test",
)  # fmt: skip


def search() -> str:
    """Of four trials, the first and the third have a learning rate that learns."""
    result = run(
        trials=4,
        epochs=1,
        space=SPACE,
        train_samples=400,
        **{**FREE, "sampler": "random", "pruner": "none"},
    )
    return result.study


def race(**options: Any) -> Finalists:
    return finalists(**{"top": 4, "epochs": 2, "recipe": "short", **options})


def measured(name: str = RACE, url: str | None = None) -> list[tuple[Any, ...]]:
    """Everything about the trials but how long they took."""
    return [
        (t.number, t.state, t.params, t.value, t.intermediate_values,
         {key: value for key, value in t.user_attrs.items() if key != "seconds"})
        for t in trials_in(name, url)
    ]  # fmt: skip


def raced() -> list[FrozenTrial]:
    return trials_in(RACE)

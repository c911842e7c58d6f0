"""The trials of a study as tables: a row a trial, and a row an epoch."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from budgetnas.analysis._race import ELIMINATED
from budgetnas.arch import Arch
from budgetnas.space.grid import SEED, Grid
from budgetnas.study.config import StudyConfig
from budgetnas.study.measurements import CORRECT, CURVES
from budgetnas.study.metric import attribute_of
from budgetnas.study.trials import Kind, kind_of

COSTS = (
    "params", "macs", "val_accuracy", "val_balanced_accuracy", "val_loss", "epochs", "seconds",
    "selected_epoch",
)  # fmt: skip
"""Attributes of a trial that are numbers, and columns under the same names."""
NETWORK = "network"
"""The axis of a grid that chooses the network."""
LAST = ("stopped_early", "out_after", "failure", "arch", CORRECT)
"""The last columns."""


def axis_column(name: str) -> str:
    """Name the column of an axis, which may be called `epochs` or `params`, too."""
    return f"axis: {name}"


def axis_names(config: StudyConfig) -> tuple[str, ...]:
    """Name what configurations differ in; nothing in a search."""
    grid = config.proposal
    return tuple(axis.name for axis in grid.axes) if isinstance(grid, Grid) else ()


def cell_labels(grid: Grid) -> list[str]:
    """Name the configurations of a grid, in its order: `momentum 0.9, batch size 32`.

    Where nothing but the network differs, its name says enough.
    """
    if [axis.name for axis in grid.axes] == [NETWORK]:
        return [cell.values[NETWORK] for cell in grid.cells]
    return [str(cell) for cell in grid.cells]


def trial_table(config: StudyConfig, trials: Iterable[FrozenTrial]) -> pd.DataFrame:
    """List the trials of a study.

    Of a grid, a duplicate (the same network, recipe and seed under another name) has what its twin
    measured; it was not trained again.

    Returns:
        A row a trial: `number`; `kind`; `cell`, which tells configurations apart (the place in
        the grid; in a search the trial's own number); `configuration`, its name; a column an axis
        of a grid; `seed`, counted from 0; `measured`, the number of the trial that was trained for
        it, its own or its twin's; `params` and `macs`; `val_accuracy` and
        `val_balanced_accuracy` in [0, 1]; `val_loss`; `epochs`; `seconds`; `selected_epoch`;
        `stopped_early`; `out_after`, the rounds of a race after which it was not to be trained;
        `failure`; `arch` (JSON); `right`, which validation images were correct (see
        `budgetnas.study.measurements`). What a trial has not got is missing.
    """
    found = _Found(config, trials)
    rows = [
        {
            "number": trial.number,
            "kind": str(kind_of(trial)),
            **found.configuration(trial),
            "measured": found.measured(trial).number,
            **{name: found.measured(trial).user_attrs.get(name) for name in COSTS},
            "stopped_early": _is_stopped(trial),
            "out_after": trial.user_attrs.get(ELIMINATED, {}).get("after"),
            "failure": trial.user_attrs.get("failure"),
            "arch": trial.user_attrs.get("arch"),
            CORRECT: found.measured(trial).user_attrs.get(CORRECT),
        }
        for trial in found.trials
    ]
    axes = [axis_column(name) for name in axis_names(config)]
    columns = ["number", "kind", "cell", "configuration", *axes, "seed", "measured", *COSTS]
    table = pd.DataFrame(rows, columns=[*columns, *LAST])
    for name in (*COSTS, "out_after"):
        table[name] = pd.to_numeric(table[name])
    return table


def _is_stopped(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.PRUNED and kind_of(trial) is Kind.TRAINED


class _Found:
    """The trials of a study, and whatever is looked up for each, found once."""

    def __init__(self, config: StudyConfig, trials: Iterable[FrozenTrial]) -> None:
        self.trials = list(trials)
        self._numbered = {trial.number: trial for trial in self.trials}
        self._grid = config.proposal if isinstance(config.proposal, Grid) else None
        cells = self._grid.cells if self._grid else ()
        self._places = {frozenset(cell.values.items()): at for at, cell in enumerate(cells)}
        self._labels = cell_labels(self._grid) if self._grid else []

    def measured(self, trial: FrozenTrial) -> FrozenTrial:
        """Return what was trained for a trial: itself, but of a duplicate in a grid its twin."""
        twin = trial.user_attrs.get("duplicate_of") if self._grid else None
        return self._numbered.get(trial.number if twin is None else twin, trial)

    def configuration(self, trial: FrozenTrial) -> dict[str, Any]:
        """Say which one a trial has: `cell`, `configuration`, `seed` and the axes."""
        if self._grid is None:
            return {"cell": trial.number, "configuration": _drawn(trial), "seed": 0}
        cell, seed = self._place(self._grid, trial)
        values = self._grid.cells[cell].values
        return {
            "cell": cell,
            "configuration": self._labels[cell],
            "seed": seed,
            **{axis_column(name): value for name, value in values.items()},
        }

    def _place(self, grid: Grid, trial: FrozenTrial) -> tuple[int, int]:
        """Find a trial's place in the grid, by number where it has not drawn it yet, and seed."""
        values = frozenset((name, v) for name, v in trial.params.items() if name != SEED)
        if values in self._places and SEED in trial.params:
            return self._places[values], int(trial.params[SEED])
        seed, place = divmod(trial.number, len(grid.cells))
        return place, seed


def _drawn(trial: FrozenTrial) -> str:
    """Name what a search has drawn: the network, and the fields of the recipe if there are any."""
    if "arch" not in trial.user_attrs:
        return f"trial {trial.number}"
    fields = json.loads(trial.user_attrs.get("recipe", "{}"))
    words = [
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in fields.items()
    ]
    return ", ".join([str(Arch.from_json(trial.user_attrs["arch"])), *words])


def curve_table(config: StudyConfig, trials: Iterable[FrozenTrial]) -> pd.DataFrame:
    """List every epoch of every trained trial, and of each duplicate in a grid those of its twin.

    Of a trial without curves only the study's metric is known, which it has reported.

    Returns:
        A row an epoch: `cell`, `configuration`, `seed`, `trial`, `epoch` (from 1), `lr`,
        `train_loss`, `train_accuracy` (on augmented images, in [0, 1]), `val_loss`,
        `val_accuracy`, `val_balanced_accuracy`.
    """
    found = _Found(config, trials)
    rows = [
        {**known, "trial": trial.number, "epoch": number, **epoch}
        for trial in found.trials
        if kind_of(measured := found.measured(trial)) is Kind.TRAINED
        for known in [found.configuration(trial)]
        for number, epoch in _epochs(measured, attribute_of(config.metric))
    ]
    columns = ["cell", "configuration", "seed", "trial", "epoch", *CURVES]
    table = pd.DataFrame(rows, columns=columns)
    for name in CURVES:
        table[name] = pd.to_numeric(table[name])
    return table


def _epochs(trial: FrozenTrial, reported_as: str) -> list[tuple[int, dict[str, float]]]:
    curves: dict[str, Sequence[float]] | None = trial.user_attrs.get("curves")
    if not curves:
        reported = sorted(trial.intermediate_values.items())
        return [(number, {reported_as: value}) for number, value in reported]
    lists = [curves[name] for name in CURVES]
    return [
        (number, dict(zip(CURVES, values, strict=True)))
        for number, values in enumerate(zip(*lists, strict=True), start=1)
    ]

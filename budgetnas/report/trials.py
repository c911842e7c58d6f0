"""The trials of a study as tables: a row a trial, and a row an epoch."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from budgetnas.arch import Arch
from budgetnas.space.grid import SEED, Grid
from budgetnas.study.config import StudyConfig
from budgetnas.study.trials import Kind, kind_of

COSTS = ("params", "macs", "val_accuracy", "val_loss", "epochs", "seconds", "selected_epoch")
"""Attributes of a trial that are numbers, and columns under the same names."""

CURVES = ("lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy")
"""What is known of every epoch."""


def axis_column(name: str) -> str:
    """Name the column of an axis, which may be called `epochs` or `params`, too."""
    return f"axis: {name}"


def axis_names(config: StudyConfig) -> tuple[str, ...]:
    """Name what configurations differ in; nothing in a search."""
    grid = config.proposal
    return tuple(axis.name for axis in grid.axes) if isinstance(grid, Grid) else ()


def cell_labels(grid: Grid) -> list[str]:
    """Name the configurations of a grid, in its order, by their values on the axes."""
    names = [axis.name for axis in grid.axes]
    if len(names) == 1:
        return [cell.values[names[0]] for cell in grid.cells]
    return [", ".join(f"{name} {cell.values[name]}" for name in names) for cell in grid.cells]


def trial_table(config: StudyConfig, trials: Iterable[FrozenTrial]) -> pd.DataFrame:
    """List the trials of a study.

    Of a grid, a duplicate (the same network, recipe and seed under another name) has what its twin
    measured; it was not trained again.

    Returns:
        A row a trial: `number`; `kind`; `cell`, which tells configurations apart (the place in
        the grid; in a search the trial's own number); `configuration`, its name; a column an axis
        of a grid; `seed`, counted from 0; `params` and `macs`; `val_accuracy` in [0, 1];
        `val_loss`; `epochs`; `seconds`; `selected_epoch`; `stopped_early`; `failure`; `arch`
        (JSON). What a trial has not got is missing.
    """
    listed = list(trials)
    rows = [
        {
            "number": trial.number,
            "kind": str(kind_of(trial)),
            **_configuration(config, trial),
            **{name: _twin(config, trial, listed).user_attrs.get(name) for name in COSTS},
            "stopped_early": _is_stopped(trial),
            "failure": trial.user_attrs.get("failure"),
            "arch": trial.user_attrs.get("arch"),
        }
        for trial in listed
    ]
    axes = [axis_column(name) for name in axis_names(config)]
    columns = ["number", "kind", "cell", "configuration", *axes, "seed", *COSTS]
    table = pd.DataFrame(rows, columns=[*columns, "stopped_early", "failure", "arch"])
    for name in COSTS:
        table[name] = pd.to_numeric(table[name])
    return table


def _twin(config: StudyConfig, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> FrozenTrial:
    """Return the trial that was trained for this one: itself, but for a duplicate in a grid."""
    twin = trial.user_attrs.get("duplicate_of")
    return trials[twin] if isinstance(config.proposal, Grid) and twin is not None else trial


def _is_stopped(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.PRUNED and kind_of(trial) is Kind.TRAINED


def _configuration(config: StudyConfig, trial: FrozenTrial) -> dict[str, Any]:
    """Say which configuration a trial has: `cell`, `configuration`, `seed` and the axes."""
    if not isinstance(config.proposal, Grid):
        return {"cell": trial.number, "configuration": _drawn(trial), "seed": 0}
    cell, seed = _place(config.proposal, trial)
    values = config.proposal.cells[cell].values
    return {
        "cell": cell,
        "configuration": cell_labels(config.proposal)[cell],
        "seed": seed,
        **{axis_column(name): values[name] for name in axis_names(config)},
    }


def _place(grid: Grid, trial: FrozenTrial) -> tuple[int, int]:
    """Find a trial's configuration, by number where it has not drawn it yet, and its seed."""
    values = {name: value for name, value in trial.params.items() if name != SEED}
    places = [place for place, cell in enumerate(grid.cells) if cell.values == values]
    if places and SEED in trial.params:
        return places[0], int(trial.params[SEED])
    cell, seed = grid.at(trial.number)
    return grid.cells.index(cell), seed


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
    """List every epoch of every trained trial.

    Of a trial that an older version has trained, only validation accuracy is known.

    Returns:
        A row an epoch: `cell`, `configuration`, `seed`, `trial`, `epoch` (from 1), `lr`,
        `train_loss`, `train_accuracy` (on augmented images, in [0, 1]), `val_loss`,
        `val_accuracy`.
    """
    rows = [
        {**shared, "epoch": number, **epoch}
        for trial in trials
        if kind_of(trial) is Kind.TRAINED
        for shared in [_curve_key(config, trial)]
        for number, epoch in _epochs(trial)
    ]
    columns = ["cell", "configuration", "seed", "trial", "epoch", *CURVES]
    table = pd.DataFrame(rows, columns=columns)
    for name in CURVES:
        table[name] = pd.to_numeric(table[name])
    return table


def _curve_key(config: StudyConfig, trial: FrozenTrial) -> dict[str, Any]:
    known = _configuration(config, trial)
    return {name: known[name] for name in ("cell", "configuration", "seed")} | {
        "trial": trial.number
    }


def _epochs(trial: FrozenTrial) -> list[tuple[int, dict[str, float]]]:
    curves: dict[str, Sequence[float]] | None = trial.user_attrs.get("curves")
    if not curves:
        reported = sorted(trial.intermediate_values.items())
        return [(number, {"val_accuracy": value}) for number, value in reported]
    lists = [curves[name] for name in CURVES]
    return [
        (number, dict(zip(CURVES, values, strict=True)))
        for number, values in enumerate(zip(*lists, strict=True), start=1)
    ]

"""Studies made by hand, whose numbers are known."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from budgetnas.arch import Arch, Budget, Stage, count_macs, count_params
from budgetnas.data import DataSource
from budgetnas.recipe import Numerics, Recipe
from budgetnas.space import SEED, Axis, Cell, Free, Grid
from budgetnas.study import About, DataFacts, StudyConfig

VAL = 10_000
SMALL = Arch(in_channels=1, block="basic", stem_width=4, stages=(Stage(width=4, depth=1),))
LARGE = SMALL.changed(stages=(Stage(width=16, depth=1), Stage(width=32, depth=1)))


def grid_of(axes: Mapping[str, Sequence[str]], archs: Sequence[Arch], seeds: int) -> Grid:
    """A grid whose first axis chooses the network, cyclically."""
    combinations: list[dict[str, str]] = [{}]
    for name, values in axes.items():
        combinations = [{**left, name: value} for left in combinations for value in values]
    recipe = Recipe(epochs=2)
    cells = tuple(
        Cell(values=values, arch=archs[place % len(archs)], recipe=recipe)
        for place, values in enumerate(combinations)
    )
    listed = tuple(Axis(name=name, values=tuple(values)) for name, values in axes.items())
    return Grid(axes=listed, cells=cells, seeds=seeds)


def config_of(proposal: Grid | Free | None = None, **fields: Any) -> StudyConfig:
    val = fields.pop("val", VAL)
    counts = fields.pop("val_counts", (val // 3, val // 3, val - 2 * (val // 3)))
    facts = DataFacts(
        channels=1, classes=("cat", "dog", "<b>"), fingerprint="f", train=1_000,
        val=sum(counts), split="s", val_counts=counts,
    )  # fmt: skip
    given: dict[str, Any] = {
        "name": "made", "version": "0", "seed": 0, "pruner": "none", "about": About(),
        "budget": Budget(limit=100_000), "data": DataSource.choose("digits"), "facts": facts,
        "numerics": Numerics(), "recipe": Recipe(epochs=2), "proposal": proposal or Free(),
    }  # fmt: skip
    return StudyConfig(**{**given, **fields})


def trained(
    number: int, accuracy: float, arch: Arch = SMALL, *, stopped: bool = False, **more: Any
) -> FrozenTrial:
    """A trial of a search."""
    said = {
        **_costs(arch), "val_accuracy": accuracy, "val_balanced_accuracy": accuracy / 2,
        "val_loss": 0.5, "epochs": 2, "seconds": 3.0,
        "selected_epoch": 2, "curves": curves(accuracy), **more,
    }  # fmt: skip
    if stopped:
        return _numbered(create_trial(state=TrialState.PRUNED, user_attrs=said), number)
    return _numbered(create_trial(value=accuracy, user_attrs=said), number)


def of_grid(
    grid: Grid, number: int, accuracy: float | None, state: str = "trained", **more: Any
) -> FrozenTrial:
    """The trial of a grid that has this number."""
    cell, seed = grid.at(number)
    params: dict[str, Any] = {**cell.values, SEED: seed}
    distributions = {
        **{axis.name: CategoricalDistribution(axis.values) for axis in grid.axes},
        SEED: IntDistribution(0, 9_999),
    }
    said = _costs(cell.arch)
    match state:
        case "trained":
            assert accuracy is not None
            said = trained(number, accuracy, cell.arch).user_attrs
            kind = TrialState.COMPLETE
        case "failed":
            kind, more = TrialState.FAIL, {"failure": "the loss is NaN", **more}
        case "over budget":
            kind, more = TrialState.PRUNED, {"excess": 7, **more}
        case "duplicate":
            kind = TrialState.PRUNED
        case _:
            kind = TrialState.RUNNING
    made = create_trial(
        state=kind, value=accuracy if kind is TrialState.COMPLETE else None, params=params,
        distributions=distributions, user_attrs={**said, **more},
    )  # fmt: skip
    return _numbered(made, number)


def _costs(arch: Arch) -> dict[str, Any]:
    return {
        "arch": arch.to_json(), "params": count_params(arch), "macs": count_macs(arch, 8),
        "excess": -1,
    }  # fmt: skip


def _numbered(trial: FrozenTrial, number: int) -> FrozenTrial:
    trial.number = number
    return trial


def curves(accuracy: float) -> dict[str, list[float]]:
    """Two epochs that end so."""
    return {
        "lr": [0.1, 0.05], "train_loss": [2.0, 1.0], "train_accuracy": [0.2, 0.6],
        "val_loss": [1.5, 0.5], "val_accuracy": [accuracy / 2, accuracy],
        "val_balanced_accuracy": [accuracy / 4, accuracy / 2],
    }  # fmt: skip

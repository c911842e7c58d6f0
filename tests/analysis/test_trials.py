"""The trials as tables."""

import pytest

from budgetnas.analysis import cell_labels, curve_table, trial_table
from budgetnas.arch import count_params
from budgetnas.space import Cell
from tests.analysis.made import LARGE, SMALL, config_of, grid_of, of_grid, trained

AXES = {"rate": ("0.1", "0.2"), "epochs": ("2", "9")}


def test_a_row_a_trial_of_a_grid() -> None:
    grid = grid_of(AXES, [SMALL], seeds=2)
    trials = [of_grid(grid, number, 0.5 + number / 100) for number in range(3)]
    trials += [of_grid(grid, 3, None, "failed"), of_grid(grid, 4, None, "open")]
    table = trial_table(config_of(grid), trials)
    assert table["configuration"].tolist()[:2] == ["rate 0.1, epochs 2", "rate 0.1, epochs 9"]
    assert table["cell"].tolist() == [0, 1, 2, 3, 0]
    assert table["seed"].tolist() == [0, 0, 0, 0, 1]
    assert table["axis: epochs"].tolist() == ["2", "9", "2", "9", "2"]
    assert table["epochs"].tolist()[:3] == [2, 2, 2], "an axis may be called as a column is"
    assert table["kind"].tolist() == [*["trained"] * 3, "failed", "open"]
    assert table["val_accuracy"].tolist()[:3] == [0.5, 0.51, 0.52]
    assert table["val_accuracy"].isna().tolist()[3:] == [True, True]
    assert table["failure"][3] == "the loss is NaN"
    assert table["arch"][0] == SMALL.to_json()


def test_a_trial_that_has_drawn_nothing_yet_has_its_place() -> None:
    grid = grid_of(AXES, [SMALL], seeds=2)
    waiting = of_grid(grid, 5, None, "open")
    waiting.params = {}
    table = trial_table(config_of(grid), [waiting])
    assert (table["cell"][0], table["seed"][0]) == (1, 1)


def test_a_duplicate_has_what_its_twin_measured() -> None:
    grid = grid_of({"rate": ("0.1", "0.10")}, [SMALL], seeds=1)
    trials = [of_grid(grid, 0, 0.5), of_grid(grid, 1, None, "duplicate", duplicate_of=0)]
    table = trial_table(config_of(grid), trials)
    assert table["kind"].tolist() == ["trained", "duplicate"]
    assert table["val_accuracy"].tolist() == [0.5, 0.5]


def test_a_duplicate_has_its_twins_curves_too() -> None:
    grid = grid_of({"rate": ("0.1", "0.10", "0.2", "0.20")}, [SMALL], seeds=1)
    trials = [
        of_grid(grid, 0, 0.5), of_grid(grid, 1, None, "duplicate", duplicate_of=0),
        of_grid(grid, 2, None, "failed"), of_grid(grid, 3, None, "duplicate", duplicate_of=2),
    ]  # fmt: skip
    curves = curve_table(config_of(grid), trials)
    assert curves["trial"].tolist() == [0, 0, 1, 1]
    assert curves["configuration"].unique().tolist() == ["rate 0.1", "rate 0.10"]
    assert curves["val_accuracy"].tolist() == [0.25, 0.5] * 2
    assert trial_table(config_of(grid), trials)["measured"].tolist() == [0, 0, 2, 2]


def test_where_only_the_network_differs_its_name_says_enough() -> None:
    for axis, label in (("network", "none"), ("clip", "clip none")):
        assert cell_labels(grid_of({axis: ("none",)}, [SMALL], 1)) == [label]


def test_each_configuration_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many trials there are: a grid may have 10,000 configurations."""
    grid = grid_of({"x": tuple(map(str, range(50)))}, [SMALL], seeds=4)
    named: list[Cell] = []

    def name(cell: Cell) -> str:
        named.append(cell)
        return cell.values["x"]

    monkeypatch.setattr(Cell, "__str__", name)
    trials = [of_grid(grid, number, 0.5) for number in range(grid.size)]
    table = trial_table(config_of(grid), trials)
    assert table["configuration"].tolist() == [str(n) for n in range(50)] * 4
    assert len(named) == 50


def test_a_search_names_networks_and_what_was_drawn_of_the_recipe() -> None:
    trials = [
        trained(0, 0.5),
        trained(1, 0.6, LARGE, stopped=True, recipe='{"lr":0.0123456,"clip":"off"}'),
    ]
    table = trial_table(config_of(), trials)
    assert table["configuration"].tolist() == [str(SMALL), f"{LARGE}, lr 0.01235, clip off"]
    assert table["stopped_early"].tolist() == [False, True]
    assert table["cell"].tolist() == [0, 1]
    assert table["params"].tolist() == [count_params(SMALL), count_params(LARGE)]


def test_a_row_an_epoch() -> None:
    grid = grid_of({"rate": ("0.1", "0.2")}, [SMALL], seeds=1)
    trials = [of_grid(grid, 0, 0.8), of_grid(grid, 1, None, "failed")]
    table = curve_table(config_of(grid), trials)
    assert table["epoch"].tolist() == [1, 2]
    assert table["val_accuracy"].tolist() == [0.4, 0.8]
    assert table["train_loss"].tolist() == [2, 1]
    assert table["lr"].tolist() == [0.1, 0.05]
    assert table["configuration"].unique().tolist() == ["rate 0.1"]


@pytest.mark.parametrize("known", [{1: 0.25, 2: 0.5}, {}])
def test_of_an_older_version_only_accuracies_are_known(known: dict[int, float]) -> None:
    trial = trained(0, 0.5)
    trial.user_attrs = {key: v for key, v in trial.user_attrs.items() if key != "curves"}
    trial.intermediate_values = known
    table = curve_table(config_of(), [trial])
    assert table["val_accuracy"].tolist() == list(known.values())
    assert table["val_loss"].isna().all()

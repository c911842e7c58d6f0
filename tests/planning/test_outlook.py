"""What a search would be, on this machine."""

from pathlib import Path

import pytest
from PIL import Image

from budgetnas.arch import Budget, count_params
from budgetnas.errors import InputError
from budgetnas.planning.outlook import plan
from budgetnas.planning.saved import saved_epochs
from budgetnas.searching.pruners import PRUNERS
from tests.searching.small import SMALL, run, trials_of


def test_a_possible_search() -> None:
    found = plan("12k", dataset="digits", trials=20, space=SMALL, epochs=9)
    assert found.possible
    assert found.trial_seconds is not None
    assert found.seconds is not None
    assert 0 < found.trial_seconds < 60
    assert found.seconds == pytest.approx(20 * found.trial_seconds * (1 - found.saved))
    assert found.largest is not None
    assert found.smallest.params < found.largest.params <= 12_000
    assert found.smallest.params == count_params(SMALL.smallest(1, 10))
    json = found.as_json()
    assert json["limits"] == {"params": 12_000}
    assert json["exact"] is True
    assert json["data"] == "digits"


def test_nothing_is_written(tmp_path: Path) -> None:
    plan("12k", dataset="digits", space=SMALL)
    assert not Path("studies").exists()
    assert not Path("data").exists()


def test_the_nearest_change_makes_it_possible() -> None:
    found = plan("100", dataset="digits", max_macs="1k", space=SMALL)
    assert (found.possible, found.trial_seconds, found.largest) == (False, None, None)
    assert found.needed.keys() == {"params", "macs"}
    again = plan(
        found.needed["params"], dataset="digits", max_macs=found.needed["macs"], space=SMALL
    )
    assert again.possible
    one_less = plan(found.needed["params"] - 1, dataset="digits", space=SMALL)
    assert not one_less.possible


def test_a_smaller_budget_may_be_the_impossible_one() -> None:
    found = plan("12k", also="100", dataset="digits", space=SMALL)
    assert not found.possible
    assert found.smaller == (Budget(limit=100),)


def test_images_in_a_folder_are_counted_by_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (8, 8)).save(tmp_path / "train" / name / f"{number}.png")
    found = plan("12k", dataset="folder", data_dir=tmp_path, image_size=8, space=SMALL)
    assert found.possible


def test_what_can_not_be() -> None:
    with pytest.raises(InputError, match="unknown proposal 'x', known: fill, free"):
        plan("12k", dataset="digits", proposal="x")
    with pytest.raises(InputError, match="trials >= 1 must hold, got 0"):
        plan("12k", dataset="digits", trials=0)


@pytest.mark.parametrize(("name", "low", "high"), [("none", 0, 0), ("halving", 0.6, 0.8)])
def test_what_stopping_early_saves(name: str, low: float, high: float) -> None:
    assert low <= saved_epochs(PRUNERS[name](9), 9, 40) <= high


def test_a_search_of_what_is_planned_saves_epochs() -> None:
    """That it says how many, and that they add up."""
    result = run(trials=8, pruner="halving", epochs=9, budget="12k")
    assert result.epochs_in_full == 8 * 9
    assert result.epochs == sum(len(t.intermediate_values) for t in trials_of(result)) < 72

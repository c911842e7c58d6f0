"""What a search would be, on this machine."""

import os
from pathlib import Path

import pytest
from PIL import Image

from budgetnas.arch import Budget, count_params
from budgetnas.errors import InputError
from budgetnas.trials import PRUNERS
from budgetnas.workflows._census import DRAWS
from budgetnas.workflows._estimate import OtherWork, busy_seconds_in, describe_busy
from budgetnas.workflows.plan import plan, saved_epochs
from tests.trials.small import SMALL, run, trials_of


def test_a_possible_search() -> None:
    found = plan("12k", dataset="digits", trials=20, space=SMALL, epochs=9)
    assert found.possible
    assert found.trial_seconds is not None
    assert found.seconds is not None
    assert 0 < found.trial_seconds < 60
    assert found.seconds == pytest.approx(20 * found.trial_seconds * (1 - found.saved))
    assert found.smallest.params == count_params(SMALL.smallest(1, 10))
    json = found.as_json()
    assert json["limits"] == {"params": 12_000}
    assert json["data"] == "digits"


def test_it_describes_what_the_default_search_draws() -> None:
    """That all of it fits, and fills the budget: no word of uniform draws of the space."""
    found = plan("80k", dataset="digits", epochs=9, seed=3)
    (drawn,) = found.drawn
    sizes = [each.params for each in drawn.networks]
    assert (len(sizes), drawn.seed, found.counted) == (DRAWS, 3, None)
    assert 64_000 <= min(sizes) < 66_000
    assert 78_000 < max(sizes) <= 80_000
    assert found.largest == drawn.largest
    assert found.largest.params == max(sizes)
    assert [name for name, _ in found.first] == ["modified-resnet-small"]
    assert "share" not in found.as_json()
    again = plan("80k", dataset="digits", epochs=1, seed=3, presets=False)
    assert again.as_json()["drawn"] == found.as_json()["drawn"]
    assert again.first == ()
    assert plan("80k", dataset="digits", epochs=1).drawn != found.drawn


def test_it_describes_the_trials_that_a_search_trains() -> None:
    """That the search's own draws lie between the ends that were planned."""
    result = run(5, budget="12k", epochs=1)
    found = plan("12k", dataset="digits", space=SMALL, epochs=1)
    (drawn,) = found.drawn
    trained = [t.user_attrs["params"] for t in trials_of(result)]
    known = [each.params for each in drawn.networks] + [each.params for _, each in found.first]
    assert all(min(known) * 0.9 <= params <= 12_000 for params in trained)


def test_widths_that_end_below_the_budget_are_counted() -> None:
    found = plan("5M", dataset="digits", space=SMALL, epochs=1)
    (drawn,) = found.drawn
    assert drawn.below(0.8) == len(drawn.networks) == DRAWS
    assert drawn.different < 60, "a small space holds no more"


def test_each_budget_has_draws_of_its_own() -> None:
    found = plan("12k", also="6k", dataset="digits", space=SMALL, epochs=1)
    assert [each.budget.limit for each in found.drawn] == [12_000, 6_000]
    assert [each.largest.params > 6_000 for each in found.drawn] == [True, False]


def test_free_draws_are_held_against_the_budget() -> None:
    found = plan("12k", dataset="digits", space=SMALL, proposal="free", epochs=1)
    assert found.drawn == ()
    assert found.counted is not None
    assert found.counted.exact
    assert 0 < found.as_json()["share"] < 1
    assert found.largest is not None
    assert found.smallest.params < found.largest.params <= 12_000


def test_a_busy_machine_is_said() -> None:
    assert describe_busy(1.7, threads=2, present=2).startswith(
        "this machine is busy: other programs use 1.7 of 2 cores, a training 2; "
    )
    assert describe_busy(1.7, threads=1, present=4) == ""
    assert describe_busy(0.4, threads=2, present=2) == ""
    assert describe_busy(None, threads=2, present=2) == "", "what is not known is not said"


def test_the_time_that_processors_worked() -> None:
    text = (
        "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 100 20 3 9000 50 4 5 600 70 0\n"
        "cpu1 7 0 0 1 1 0 0 0 0 0\nintr 1 2\nctxt 3\n"
    )
    ticks = os.sysconf("SC_CLK_TCK")
    assert busy_seconds_in(text, {0}) == (100 + 20 + 3 + 4 + 5 + 600) / ticks
    assert busy_seconds_in(text, {0, 1}) == (732 + 7) / ticks


def test_work_of_its_own_is_no_others() -> None:
    with OtherWork() as others:
        sum(range(100_000))
    assert others.cores is None or 0 <= others.cores <= (os.cpu_count() or 1) + 1


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
    with pytest.raises(InputError, match="--trials: must be greater than or equal to 1, got 0"):
        plan("12k", dataset="digits", trials=0)


@pytest.mark.parametrize(("name", "low", "high"), [("none", 0, 0), ("halving", 0.6, 0.8)])
def test_what_stopping_early_saves(name: str, low: float, high: float) -> None:
    assert low <= saved_epochs(PRUNERS[name](9, 352), 9, 40) <= high


def test_a_search_of_what_is_planned_saves_epochs() -> None:
    """That it says how many, and that they add up."""
    result = run(trials=8, epochs=9, budget="12k")
    assert result.epochs_in_full == 8 * 9
    assert result.epochs == sum(len(t.intermediate_values) for t in trials_of(result)) < 72

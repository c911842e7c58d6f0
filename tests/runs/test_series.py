"""One architecture with several seeds: folders, seeds, the mean, and going on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from budgetnas.data import TEST_LOG
from budgetnas.errors import InputError
from budgetnas.events import Event, RunEpochEnded
from budgetnas.runs import RunConfig, first_of, member
from budgetnas.seeds import derive_seed
from budgetnas.workflows.retrain import SeedsResult, retrain_seeds, seed_of
from tests.conftest import Program
from tests.runs.runs import preset, weights

OUT = Path("runs/mine")
FOLDERS = [OUT, Path("runs/mine-seed1"), Path("runs/mine-seed2")]


def series(seeds: int = 3, **options: Any) -> SeedsResult:
    given = {"epochs": 1, "dataset": "digits", "out": OUT, **options}
    return retrain_seeds("modified-resnet-small", seeds=seeds, **given)


def interrupted(run: int, **options: Any) -> None:
    """Interrupt a series in its run of this number, after its first epoch."""
    begun: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, RunEpochEnded) and event.epoch == 1:
            begun.append(1)
            if len(begun) == run + 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        series(**options, watch=watch)


def losses(result: SeedsResult) -> list[float]:
    return [run.test_loss for run in result.runs]


def test_each_seed_has_its_run_and_they_have_a_mean() -> None:
    result = series()
    assert [Path(run.run) for run in result.runs] == FOLDERS
    configs = [RunConfig.read(folder) for folder in FOLDERS]
    assert [config.seed for config in configs] == [
        0, derive_seed(0, "seeds", 1), derive_seed(0, "seeds", 2),
    ]  # fmt: skip
    assert len({config.changed(seed=0) for config in configs}) == 1, "they differ in nothing else"
    assert len((Path("runs") / TEST_LOG).read_text().splitlines()) == 3, "each opens the test once"
    accuracies = [run.test_accuracy for run in result.runs]
    low, high = stats.t.interval(0.95, 2, np.mean(accuracies), stats.sem(accuracies))
    assert (result.mean - result.margin, result.mean + result.margin) == pytest.approx((low, high))
    assert len(set(losses(result))) == 3
    again = preset(epochs=1, seed=seed_of(0, 2), out="alone")
    both = weights(FOLDERS[2]), weights(again.run)
    assert all(torch.equal(both[0][name], both[1][name]) for name in both[0])


def test_interrupted_it_goes_on_to_the_same_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = series(epochs=2)
    Path("pieces").mkdir()
    monkeypatch.chdir("pieces")
    interrupted(1, epochs=2)
    assert not (FOLDERS[1] / "result.json").exists()
    assert losses(series(epochs=2, resume=True, out=FOLDERS[1])) == losses(whole)
    assert losses(series(epochs=2, resume=True)) == losses(whole), "finished: nothing to do"
    assert len((Path("runs") / TEST_LOG).read_text().splitlines()) == 3


def test_a_single_run_and_a_finished_series_are_gone_on_with() -> None:
    single = preset(epochs=1)
    assert series(2, out=None, resume=True).runs[0].run == single.run
    more = series(3, out=None, resume=True)
    assert [run.run for run in more.runs] == [
        single.run, f"{single.run}-seed1", f"{single.run}-seed2",
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"no run of .* that has fewer than 3 seeds, to go on"):
        series(3, out=None, resume=True)


def test_the_best_on_validation_images_is_chosen_on_other_images_for_each_seed() -> None:
    result = series(2, select="best-val")
    first, second = (RunConfig.read(Path(run.run)) for run in result.runs)
    assert first.select == second.select == "best-val"
    assert first.mean != second.mean, "of the images that it trains on"


def test_a_first_seed_is_the_root_of_the_others() -> None:
    interrupted(1, seed=7, seeds=2)
    seeds = [RunConfig.read(folder).seed for folder in FOLDERS[:2]]
    assert seeds == [7, derive_seed(7, "seeds", 1)]
    assert len(series(2, seed=7, resume=True).runs) == 2
    with pytest.raises(InputError, match="--seed was 7, now 8"):
        series(2, seed=8, resume=True)


def test_what_can_not_be_is_refused() -> None:
    with pytest.raises(InputError, match=r"--seeds must be at least 2 for a mean.*, got 1"):
        series(1)
    FOLDERS[2].mkdir(parents=True)
    with pytest.raises(InputError, match="got runs/mine-seed2"):
        series()
    assert not OUT.exists()


def test_only_what_is_named_after_a_run_belongs_to_it() -> None:
    (OUT / "run.json").parent.mkdir(parents=True)
    (OUT / "run.json").write_text("{}")
    assert member(OUT, 2) == FOLDERS[2]
    assert first_of(FOLDERS[2]) == first_of(OUT) == OUT
    alone = Path("runs/net-seed1")
    assert first_of(alone) == alone


def test_on_the_command_line(study: str, budgetnas: Program) -> None:
    words = ("retrain", "best", "--study", study, "--epochs", 1)
    answer = budgetnas(*words, "--seeds", 2, "--json").json()
    assert answer["n"] == 2
    assert answer["mean"] == pytest.approx(np.mean([r["test_accuracy"] for r in answer["runs"]]))
    assert answer["runs"][1]["run"] == f"{answer['runs'][0]['run']}-seed1"
    assert (
        json.loads(Path(answer["runs"][0]["run"], "result.json").read_text())
        == (answer["runs"][0])
    )
    ended = budgetnas(*words, "--seeds", 3, "--resume")
    assert ended.status == 0, ended.err
    assert ended.out.count("Test accuracy ") == 3
    assert "\nMean of n = 3 seeds: test accuracy " in ended.out
    assert "(95 % interval over seeds)" in ended.out

"""Short trainings against full ones: what is trained, and what is made of it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from budgetnas.analysis import CRITERIA
from budgetnas.arch import Budget, count_params
from budgetnas.errors import InputError
from budgetnas.events import Event, SearchStarted, TrialEnded
from budgetnas.report import answer_lines, read_report, render
from budgetnas.space import Free, Grid, Space
from budgetnas.study import Fidelity, StudyConfig
from budgetnas.study.begun import BegunStudy
from budgetnas.workflows import fidelity as spread
from budgetnas.workflows.fidelity import AVERAGE, fidelity, spread_archs
from budgetnas.workflows.options import FidelityOptions
from tests.analysis.made import SMALL as ARCH
from tests.analysis.made import config_of, grid_of
from tests.trials.small import SMALL, run, trials_in

BASE = "digits-12k"
NAME = f"{BASE}/fidelity"
FOLDER = Path("studies") / BASE
LITTLE: dict[str, Any] = {"archs": 5, "short": (1, 2), "epochs": 3, "top": 2}


def begin() -> None:
    run(trials=1, train_samples=100, epochs=1, recipe="short")


def test_architectures_are_trained_short_and_in_full_once() -> None:
    begin()
    events: list[Event] = []
    found = fidelity(BASE, **LITTLE, watch=events.append)
    assert sum(isinstance(event, TrialEnded) for event in events) == 25
    assert (found.finished, found.n, found.archs) == (True, 5, 5)
    assert [(row.epochs, row.criterion) for row in found.rows] == [
        (epochs, criterion) for epochs in (1, 2) for criterion in CRITERIA
    ]
    assert [row.cost for row in found.rows[::4]] == [1 / 3, 2 / 3]
    assert Fidelity.read(FOLDER) == found

    config, base = StudyConfig.read(FOLDER / "fidelity"), StudyConfig.read(FOLDER)
    assert (config.facts, config.seed, config.budget) == (base.facts, base.seed, base.budget)
    assert isinstance(config.proposal, Grid)
    recipes = {cell.values["training"]: cell.recipe for cell in config.proposal.cells}
    assert recipes["2 epochs"] == base.recipe.changed(epochs=2)
    assert recipes["2 epochs, averaged"] == base.recipe.changed(epochs=2, average=AVERAGE)
    assert (recipes["full"].epochs, recipes["full"].label_smoothing) == (3, 0.1)
    assert {type(step).__name__ for step in recipes["full"].augment} == {"Crop", "Cutout"}
    assert not list(Path().rglob("test-openings.jsonl"))

    by = {
        way: [t.value for t in trials_in(NAME) if t.params["training"] == way]
        for way in ("full", "1 epoch")
    }
    tau = kendalltau(by["1 epoch"], by["full"]).statistic
    assert found.rows[0].tau.value == (None if math.isnan(tau) else pytest.approx(tau))

    again: list[Event] = []
    assert fidelity(BASE, **LITTLE, watch=again.append) == found
    assert not any(isinstance(event, TrialEnded) for event in again)
    said = render(read_report(BASE))
    assert "Short trainings against full ones" in said
    assert found.advice in answer_lines(read_report(BASE))
    with pytest.raises(InputError, match=r"--archs was 5, now 6; --short was 1,2, now 1; --ep"):
        fidelity(BASE, archs=6, short=[1], epochs=4, top=2)


def test_it_goes_on_where_it_stopped() -> None:
    run(trials=1, train_samples=100, epochs=1, timeout=1e-9)
    stopped: list[Event] = []

    def stop(event: Event) -> None:
        stopped.append(event)
        if sum(isinstance(event, TrialEnded) for event in stopped) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fidelity(BASE, **LITTLE, watch=stop)
    assert Fidelity.read(FOLDER) is None
    events: list[Event] = []
    partly = fidelity(BASE, **LITTLE, timeout=1e-9, watch=events.append)
    started = next(event for event in events if isinstance(event, SearchStarted))
    assert (started.tally.trained, started.trials) == (2, 25)
    assert (partly.finished, partly.n, partly.rows, partly.recommended) == (False, 0, (), None)
    assert partly.advice.endswith(partly.command)
    assert Fidelity.read(FOLDER) == partly


def config_in(space: Space = SMALL, **fields: Any) -> StudyConfig:
    return config_of(Free(space=space), budget=Budget(limit=12_000), **fields)


def test_architectures_are_spread_evenly_by_ratio() -> None:
    config = config_in()
    archs = spread_archs(config, SMALL, 8)
    sizes = [count_params(arch) for arch in archs]
    assert sizes == sorted(sizes)
    assert sizes[-1] <= 12_000
    assert len({arch.digest() for arch in archs}) == 8
    steps = np.diff(np.log(sizes))
    assert steps.max() < 1.5 * steps.min(), sizes
    assert {arch.in_channels for arch in archs} == {1}
    assert spread_archs(config, SMALL, 8) == archs
    assert spread_archs(config.changed(seed=1), SMALL, 8) != archs


def test_no_more_architectures_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "MOST_DRAWS", 500)
    few = Space.parse(
        {"arch": {"stages": 1, "width": [4, 8, 12], "depth": [1, 2], "block": "basic",
                  "se": "none", "shortcut_kernel": 1}}, "t",
    )  # fmt: skip
    assert len(spread_archs(config_in(few), few, 6)) == 6
    with pytest.raises(InputError, match=r"--archs must be at most 6, .* got 7"):
        spread_archs(config_in(few), few, 7)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"archs": 4}, "--archs: must be greater than or equal to 5, got 4"),
        ({"short": ()}, "--short must be whole numbers from 1, each more than the last, got "),
        ({"short": (0, 1)}, "each more than the last, got 0,1"),
        ({"short": (3, 1)}, "each more than the last, got 3,1"),
        ({"short": (1, 1)}, "each more than the last, got 1,1"),
        ({"short": (1, 30)}, "--short must be less than --epochs, got 1,30 and 30"),
        ({"top": 12}, "--top must be from 1 to less than --archs, got 12 and 12"),
        ({"top": 0}, "less than --archs, got 0 and 12"),
        ({"seeds": 0}, "--seeds: must be greater than or equal to 1, got 0"),
        ({"epochs": 10_001}, "--epochs: must be less than or equal to 10000, got 10001"),
        ({"recipe": "best"}, "unknown recipe 'best', known: short, full"),
    ],
)
def test_what_cant_be_asked(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as refused:
        FidelityOptions.of(**asked)
    assert says in str(refused.value)


def test_only_a_search_has_a_space() -> None:
    config = config_of(grid_of({"x": ("a", "b")}, [ARCH], 1))
    with pytest.raises(InputError, match=r"--study must be a search.*, got 'made', a grid"):
        BegunStudy("made", Path("studies/made"), config, guessed=False).space()

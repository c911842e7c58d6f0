"""A comparison for real: a search's winner, its baselines and random networks on digits."""

import math
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from budgetnas.analysis import (
    FILLED,
    Noise,
    Repeats,
    best_trial,
    decompose,
    expected_maximum,
    luck_of,
    trial_table,
)
from budgetnas.errors import InputError
from budgetnas.events import Estimated, Event, Notice, SearchStarted, TrialEnded
from budgetnas.recipe import RECIPES
from budgetnas.report import read_report, write_report
from budgetnas.space import Axis, Fill, Grid
from budgetnas.study import Comparison, StudyConfig
from budgetnas.study.trial_record import Kind, TrialRecord, tally
from budgetnas.workflows.compare import BASELINES, compare
from budgetnas.workflows.options import CompareOptions
from tests.analysis.made import SMALL, config_of, grid_of, of_grid
from tests.trials.small import run, trials_in
from tests.workflows.races import RACE, race
from tests.workflows.test_run import FILE, RATES
from tests.workflows.test_run import run as run_grid

BASE = "digits-12k"
NAME, RANDOM = f"{BASE}/comparison", f"{BASE}/random"
FOLDER = Path("studies") / BASE
LITTLE: dict[str, Any] = {"seeds": 2, "epochs": 1, "random": 2}
TRAINED = ("winner", "wrn-16 at the budget", FILLED, "best random")


def begin(**options: Any) -> None:
    run(**{"trials": 3, "train_samples": 100, "epochs": 1, "recipe": "short", **options})


def counting(events: list[Event], stop: int | None = None) -> Callable[[Event], None]:
    """Keep events, and interrupt when so many trials have ended."""

    def watch(event: Event) -> None:
        events.append(event)
        if sum(isinstance(event, TrialEnded) for event in events) == stop:
            raise KeyboardInterrupt

    return watch


def values(name: str) -> list[tuple[Any, ...]]:
    return [(t.number, t.state, t.params, t.value) for t in trials_in(name)]


@pytest.mark.estimate
def test_winner_baselines_and_random_networks_are_trained_alike_once() -> None:
    begin()
    found = compare(BASE, **LITTLE)
    assert (found.finished, found.random, found.trials, found.epochs) == (True, 2, 3, 1)
    rows = {(row.network, row.recipe): row for row in found.rows}
    assert list(rows) == [
        *((name, "full") for name in ("winner", *BASELINES, "best random")), (FILLED, "published"),
    ]  # fmt: skip
    for (name, _), row in rows.items():
        wanted = (2, True) if name in TRAINED else (0, False)
        assert (row.n, row.mean is not None) == wanted, name
        assert (row.verdict == "over budget") is (name not in TRAINED)
        assert row.params is not None
        assert (row.params <= 12_000) is (name in TRAINED)
    trials = trials_in(NAME)
    winners = [trial.value for trial in trials if trial.params["network"] == "winner"]
    assert rows["winner", "full"].mean == fmean(value or 0 for value in winners)
    parts = {part.name: part for part in found.parts}
    for name, this, other in (
        ("recipe", (FILLED, "full"), (FILLED, "published")),
        ("architecture", ("winner", "full"), (FILLED, "full")),
        ("search", ("winner", "full"), ("best random", "full")),
    ):
        a, b = rows[this].mean, rows[other].mean
        assert a is not None
        assert b is not None
        assert parts[name].gain == a - b
        assert (parts[name].noise or 0) > 0 or parts[name].same
    assert found.luck is not None
    assert found.luck.sd is not None
    assert found.luck.gain == found.luck.sd * expected_maximum(3)
    assert not list(Path().rglob("test-openings.jsonl"))

    config, base = StudyConfig.read(FOLDER / "comparison"), StudyConfig.read(FOLDER)
    assert (config.facts, config.seed, config.budget) == (base.facts, base.seed, base.budget)
    drawn = StudyConfig.read(FOLDER / "random")
    assert isinstance(base.proposal, Fill)
    assert drawn.proposal == base.proposal.changed(sampler="random", presets=False)
    for name in ("facts", "seed", "recipe", "pruner", "budget", "limits", "train_samples"):
        assert getattr(drawn, name) == getattr(base, name), name
    assert tally(trials_in(RANDOM)).trained == 2
    best = best_trial(trials_in(RANDOM))
    assert best is not None
    assert isinstance(config.proposal, Grid)
    cells = {tuple(cell.values.values()): cell for cell in config.proposal.cells}
    arch = best.arch
    assert cells["best random", "full"].arch.digest() == arch.digest()
    published = cells[FILLED, "published"].recipe
    assert published.optimizer == RECIPES["efficient-resnets"].optimizer
    assert {cell.recipe.epochs for cell in cells.values()} == {1}

    again: list[Event] = []
    assert compare(watch=again.append) == found == Comparison.read(FOLDER)
    assert not any(isinstance(event, Estimated | TrialEnded) for event in again)
    said = write_report(BASE).read_text()
    assert "What gave the accuracy?" in said
    assert read_report(NAME).name == NAME
    more = compare(seeds=3)
    assert {row.n for row in more.rows} == {0, 3}
    assert "--seeds 3" in more.command
    assert values(NAME)[: len(trials)] == [(t.number, t.state, t.params, t.value) for t in trials]
    rule = r"--epochs was 1, now 2; --random was 2, now 5 \(to begin another, remove studies/dig"
    with pytest.raises(InputError, match=rule):
        compare(epochs=2, random=5)
    with pytest.raises(InputError, match=r"continued as it began: --recipe "):
        compare(recipe="short", epochs=1)


@pytest.mark.slow
def test_interrupted_anywhere_it_is_the_same_comparison() -> None:
    begin()
    whole, options = compare(**LITTLE), dict(LITTLE)
    before = values(RANDOM), values(NAME)
    for name in ("comparison", "random"):
        (FOLDER / name).rename(Path(name))
    (FOLDER / "comparison.json").unlink()
    for stop in (1, 2, 5):
        with pytest.raises(KeyboardInterrupt):
            compare(**options, watch=counting([], stop))
    assert Comparison.read(FOLDER) is not None
    events: list[Event] = []
    found = compare(**options, watch=counting(events))
    assert sum(isinstance(event, SearchStarted) for event in events) == 1
    assert (values(RANDOM), values(NAME)) == before
    assert [part.gain for part in found.parts] == [part.gain for part in whole.parts]


def test_at_the_timeout_it_says_what_goes_on() -> None:
    begin()
    found = compare(**LITTLE, timeout=1e-9)
    assert (found.finished, found.rows, found.notes) == (False, (), ())
    assert found.lines == [
        "Comparison is not finished. To continue: budgetnas compare --study digits-12k --seeds 2 "
        "--epochs 1 --recipe full --random 2"
    ]
    partly = compare(**{**LITTLE, "random": 0}, timeout=1e-9)
    assert not partly.finished
    assert {row.n for row in partly.rows} == {0}
    assert [part.gain for part in partly.parts] == [None, None]


def test_a_winner_trains_with_what_its_trial_had_drawn(searched: str) -> None:
    found = compare(seeds=1, epochs=1)
    drawn = f"is trained as drawn by trial {found.winner}: lr 0.1, batch_size 16"
    own = "best random: the search's own best, it is random, too"
    assert found.notes == (f"winner {drawn}", f"best random {drawn}", own)
    assert not (FOLDER / "random").exists(), "the search is what would be trained again"
    (search,) = (part for part in found.parts if part.name == "search")
    assert (search.gain, search.same) == (0, True)
    assert TrialRecord(trials_in(NAME)[7]).kind is Kind.DUPLICATE
    assert found.luck is not None
    assert found.luck.sd is None, "of one seed nobody knows"


def test_the_winner_is_that_of_the_finalists(searched: str) -> None:
    winner = race(margin=100, seeds=2, epochs=1).winner  # by which the smallest wins
    assert winner is not None
    assert winner.trial != 0
    told: list[str] = []
    found = compare(seeds=1, epochs=1, random=0)
    assert found.winner == winner.trial
    assert [part.name for part in found.parts] == ["recipe", "architecture"]
    (Path("studies") / RACE).rename("elsewhere")
    compare(watch=lambda event: told.append(event.text) if isinstance(event, Notice) else None)
    assert any(text.startswith("trial 0, now the best of digits-12k, is not the") for text in told)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"seeds": 0}, "--seeds: must be greater than or equal to 1, got 0"),
        ({"epochs": 0}, "--epochs: must be greater than or equal to 1, got 0"),
        ({"random": -1}, "--random: must be greater than or equal to 0, got -1"),
        ({"recipe": "best"}, "unknown recipe 'best', known: short, full"),
        ({"recipe": "published"}, "--recipe: 'published' is what another one is called here"),
    ],
)
def test_what_cant_be_asked(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as refused:
        CompareOptions.of(**asked)
    assert says in str(refused.value)


def test_only_a_search_that_has_a_best_is_compared() -> None:
    grid = run_grid(FILE + RATES).study
    with pytest.raises(InputError, match="--study must be a search, which has a space"):
        compare(grid)
    run(trials=1, epochs=1, train_samples=100, timeout=1e-9)
    with pytest.raises(InputError, match="'digits-12k' has no completed trial to compare yet"):
        compare(BASE)
    assert not (FOLDER / "comparison").exists()


@pytest.mark.parametrize(
    ("n", "expected"),
    [(1, 0), (2, 1 / math.sqrt(math.pi)), (10, 1.538753), (100, 2.507594), (10_000, 3.851616)],
)
def test_the_expected_maximum_of_normal_numbers(n: int, expected: float) -> None:
    assert expected_maximum(n) == pytest.approx(expected, abs=2e-6)


def test_parts_and_luck_of_numbers_that_are_known() -> None:
    grid = grid_of({"network": ("winner", FILLED)}, [SMALL], 2)
    cells = [cell.changed(values={**cell.values, "recipe": "full"}) for cell in grid.cells]
    apart = cells[1].changed(recipe=cells[1].recipe.changed(epochs=3))
    grid = Grid(
        axes=(*grid.axes, Axis(name="recipe", values=("full",))), cells=(cells[0], apart), seeds=2
    )
    accuracies = (0.90, 0.80, 0.92, 0.84)
    trials = [of_grid(grid, number, value) for number, value in enumerate(accuracies)]
    config = config_of(grid)
    found = decompose(config, trial_table(config, trials), 10)
    (part,) = found.parts
    assert (part.name, part.same) == ("architecture", False)
    assert part.gain == pytest.approx(0.09)
    sd = math.sqrt((0.0002 + 0.0008) / 2)
    noise = Noise(sd=sd, df=2, images=config.facts.val)
    assert part.noise == pytest.approx(noise.between(Repeats((0.90, 0.92)), Repeats((0.80, 0.84))))
    assert found.luck.gain == pytest.approx(sd * 1.538753)
    assert luck_of(Noise(sd=math.nan, df=0, images=9), 10).gain is None

"""Objectives that users register: what they may be, and that a study is searched by them."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

import budgetnas
from budgetnas.analysis import Measurement, Noise, Repeats, lucky_guessing
from budgetnas.errors import InputError
from budgetnas.metric import METRICS, measure, spread_of
from budgetnas.report import write_report
from budgetnas.study import StudyConfig
from tests.conftest import Program
from tests.trials.small import replay, run, trials_of

FILE = """
import budgetnas

@budgetnas.register_objective("worst-class")
def worst_class(confusion):
    return (confusion.diagonal() / confusion.sum(axis=1)).min()
"""

pytestmark = pytest.mark.usefixtures("isolated")


def worst_class(confusion: Any) -> float:
    return float((confusion.diagonal() / confusion.sum(axis=1)).min())


def macro_f1(confusion: Any) -> float:
    both = confusion.sum(axis=0) + confusion.sum(axis=1)
    return float((2 * confusion.diagonal() / np.maximum(both, 1)).mean())


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "worst_class.py").write_text(FILE)
    return "worst_class.py"


def test_metrics_are_what_scikit_learn_computes() -> None:
    budgetnas.register_objective("macro-f1")(macro_f1)
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 4, (2, 200))
    confusion = np.bincount(labels * 4 + predictions, minlength=16).reshape(4, 4)
    accuracy = float((labels == predictions).mean())
    assert measure("accuracy", confusion) == pytest.approx(accuracy)
    balanced = balanced_accuracy_score(labels, predictions)
    assert measure("balanced", confusion) == pytest.approx(balanced)
    f1 = f1_score(labels, predictions, average="macro")
    assert measure("macro-f1", confusion) == pytest.approx(f1)


def test_the_engine_measures_what_the_table_says() -> None:
    result = run(trials=1)
    (trial,) = trials_of(result)
    confusion = np.array(trial.user_attrs["confusion"])
    for name, meaning in METRICS.items():
        assert trial.user_attrs[meaning.attribute] == pytest.approx(measure(name, confusion))


@pytest.mark.parametrize(
    ("name", "function", "complaint"),
    [
        ("accuracy", worst_class, "metric 'accuracy' is budgetnas's own and can't be replaced"),
        ("loss", worst_class, "metric 'loss' is measured already: another name is needed"),
        ("mine", lambda confusion: 2.0, r"must return a number in \[0, 1\], got 2.0 for the "),
        ("mine", lambda confusion: math.nan, r"must return a number in \[0, 1\], got nan"),
        ("mine", lambda confusion: None, r"must return a number in \[0, 1\], got None"),
        ("mine", lambda confusion: 1 / 0, r"'mine': ZeroDivisionError: .*objectives.py, line \d"),
        ("mine", "accuracy", "metric 'mine' must be a function, got 'accuracy'"),
        ("mine", lambda confusion: 0.5, "metric 'mine': that all is right must be more, got 0.5"),
    ],
)
def test_what_is_no_objective_is_refused(name: str, function: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        budgetnas.register_objective(name, function)
    with pytest.raises(InputError, match="--metric: unknown metric 'mine', known: accuracy, bal"):
        run(metric="mine")


def test_no_study_begins_by_what_fails_on_its_classes() -> None:
    def of_two(confusion: Any) -> float:
        (a, _), (_, d) = confusion
        return float((a + d) / confusion.sum())

    budgetnas.register_objective("of-two", of_two)
    with pytest.raises(InputError, match=r"metric 'of-two': ValueError: too many values .*line"):
        run(metric="of-two", study="new")
    assert not Path("studies/new").exists()


def test_chance_is_that_of_what_was_sampled() -> None:
    # an accuracy under another name: its chance is known
    budgetnas.register_objective("share", lambda confusion: METRICS["accuracy"].measure(confusion))
    confusion = [[80, 20], [30, 70]]
    spread = spread_of("share", confusion)
    assert spread is not None
    assert spread == pytest.approx(math.sqrt(0.8 * 0.2 + 0.7 * 0.3) / 20, rel=0.2)
    assert spread_of("accuracy", confusion) is None
    measured = Repeats.of([Measurement(0.75, spread=spread), Measurement(0.75, spread=spread)])
    assert measured.spread == pytest.approx(spread)
    noise = Noise(sd=math.nan, df=0, images=200)
    assert noise.of_images(measured, measured, 0.975) == pytest.approx(
        1.96 * spread * 2**0.5, 0.01
    )
    by_bits = Repeats.of([Measurement(0.75)])
    assert noise.of_images(measured, by_bits, 0.975) == noise.of_images(by_bits, by_bits, 0.975)
    with pytest.raises(InputError, match="the confusion of a trial must be known to compare it"):
        spread_of("share", None)
    for counts in ([100, 100], [150, 50]):
        share, accuracy = (lucky_guessing(counts, name, 10) for name in ("share", "accuracy"))
        assert share == pytest.approx(accuracy, abs=0.02)
    assert spread_of("share", [[10, 0], [0, 10]]) != 0, "10 of 10 is no certainty"


def test_a_study_is_searched_by_it(file: str, budgetnas: Program) -> None:
    asked: dict[str, Any] = {"plugins": [file], "metric": "worst-class", "epochs": 6}
    begun = run(trials=3, study="by-worst", **asked)
    found = trials_of(begun)
    for trial in found:
        confusion = np.array(trial.user_attrs["confusion"])
        assert trial.value == trial.user_attrs["val_worst-class"] == worst_class(confusion)
        assert trial.user_attrs["curves"]["val_worst-class"][-1] == trial.value
        assert (
            list(trial.intermediate_values.values())
            == trial.user_attrs["curves"]["val_worst-class"]
        )
    config = StudyConfig.read(Path("studies/by-worst"))
    assert (config.metric, [each.name for each in config.plugins]) == ("worst-class", [file])
    page = write_report("by-worst").read_text()
    assert "validation worst-class" in page
    named = budgetnas("best", "--study", "by-worst", "--metric", "worst-class", "--json").json()
    assert begun.best is not None
    assert named["best"]["value"] == begun.best.value


def test_a_finalist_is_chosen_by_it(file: str) -> None:
    run(trials=3, plugins=[file], metric="worst-class", epochs=6)
    result = budgetnas.finalists(seeds=2, top=2, epochs=6)
    assert result.metric == "worst-class"
    table = budgetnas.Study("digits-12k/finalists").trials()
    assert table["spread"].count() == 4
    assert len(table["val_worst-class"].dropna()) == 4


def test_a_run_keeps_the_epoch_that_is_best_by_it(file: str) -> None:
    run(trials=1, plugins=[file], metric="worst-class")
    run_of = budgetnas.retrain("best", epochs=5, select="best-val", seed=3)
    lines = Path(run_of.run, "metrics.csv").read_text().splitlines()
    names, *rows = (line.split(",") for line in lines)
    values = [float(row[names.index("val_worst-class")]) for row in rows]
    assert values[run_of.selected_epoch - 1] == max(values)


@pytest.mark.slow
def test_worker_processes_measure_it(file: str) -> None:
    asked: dict[str, Any] = {"plugins": [file], "metric": "worst-class", "trials": 3}
    alone = replay(run(study="alone", **asked))
    assert [each[2:] for each in replay(run(study="together", workers=2, **asked))] == [
        each[2:] for each in alone
    ]


def test_nothing_is_searched_by_what_only_this_process_knows(file: str) -> None:
    budgetnas.register_objective("worst-class", worst_class)
    with pytest.raises(InputError, match="--workers: metric 'worst-class': registered in this"):
        run(metric="worst-class", workers=2)
    assert optuna.trial.TrialState.COMPLETE in {
        trial.state for trial in trials_of(run(trials=1, metric="worst-class"))
    }

"""`budgetnas.Study`: a study that has begun, as Python programs use it."""

from pathlib import Path

import pytest

import budgetnas
from tests.trials.small import run


def test_a_study_tells_its_trials_its_best_and_its_front(begun: str) -> None:
    study = budgetnas.Study()
    assert (study.name, study.folder, study.metric) == (begun, Path("studies", begun), "accuracy")
    table, best = study.trials(), study.best
    assert table["kind"].tolist() == ["trained"]
    assert table["params"].tolist() == [best.params]
    assert table["val_accuracy"].tolist() == [best.value]
    assert budgetnas.count_params(budgetnas.Arch.parse(best.arch, "best")) == best.params
    (step,) = study.front()
    assert (step.number, step.value) == (best.number, best.value)


def test_what_follows_a_search(begun: str) -> None:
    study = budgetnas.Study(begun)
    assert study.report(Path("page.html")) == Path("page.html")
    assert begun in Path("page.html").read_text()
    result = study.retrain(0, epochs=1, show_progress=False)
    assert isinstance(result, budgetnas.RunResult)
    assert result.params == study.best.params


def test_a_study_that_runs_is_read_anew() -> None:
    result = run(trials=1)
    study = budgetnas.Study(result.study)
    assert len(study.trials()) == 1
    run(trials=2)
    assert (study.trials()["kind"] == "trained").sum() == 2


def test_no_study_is_an_error_that_says_what_begins_one() -> None:
    with pytest.raises(budgetnas.InputError, match="budgetnas search begins one"):
        budgetnas.Study()

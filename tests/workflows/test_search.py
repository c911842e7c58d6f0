"""Searches for real: digits, Optuna, SQLite. The contract of trials, resumption, refusals."""

import json
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from budgetnas.arch import Arch, Budget, count_macs, count_params
from budgetnas.errors import InputError
from budgetnas.events import Event, Notice
from budgetnas.recipe import RECIPES, SGD, OneCycleLR
from budgetnas.report import answer_lines, read_report
from budgetnas.space import Fill, Space
from budgetnas.study import StudyConfig
from budgetnas.study.trial_record import Kind, TrialRecord
from budgetnas.train import _engine as engine
from budgetnas.workflows.search import search
from tests.trials.small import FREE, SMALL, run, trials_of


def test_the_contract_of_trials() -> None:
    result = run(trials=12, **FREE)
    listed = trials_of(result)
    kinds = [TrialRecord(each).kind for each in listed]
    assert result.study == "digits-12k"
    assert (result.trained, result.stopped) == (12, "trials")
    assert kinds.count(Kind.TRAINED) == 12
    assert result.over_budget == kinds.count(Kind.OVER_BUDGET) > 0
    for each, kind in zip(listed, kinds, strict=True):
        arch = Arch.from_json(each.user_attrs["arch"])
        assert each.user_attrs["params"] == count_params(arch)
        assert each.user_attrs["macs"] == count_macs(arch, 8)
        assert each.user_attrs["excess"] == count_params(arch) - 12_000
        constraint = each.system_attrs["constraints:params"]
        assert constraint == pytest.approx(count_params(arch) / 12_000 - 1)
        if kind is Kind.OVER_BUDGET:
            assert each.state is TrialState.PRUNED
            assert constraint > 0
            assert not each.intermediate_values
        if kind is Kind.TRAINED:
            assert constraint <= 0
            assert {"val_accuracy", "val_loss", "epochs", "seconds"} <= set(each.user_attrs)
            assert each.user_attrs["epochs"] == len(each.intermediate_values)
        if each.state is TrialState.COMPLETE:
            assert each.value == each.user_attrs["val_accuracy"] == each.intermediate_values[2]
    assert result.best is not None
    best = listed[result.best.number]
    assert best.value == result.best.value == max(t.value for t in listed if t.value is not None)
    assert result.best.arch == json.loads(best.user_attrs["arch"])


def test_the_same_call_continues_to_n_then_does_nothing() -> None:
    assert run(trials=2).trained == 2
    again = run(trials=4)
    assert (again.trained, again.stopped) == (4, "trials")
    before = trials_of(again)
    assert run(trials=4) == again
    assert run(trials=1) == again
    assert trials_of(again) == before
    assert search(study="digits-12k", trials=5).trained == 5


def test_a_budget_below_the_smallest_states_the_smallest() -> None:
    with pytest.raises(InputError, match=r"no network of the space fits a budget of 100: "):
        run(budget=100)
    assert not list(Path("studies").glob("*/study.toml"))


def test_a_schedule_that_can_not_run_begins_no_study() -> None:
    recipe = RECIPES["short"].changed(schedule=OneCycleLR(max_lr=0.1, total_steps=1))
    with pytest.raises(InputError, match="the schedule OneCycleLR can't run for 2 epochs"):
        run(recipe=recipe)
    assert not list(Path("studies").glob("*/study.toml"))


def test_timeout() -> None:
    result = run(trials=1000, timeout=1.5)
    assert result.stopped == "timeout"
    assert result.trained < 1000
    assert all(t.state is not TrialState.RUNNING for t in trials_of(result))


def diverging() -> dict[str, Any]:
    space = SMALL.changed(
        arch=SMALL.arch.changed(norm="none"),
        recipe=SMALL.recipe.changed(lr=1e6),
    )
    return {"space": space, "budget": "100k"}


def test_a_nan_fails_its_trial_and_the_study_goes_on() -> None:
    space = diverging()["space"]
    mixed = space.changed(recipe=space.recipe.changed(lr=(1e6, 0.05)))
    result = run(trials=3, space=mixed, budget="100k", sampler="random")
    assert result.trained == 3
    assert result.failed > 0
    assert trials_of(result)[result.best.number if result.best else 0].state is TrialState.COMPLETE


def test_out_of_memory_is_tried_once_with_half_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's own recognition of it is tested in a process that really has none left."""
    from budgetnas.errors import OutOfMemory

    real, batches = engine.train, []

    def train(model: Any, images: Any, recipe: Any, *rest: Any, **named: Any) -> Any:
        batches.append(recipe.batch_size)
        if recipe.batch_size > limit:
            raise OutOfMemory("out of memory: a test")
        yield from real(model, images, recipe, *rest, **named)

    monkeypatch.setattr("budgetnas.train._fit.train", train)
    limit = 32
    result = run(trials=1, budget="100k")
    assert (result.failed, batches) == (0, [64, 32]), "64, not 128: digits are few"
    assert result.best is not None
    drawn = trials_of(result)[result.best.number].user_attrs["recipe"]
    assert json.loads(drawn) == {"batch_size": 32}, "what was trained is what is retrained"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": "13k", "study": "digits-12k"}, "--budget was 12000, now 13000"),
        ({"epochs": 3}, "--epochs was 2, now 3"),
        ({"seed": 1}, "--seed was 0, now 1"),
        ({"sampler": "tpe"}, "--sampler was random, now tpe"),
        ({"pruner": "none"}, "--pruner was halving, now none"),
        ({"train_samples": 100}, "--train-samples was None, now 100"),
        ({"recipe": "full"}, "--recipe label_smoothing was 0.0, now 0.1"),
        ({"recipe": "full", "epochs": None}, "--recipe epochs was 2, now 200"),
        ({"space": Space()}, "--space arch stages was"),
        ({"storage": "sqlite:///other.db"}, "--storage was sqlite:///"),
        ({"dataset": "cifar10", "study": "digits-12k"}, "--dataset was digits, now cifar10"),
        ({"image_size": 16}, "--image-size was 8, now 16"),
        ({"fit": "pad"}, "--fit was crop, now pad"),
        ({"background": "#ffff00"}, "--background was white, now #ffff00"),
    ],
)
def test_a_conflicting_option_shows_both_values(
    options: dict[str, Any], message: str, begun: str
) -> None:
    before = Path("studies/digits-12k/study.toml").read_text()
    with pytest.raises(InputError) as caught:
        run(trials=2, **options)
    assert message in str(caught.value)
    assert "can only be continued as it began" in str(caught.value)
    assert Path("studies/digits-12k/study.toml").read_text() == before


def test_the_same_options_do_not_conflict() -> None:
    options: dict[str, Any] = {
        "recipe": "short", "sampler": "random", "pruner": "halving", "seed": 0, "image_size": 8,
        "fit": "crop", "background": "#FFFFFF",
    }  # fmt: skip
    run(trials=1, **options)
    assert run(trials=2, **options).trained == 2
    assert run(trials=3).trained == 3


def test_study_toml_defines_the_study() -> None:
    run(trials=1, train_samples=500, seed=7)
    config = StudyConfig.read(Path("studies/digits-12k"))
    assert config.budget == Budget.from_text("12k")
    assert (config.facts.train, config.facts.val) == (500, 145)
    assert (config.seed, config.recipe.epochs, config.proposal) == (
        7,
        2,
        Fill(space=SMALL, sampler="random"),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "--trials: must be greater than or equal to 1, got 0"),
        ({"timeout": 0}, "--timeout: must be greater than 0, got 0"),
        ({"epochs": 0}, "--epochs: must be greater than or equal to 1, got 0"),
        ({"train_samples": 5000}, "--train-samples may be at most 1298"),
        ({"train_samples": 9}, "--train-samples must be at least the 10 classes, got 9"),
        ({"sampler": "best"}, "unknown sampler 'best', known: tpe, random, gp, nsga2"),
        ({"pruner": "best"}, "unknown pruner 'best', known: halving, median, none"),
        ({"device": "tpu"}, "--device must be one of auto, cpu"),
        ({"study": "a/b/c"}, "a study's name has letters"),
        ({"storage": "nonsense"}, "--storage must be an SQLAlchemy URL"),
        ({"storage": "sqlite:////no/such/folder/x.db"}, "can't be opened"),
        ({"storage": "postgresql://u:secret@127.0.0.1:9/x"}, "postgresql://u:***@127.0.0.1:9/x"),
    ],
)
def test_what_can_not_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        run(**options)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not list(Path("studies").glob("*/study.toml"))


def test_few_images_make_small_batches_whenever_the_study_is_continued() -> None:
    notices: list[str] = []

    def watch(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)

    few: dict[str, Any] = {"train_samples": 100, "epochs": 2, "budget": "100k"}
    first = run(trials=1, recipe="short", watch=watch, **few)
    batch = "recipe: batches of 16 instead of 128, so that 100 images make 7 steps an epoch"
    assert batch in notices
    assert any("a training has 14 steps, 2 epochs of 7: few" in text for text in notices)
    assert StudyConfig.read(Path("studies") / first.study).recipe.batch_size == 16
    assert run(trials=2, recipe="short", **few).trained == 2
    with pytest.raises(InputError, match=r"--recipe"):
        run(trials=3, recipe="full", **few)
    Path("r.toml").write_text("batch_size = 100\n")
    run(trials=1, recipe="r.toml", study="own", **few)
    assert StudyConfig.read(Path("studies/own")).recipe.batch_size == 100, "at its word"


def test_a_batch_that_the_space_draws_stays() -> None:
    space = Space.parse(
        {"arch": {"stages": 1, "width": [8], "depth": 1}, "recipe": {"batch_size": 90}}, "t"
    )
    result = run(trials=1, space=space, train_samples=100, budget="100k")
    assert json.loads(trials_of(result)[0].user_attrs["recipe"]) == {"batch_size": 90}


@pytest.mark.parametrize("lr", [1e-6, 0.1])
def test_a_search_that_only_guesses_says_so(lr: float) -> None:
    recipe = RECIPES["short"].changed(optimizer=SGD(lr=lr), batch_size=16)
    result = run(trials=2, epochs=2, recipe=recipe, pruner="none", budget="100k", space=SMALL)
    assert result.best is not None
    assert result.only_guesses == (result.best.value <= result.guessing) == (lr < 0.01)
    answer = " ".join(answer_lines(read_report(result.study)))
    assert ("No trial is better than guessing" in answer) == result.only_guesses

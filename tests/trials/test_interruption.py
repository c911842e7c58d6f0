"""Interrupted at any moment, a search goes on as if nothing had happened."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from budgetnas.errors import BudgetnasError, OutOfMemory
from budgetnas.events import EpochEnded, Event, Notice
from budgetnas.study.storage import existing_study
from budgetnas.study.trial_record import Kind, TrialRecord
from budgetnas.train import _engine as engine
from budgetnas.trials import PRUNERS, SAMPLERS
from budgetnas.trials._samplers import NSGAII
from budgetnas.workflows.work import SearchResult
from tests.trials import small
from tests.trials.small import FREE, end_time, replay, trials_in, trials_of


def run(**options: Any) -> SearchResult:
    return small.run(**{**FREE, **options})


def test_a_study_in_pieces_is_the_study_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = replay(run(trials=14, study="whole"))

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 1 and event.trial not in seen:
            seen.add(event.trial)
            raise KeyboardInterrupt

    seen: set[int] = set()
    for _ in range(100):
        try:
            result = run(trials=14, study="pieces", watch=interrupt)
        except KeyboardInterrupt:
            continue
        break
    assert len(seen) == 14, "every trained trial was interrupted once"
    assert replay(result) == whole


@pytest.mark.parametrize("how", ["interrupt", "timeout"])
def test_an_interrupted_trial_goes_on_after_its_last_finished_epoch(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = replay(run(trials=1, epochs=6, budget="100k", study="whole"))
    seen: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, EpochEnded):
            seen.append(event.epoch)
            if event.epoch == 4 and seen.count(4) == 1:
                if how == "interrupt":
                    raise KeyboardInterrupt
                end_time(patched)

    options: dict[str, Any] = {"trials": 1, "epochs": 6, "budget": "100k", "study": "pieces"}
    if how == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            run(**options, watch=watch)
    else:
        with monkeypatch.context() as patched:
            assert run(**options, watch=watch, timeout=3600).stopped == "timeout"
    folder = Path("studies/pieces")
    assert len(list(folder.glob("trial-*.safetensors"))) == 1
    result = run(**options, watch=watch)
    # the epoch that was being judged when the interrupt came is trained again, no other
    assert seen == ([1, 2, 3, 4, 4, 5, 6] if how == "interrupt" else [1, 2, 3, 4, 5, 6])
    assert replay(result) == whole
    assert not list(folder.glob("trial-*.safetensors"))


def test_a_damaged_kept_trial_costs_only_its_epochs() -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"trials": 1, "epochs": 3, "budget": "100k"}
    whole = replay(run(**options, study="whole"))
    with pytest.raises(KeyboardInterrupt):
        run(**options, study="pieces", watch=interrupt)
    (kept,) = Path("studies/pieces").glob("trial-*.safetensors")
    kept.write_bytes(kept.read_bytes()[:100])
    assert replay(run(**options, study="pieces")) == whole


def test_an_interrupted_trial_waits_and_what_was_killed_is_taken_up_again() -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, EpochEnded):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(watch=interrupt)
    with existing_study("digits-12k", "sqlite:///studies/digits-12k/study.db") as study:
        waiting = [t.number for t in study.trials if t.state is TrialState.WAITING]
        assert len(waiting) == 1
        study.ask()  # as a killed search leaves it
    notices: list[str] = []
    result = run(
        watch=lambda event: notices.append(event.text) if isinstance(event, Notice) else None
    )
    assert f"taking up again what was interrupted: trial {waiting[0]}" in notices
    assert {t.state for t in trials_of(result)} <= {TrialState.COMPLETE, TrialState.PRUNED}


def test_the_pruner_judges_a_resumed_trial_where_it_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted between a report and its judgement, a trial is judged at that epoch again."""

    class Hopeless(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return (trial.last_step or 0) >= 2

    monkeypatch.setitem(PRUNERS, "median", lambda *_: Hopeless())

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(trials=1, epochs=4, budget="100k", watch=interrupt)
    result = run(trials=1, epochs=4, budget="100k")
    (trained,) = [t for t in trials_of(result) if TrialRecord(t).kind is Kind.TRAINED]
    assert trained.state is TrialState.PRUNED
    assert trained.user_attrs["epochs"] == 2


# which draw as they do in the middle of a study after two trials
WITHOUT_STARTUP: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=2),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed, n_startup_trials=2),
    "nsga2": lambda seed: NSGAII(seed=seed, population_size=2),
}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_trial_interrupted_while_it_is_drawn_draws_the_same(
    sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"trials": 5, "epochs": 1, "sampler": sampler, "budget": "100k"}
    monkeypatch.setitem(SAMPLERS, sampler, WITHOUT_STARTUP[sampler])
    whole = replay(run(**options, study="whole"))
    set_trial_param = RDBStorage._set_trial_param
    interrupted, drawn = 0, 0

    def interrupt_now_and_then(self: RDBStorage, *arguments: Any) -> None:
        nonlocal interrupted, drawn
        set_trial_param(self, *arguments)
        drawn += 1
        # after one more value each time, until a trial gets through; then after the first again
        if drawn > interrupted % 12:
            interrupted, drawn = interrupted + 1, 0
            raise KeyboardInterrupt

    monkeypatch.setattr(RDBStorage, "_set_trial_param", interrupt_now_and_then)
    for _ in range(100):
        try:
            result = run(**options, study="pieces")
        except KeyboardInterrupt:
            continue
        break
    assert interrupted > 5
    assert replay(result) == whole


def test_what_is_not_the_trials_fault_leaves_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"trials": 2, "epochs": 2, "budget": "100k"}
    whole = replay(run(**options, study="whole"))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("budgetnas.train._checkpoint.write_tensors", full)
        with pytest.raises(BudgetnasError, match="No space left on device; what was finished"):
            run(**options, study="pieces")
    (state,) = {t.state for t in trials_in("pieces")}
    assert state is TrialState.RUNNING
    assert replay(run(**options, study="pieces")) == whole


def test_kept_trials_that_had_ended_are_let_go() -> None:
    run(trials=1, epochs=1, budget="100k")
    ours = ("trial-0-0123abcd.safetensors", "trial-99-0123abcd.safetensors")
    theirs = {"trial-0-export.safetensors", "trial-best.safetensors"}
    for name in (*ours, *theirs):
        Path("studies/digits-100k", name).write_text("")
    Path("studies/digits-100k/.study.toml.x.part").write_text("")
    run(trials=2, epochs=1, budget="100k")
    left = {path.name for path in Path("studies/digits-100k").iterdir()}
    assert left == {"study.toml", "space.toml", "study.db", ".lock", *theirs}


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_verdict_that_was_not_written_down_is_given_again(
    pruner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"trials": 6, "epochs": 9, "pruner": pruner, "budget": "100k"}
    monkeypatch.setitem(
        PRUNERS, "median", lambda *_: optuna.pruners.MedianPruner(n_startup_trials=1)
    )
    whole = replay(run(**options, study="whole"))
    tell, told = optuna.Study.tell, set[int]()

    def interrupted(self: optuna.Study, trial: optuna.Trial, *values: Any, **named: Any) -> Any:
        if trial.number not in told and "epochs" in trial.user_attrs:
            told.add(trial.number)
            raise KeyboardInterrupt
        return tell(self, trial, *values, **named)

    monkeypatch.setattr(optuna.Study, "tell", interrupted)
    for _ in range(10):
        try:
            result = run(**options, study="pieces")
        except KeyboardInterrupt:
            continue
        break
    assert len(told) == 6
    assert replay(result) == whole
    assert any(state is TrialState.PRUNED for _, state, *_ in whole) or pruner == "none"


def test_a_half_batch_stays_half_when_there_is_memory_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, batches, enough = engine.train, list[int](), False

    def train(model: Any, images: Any, recipe: Any, *rest: Any, **named: Any) -> Any:
        batches.append(recipe.batch_size)
        if recipe.batch_size > 32 and not enough:
            raise OutOfMemory("out of memory: a test")
        yield from real(model, images, recipe, *rest, **named)

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("budgetnas.train._fit.train", train)
    with pytest.raises(KeyboardInterrupt):
        run(trials=1, epochs=3, budget="100k", watch=interrupt)
    enough = True
    result = run(trials=1, epochs=3, budget="100k")
    assert batches == [64, 32, 32]
    assert result.best is not None
    assert json.loads(trials_of(result)[result.best.number].user_attrs["recipe"]) == {
        "batch_size": 32
    }


def test_the_kept_epochs_of_another_study_are_not_its_own() -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"trials": 1, "epochs": 3, "budget": "100k"}
    whole = replay(run(**options, study="whole"))
    for name, samples in (("one", None), ("two", 300)):
        with pytest.raises(KeyboardInterrupt):
            run(**options, study=name, train_samples=samples, watch=interrupt)
    (mine,), (other,) = (list(Path("studies", n).glob("trial-*")) for n in ("one", "two"))
    assert mine.name != other.name
    mine.write_bytes(other.read_bytes())
    notices: list[str] = []
    result = run(
        **options, study="one",
        watch=lambda event: notices.append(event.text) if isinstance(event, Notice) else None,
    )  # fmt: skip
    assert any(n.endswith("of another training; its trial begins again") for n in notices)
    assert replay(result) == whole

"""Interrupted at any moment, a search goes on as if nothing had happened."""

import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from budgetnas.events import EpochEnded, Event, Notice
from budgetnas.searching.samplers import PRUNERS, SAMPLERS
from budgetnas.study.storage import existing_study
from budgetnas.study.trials import Kind, kind_of
from tests.searching.small import replay, run, trials_in, trials_of


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
def test_an_interrupted_trial_goes_on_after_its_last_finished_epoch(how: str) -> None:
    whole = replay(run(trials=1, epochs=6, budget="100k", study="whole"))
    seen: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, EpochEnded):
            seen.append(event.epoch)
            if event.epoch == 4 and seen.count(4) == 1:
                if how == "interrupt":
                    raise KeyboardInterrupt
                time.sleep(3)

    options: dict[str, Any] = {"trials": 1, "epochs": 6, "budget": "100k", "study": "pieces"}
    if how == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            run(**options, watch=watch)
    else:
        assert run(**options, watch=watch, timeout=3).stopped == "timeout"
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

    monkeypatch.setitem(PRUNERS, "median", lambda _: Hopeless())

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(trials=1, epochs=4, budget="100k", watch=interrupt)
    result = run(trials=1, epochs=4, budget="100k")
    (trained,) = [t for t in trials_of(result) if kind_of(t) is Kind.TRAINED]
    assert trained.state is TrialState.PRUNED
    assert trained.user_attrs["epochs"] == 2


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_trial_interrupted_while_it_is_drawn_draws_the_same(
    sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"trials": 4, "epochs": 1, "sampler": sampler, "budget": "100k"}
    whole = replay(run(**options, study="whole"))
    set_trial_param, stored = RDBStorage._set_trial_param, []

    def interrupt_now_and_then(self: RDBStorage, *arguments: Any) -> None:
        set_trial_param(self, *arguments)
        stored.append(arguments)
        if len(stored) % 3 == 0:  # with several values of a trial drawn, others not
            raise KeyboardInterrupt

    monkeypatch.setattr(RDBStorage, "_set_trial_param", interrupt_now_and_then)
    interrupted = 0
    for _ in range(100):
        try:
            result = run(**options, study="pieces")
        except KeyboardInterrupt:
            interrupted += 1
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
        patched.setattr("budgetnas.searching.kept.write_tensors", full)
        with pytest.raises(OSError, match="No space left"):
            run(**options, study="pieces")
    (state,) = {t.state for t in trials_in("pieces")}
    assert state is TrialState.RUNNING
    assert replay(run(**options, study="pieces")) == whole


def test_kept_trials_that_had_ended_are_let_go() -> None:
    run(trials=1, epochs=1, budget="100k")
    for name in ("trial-0-0123abcd", "trial-99-0123abcd", "trial-x-0123abcd"):
        Path(f"studies/digits-100k/{name}.safetensors").write_text("")
    Path("studies/digits-100k/.study.toml.x.part").write_text("")
    run(trials=2, epochs=1, budget="100k")
    left = {path.name for path in Path("studies/digits-100k").iterdir()}
    assert left == {"study.toml", "study.db", ".lock"}

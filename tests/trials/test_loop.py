"""The loop with an executor that trains nothing: who is drawn, judged, counted, tried again."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.trial import TrialState

from budgetnas.arch import Arch, count_params
from budgetnas.errors import SearchFailed
from budgetnas.events import EpochEnded, Event, TrialEnded
from budgetnas.executors import (
    Broke,
    CheckpointDamaged,
    Decision,
    Failed,
    ProcessExited,
    describe_training,
)
from budgetnas.recipe import Recipe
from budgetnas.space import Axis, Cell, Fill, Free, Grid, Overrides, Race, Space
from budgetnas.study.trial_record import Kind
from budgetnas.trials import PRUNERS, SAMPLERS
from budgetnas.trials import _loop as loop
from tests.trials.scripted import ONE, Scripted, always, config_of, fuller_is_better
from tests.trials.small import SMALL

LEARNS = always(0.3, 0.5, 0.7)


def test_a_search_ends_at_exactly_n_trained_trials_and_then_does_nothing() -> None:
    study = Scripted()
    assert study.run(LEARNS, trials=5) == "trials"
    assert study.kinds.count(Kind.TRAINED) == 5
    assert [event.tally.trained for event in study.ended if event.kind is Kind.TRAINED] == [
        1, 2, 3, 4, 5,
    ]  # fmt: skip
    before = study.trials
    assert study.run(LEARNS, trials=4) == "trials"
    assert study.submitted == []
    assert study.run(LEARNS, trials=5) == "trials"
    assert study.trials == before


def test_a_trained_trial_has_its_measurements_and_the_last_epochs_value() -> None:
    study = Scripted()
    study.run({0: [0.3, 0.5, 0.7]}, trials=1)
    (trial,) = study.trials
    assert trial.state is TrialState.COMPLETE
    assert trial.value == 0.7
    assert trial.intermediate_values == {1: 0.3, 2: 0.5, 3: 0.7}
    said = trial.user_attrs
    assert (said["val_accuracy"], said["epochs"]) == (0.7, 3)
    arch = Arch.from_json(said["arch"])
    assert said["excess"] == said["params"] - 12_000 == count_params(arch) - 12_000 <= 0
    assert study.executor.decisions == [
        (0, 1, Decision.CONTINUE), (0, 2, Decision.CONTINUE), (0, 3, Decision.STOP),
    ]  # fmt: skip


def test_nothing_over_the_budget_is_ever_submitted() -> None:
    study = Scripted(config_of(proposal=Free(space=SMALL, presets=False)))
    study.run(LEARNS, trials=8)
    assert study.kinds.count(Kind.TRAINED) == 8
    over = [
        t for t, kind in zip(study.trials, study.kinds, strict=True) if kind is Kind.OVER_BUDGET
    ]
    assert over, "or nothing is rejected"
    for trial in over:
        assert trial.state is TrialState.PRUNED
        assert trial.user_attrs["excess"] > 0
        assert trial.constraints["params"] > 0
        assert not trial.intermediate_values
    assert not {trial.number for trial in over} & set(study.submitted)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.parametrize("proposal", [Fill, Free])
def test_every_sampler_with_every_pruner_and_proposal(
    sampler: str, pruner: str, proposal: type[Fill] | type[Free]
) -> None:
    made = proposal(space=SMALL, sampler=sampler, presets=False)
    study = Scripted(config_of(pruner=pruner, proposal=made))
    assert study.run(lambda job: [0.5, 0.6, 0.7], trials=4) == "trials"
    assert study.kinds.count(Kind.TRAINED) == 4


def test_halving_stops_what_is_not_in_the_best_third_at_a_rung() -> None:
    """Of 3 epochs of 82 steps the first is a rung; the first two trials pass it."""
    study = Scripted()
    study.run({0: [0.5, 0.6, 0.7], 1: [0.9, 0.9, 0.9], 2: [0.6], 3: [0.95, 0.95, 0.9]}, trials=4)
    assert [trial.state for trial in study.trials] == [
        TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE,
    ]  # fmt: skip
    assert study.kinds == [Kind.TRAINED] * 4, "a trial that was stopped early counts"
    assert study.trials[2].user_attrs["epochs"] == 1
    assert [event.pruned for event in study.ended] == [False, False, True, False]


def test_a_rung_at_which_all_guess_stops_nobody() -> None:
    study = Scripted()
    study.run(always(0.1, 0.09, 0.1), trials=4)
    assert all(trial.state is TrialState.COMPLETE for trial in study.trials)


def test_duplicates_are_never_submitted_and_end_a_search_that_finds_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert loop.REJECTED_IN_A_ROW == 1_000
    monkeypatch.setattr(loop, "REJECTED_IN_A_ROW", 100)
    study = Scripted(config_of(proposal=Free(space=ONE, presets=False)))
    assert study.run(LEARNS, trials=3) == "exhausted"
    assert study.kinds == [Kind.TRAINED, *[Kind.DUPLICATE] * 100]
    assert {trial.user_attrs.get("duplicate_of") for trial in study.trials} == {None, 0}


def test_what_is_being_trained_is_not_trained_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REJECTED_IN_A_ROW", 6)
    study = Scripted(config_of(proposal=Free(space=ONE, presets=False)))
    assert study.run(LEARNS, trials=3, slots=2) == "exhausted"
    ended = [event.kind for event in study.ended]
    assert ended == [*[Kind.DUPLICATE] * 6, Kind.TRAINED, *[Kind.DUPLICATE] * 6]
    assert {trial.user_attrs.get("duplicate_of") for trial in study.trials} == {None, 0}


# each opens one field that has no effect beside the others
WITHOUT_EFFECT: dict[str, dict[str, Any]] = {
    "an unused shortcut kernel": {"arch": {"shortcut_kernel": [1, 3, 5, 7, 9]}},
    "a reduction to the same middle": {"arch": {"se": "block", "se_reduction": [8, 9, 15, 99]}},
    "a reduction of no gate": {"arch": {"se": "none", "se_reduction": [2, 4, 8]}},
    "a batch beyond the images": {"recipe": {"batch_size": [2000, 3000, 4000]}},
    "the limit of no clipping": {"recipe": {"clip": "off", "clip_limit": [0.1, 0.5, 1.0]}},
    "the steps of no lookahead": {"recipe": {"lookahead": False, "lookahead_k": [3, 4, 5]}},
}
FIXED = {"stages": 1, "width": 8, "depth": 1, "block": "basic", "se": "none", "shortcut_kernel": 1}


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_fields_without_effect_make_duplicates(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REJECTED_IN_A_ROW", 6)
    opened = WITHOUT_EFFECT[name]
    space = Space.parse(
        {"arch": FIXED | opened.get("arch", {}), "recipe": opened.get("recipe", {})}, "test"
    )
    study = Scripted(config_of(proposal=Free(space=space, presets=False)))
    assert study.run(LEARNS, trials=2) == "exhausted"
    assert study.kinds == [Kind.TRAINED, *[Kind.DUPLICATE] * 6]


def test_a_field_with_effect_makes_none() -> None:
    space = Space.parse({"arch": FIXED, "recipe": {"batch_size": [100, 150]}}, "test")
    study = Scripted(config_of(proposal=Free(space=space, presets=False)))
    assert study.run(LEARNS, trials=2) == "trials"
    assert {job.recipe.batch_size for job in study.executor.submitted} == {100, 150}


def test_five_failures_in_a_row_end_the_search() -> None:
    study = Scripted()
    with pytest.raises(SearchFailed, match="5 trials in a row failed, the last one: it diverged"):
        study.run(always(0.1, Failed("it diverged", memory=False)), trials=9)
    assert study.kinds == [Kind.FAILED] * 5
    assert {trial.user_attrs["failure"] for trial in study.trials} == {"it diverged"}


def test_a_failure_does_not_count_and_a_trained_trial_ends_the_row() -> None:
    study, jobs = Scripted(), itertools.count()
    failed = Failed("it diverged", memory=False)
    study.run(lambda job: [failed] if next(jobs) % 5 else [0.3, 0.5, 0.7], trials=3)
    assert [kind for kind in study.kinds if kind is not Kind.DUPLICATE] == [
        Kind.TRAINED, *[Kind.FAILED] * 4, Kind.TRAINED, *[Kind.FAILED] * 4, Kind.TRAINED,
    ]  # fmt: skip


def test_out_of_memory_is_tried_once_with_half_the_batch() -> None:
    lacking = Failed("out of memory: a test", memory=True)
    study = Scripted()
    study.run({0: [lacking, 0.3, 0.5, 0.7]}, trials=1)
    assert [job.recipe.batch_size for job in study.executor.submitted] == [16, 8]
    assert json.loads(study.trials[0].user_attrs["recipe"]) == {"batch_size": 8}, (
        "what was trained is what is retrained"
    )
    other = Scripted()
    with pytest.raises(SearchFailed, match="out of memory"):
        other.run(always(lacking, lacking), trials=2)
    assert len(other.executor.submitted) == 2 * 5


def test_after_an_epoch_out_of_memory_is_a_failure() -> None:
    """Another training must not add to its epochs."""
    study = Scripted()
    lacking = Failed("out of memory: a test", memory=True)
    study.run({0: [0.3, lacking], 1: [0.3, 0.5, 0.7]}, trials=1)
    assert study.kinds == [Kind.FAILED, Kind.TRAINED]


def test_half_a_batch_stays_half_when_the_trial_is_taken_up_again() -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, EpochEnded):
            raise KeyboardInterrupt

    study = Scripted()
    with pytest.raises(KeyboardInterrupt):
        study.run({0: [Failed("out of memory", memory=True), 0.3]}, trials=1, watch=interrupt)
    study.run({0: [0.3, 0.5, 0.7]}, trials=1)
    assert [job.recipe.batch_size for job in study.executor.submitted] == [8]


def test_an_unknown_error_stops_the_search_and_is_written_down() -> None:
    study = Scripted()
    with pytest.raises(ZeroDivisionError):
        study.run({0: [Broke(ZeroDivisionError("what nobody expected"))]})
    (trial,) = study.trials
    assert trial.user_attrs["failure"] == "ZeroDivisionError: what nobody expected"


def test_what_is_not_the_trials_fault_leaves_it_open() -> None:
    study = Scripted()
    with pytest.raises(OSError, match="No space left"):
        study.run({0: [Broke(OSError(28, "No space left on device"))]})
    assert study.kinds == [Kind.OPEN]
    study.run({0: [0.3, 0.5, 0.7]}, trials=1)
    assert study.kinds == [Kind.TRAINED]
    assert study.notices == ["taking up again what was interrupted: trial 0"]


def test_a_trial_whose_process_exits_is_taken_up_again_under_its_number() -> None:
    study = Scripted()
    study.run({0: [0.3, ProcessExited("SIGKILL"), 0.5, 0.7]}, trials=1)
    assert study.submitted == [0, 0]
    assert study.kinds == [Kind.TRAINED]
    job = study.executor.submitted[0]
    what = describe_training(job.arch, job.recipe, 1_298, study.config.numerics)
    assert study.notices == [
        f"the process of trial 0 died of SIGKILL ({what}): the trial is taken up again"
    ]


def test_a_trial_whose_processes_keep_exiting_fails() -> None:
    study = Scripted()
    exits = ProcessExited("SIGSEGV")
    study.run({0: [exits, exits, exits], 1: [0.3, 0.5, 0.7]}, trials=1)
    assert study.kinds == [Kind.FAILED, Kind.TRAINED]
    failure = study.trials[0].user_attrs["failure"]
    assert failure.startswith("its process died 3 times, the last time of SIGSEGV (")


class Killed(BaseException):
    """Ends a run as a signal would: nothing is written any more."""


def test_a_trial_that_crashes_the_whole_process_is_named_and_fails_the_third_time() -> None:
    study, fault = Scripted(), "Segmentation fault"

    def die(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.trial == 0:
            raise Killed

    for crash in (None, fault, fault):
        with pytest.raises(Killed):
            study.run(LEARNS, trials=1, crash=crash, watch=die)
        assert study.trials[0].state is TrialState.RUNNING
    assert study.run(LEARNS, trials=1, crash=fault, watch=die) == "trials"
    assert study.kinds == [Kind.FAILED, Kind.TRAINED]
    named = f"the process of trial 0 died of {fault} ("
    assert len([text for text in study.notices if text.startswith(named)]) == 2
    failure = study.trials[0].user_attrs["failure"]
    assert failure.startswith(f"its process died 3 times, the last time of {fault} (")


def test_a_process_that_is_killed_without_a_fault_is_no_fault_of_the_trial() -> None:
    study = Scripted()

    def die(event: Event) -> None:
        if isinstance(event, EpochEnded):
            raise Killed

    for _ in range(4):
        with pytest.raises(Killed):
            study.run(LEARNS, trials=1, watch=die)
    assert study.run(LEARNS, trials=1) == "trials"
    assert study.kinds == [Kind.TRAINED]
    assert not any("died" in text for text in study.notices)


def test_a_damaged_checkpoint_is_a_notice() -> None:
    study = Scripted()
    study.run({0: [CheckpointDamaged("x: damaged; its trial begins again"), 0.3, 0.5, 0.7]}, 1)
    assert study.notices == ["x: damaged; its trial begins again"]
    assert study.kinds == [Kind.TRAINED]


def test_at_the_timeout_every_running_trial_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    study = Scripted(config_of(recipe=Recipe(epochs=30, batch_size=16), pruner="none"))
    clock = SimpleNamespace(monotonic=lambda: len(study.events))  # an event takes a second
    monkeypatch.setattr(loop, "time", clock)
    assert study.run(always(*[0.5] * 30), trials=50, slots=2, deadline=12) == "timeout"
    assert study.kinds == [Kind.OPEN, Kind.OPEN]
    suspended = [t for t, _, decision in study.executor.decisions if decision is Decision.SUSPEND]
    assert sorted(suspended) == [0, 1]
    assert [len(trial.intermediate_values) for trial in study.trials] == [7, 6]
    assert study.run(always(*[0.5] * 30), trials=2) == "trials"
    assert [len(trial.intermediate_values) for trial in study.trials] == [30, 30]


def test_after_the_deadline_nothing_begins() -> None:
    study = Scripted()
    assert study.run(LEARNS, deadline=-1.0) == "timeout"
    assert not study.trials


@pytest.mark.parametrize("slots", [1, 2])
def test_a_callback_stops_as_a_timeout_does(slots: int) -> None:
    study, whole = Scripted(), Scripted()
    whole.run(fuller_is_better, trials=8)
    seen = set[int]()

    def stop(event: Event) -> str | None:
        if not (isinstance(event, EpochEnded) and event.epoch == 2 and event.trial not in seen):
            return None
        seen.add(event.trial)
        return "stop"

    for _ in range(8):
        if study.run(fuller_is_better, trials=8, slots=slots, watch=stop) == "trials":
            break
        suspended = {
            trial for trial, _, how in study.executor.decisions if how is Decision.SUSPEND
        }
        assert suspended >= seen - {event.number for event in study.ended}
        assert study.kinds.count(Kind.OPEN) <= slots
    assert study.run(fuller_is_better, trials=8) == "trials"
    assert study.kinds.count(Kind.TRAINED) == 8
    if slots == 1:
        assert study.drawn == whole.drawn


@pytest.mark.parametrize("error", [ValueError("mine"), OSError("mine"), SystemExit(3)])
@pytest.mark.parametrize("kind", [EpochEnded, TrialEnded])
def test_what_a_callback_raises_is_no_trials_fault(
    kind: type[Event], error: BaseException
) -> None:
    study, whole = Scripted(), Scripted()
    whole.run(fuller_is_better)

    def broken(event: Event) -> None:
        if isinstance(event, kind) and len(study.ended) == (1 if kind is EpochEnded else 2):
            raise error

    with pytest.raises(type(error), match=r"mine|3"):
        study.run(fuller_is_better, watch=broken)
    assert Kind.FAILED not in study.kinds
    assert study.kinds[0] is Kind.TRAINED
    assert study.run(fuller_is_better) == "trials"
    assert study.drawn == whole.drawn


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("proposal", [Fill, Free])
def test_interrupted_at_every_epoch_it_is_the_search_in_one(
    sampler: str, proposal: type[Fill] | type[Free]
) -> None:
    seen = set[tuple[int, int]]()

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochEnded) and (event.trial, event.epoch) not in seen:
            seen.add((event.trial, event.epoch))
            raise KeyboardInterrupt

    config = config_of(proposal=proposal(space=SMALL, sampler=sampler, presets=False))
    whole, pieces = Scripted(config), Scripted(config)
    whole.run(fuller_is_better, trials=8)
    for _ in range(100):
        try:
            pieces.run(fuller_is_better, trials=8, watch=interrupt)
        except KeyboardInterrupt:
            continue
        break
    assert len({number for number, _ in seen}) == 8
    assert pieces.drawn == whole.drawn


def test_an_epoch_that_was_reported_before_the_interruption_is_not_reported_again() -> None:
    study = Scripted()

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.run({0: [0.3, 0.5]}, trials=1, watch=interrupt)
    assert study.trials[0].state is TrialState.WAITING
    study.run({0: [0.9, 0.9, 0.7]}, trials=1)
    assert study.trials[0].intermediate_values == {1: 0.3, 2: 0.5, 3: 0.7}


def test_a_second_worker_begins_before_the_first_has_ended() -> None:
    study = Scripted()
    study.run(LEARNS, trials=4, slots=2)
    assert study.kinds.count(Kind.TRAINED) == 4
    begun = [trial for trial, epoch, _ in study.executor.decisions if epoch == 1]
    assert begun[:2] == [0, 1]
    first_ends = study.executor.decisions.index((0, 3, Decision.STOP))
    assert (1, 1, Decision.CONTINUE) in study.executor.decisions[:first_ends]


def test_no_more_trials_begin_than_are_missing() -> None:
    study = Scripted()
    study.run(LEARNS, trials=3, slots=8)
    assert study.kinds == [Kind.TRAINED] * 3


RECIPE = Recipe(epochs=2)


def grid_of(cells: int, seeds: int, race: Race | None = None) -> Grid:
    networks = [
        Arch.model_validate({"in_channels": 1, "block": "basic", "stem_width": 8,
                             "stages": [{"width": width, "depth": 1}]})
        for width in range(8, 8 + cells)
    ]  # fmt: skip
    names = [f"width {arch.stages[0].width}" for arch in networks]
    axis = Axis(name="network", values=tuple(names))
    made = [
        Cell(values={"network": name}, arch=arch, recipe=RECIPE)
        for name, arch in zip(names, networks, strict=True)
    ]
    return Grid(axes=(axis,), cells=tuple(made), seeds=seeds, race=race)


def test_a_grid_trains_each_configuration_with_each_seed_and_ends() -> None:
    study = Scripted(config_of(proposal=grid_of(3, 2)))
    assert study.run(always(0.5, 0.6), trials=0) == "trials"
    assert study.kinds == [Kind.TRAINED] * 6
    seeds = [job.seed for job in study.executor.submitted]
    assert seeds[:3] == [seeds[0]] * 3 != seeds[3:] == [seeds[3]] * 3, "the same for all"


def test_a_failed_configuration_of_a_grid_is_an_answer() -> None:
    study = Scripted(config_of(proposal=grid_of(6, 2)))
    study.run(always(Failed("it diverged", memory=False)), trials=0)
    assert study.kinds == [Kind.FAILED] * 12


def test_a_race_leaves_out_who_is_shown_to_be_worse() -> None:
    study = Scripted(config_of(proposal=grid_of(3, 4, Race())))
    values = {0: 0.9, 1: 0.88, 2: 0.2}
    study.run(lambda job: [0.1, values[job.trial % 3] + job.trial / 1_000], trials=0)
    assert study.kinds == [*[Kind.TRAINED] * 6, *[Kind.TRAINED, Kind.TRAINED, Kind.OUT] * 2]
    assert study.trials[8].user_attrs["out_of_race"]["after"] == 2


def test_a_round_of_a_race_waits_for_the_one_before() -> None:
    study = Scripted(config_of(proposal=grid_of(3, 3, Race())))
    study.run(always(0.5, 0.6), trials=0, slots=4)
    ends = {trial: at for at, (trial, _, decision) in enumerate(study.executor.decisions)
            if decision is Decision.STOP}  # fmt: skip
    begins: dict[int, int] = {}
    for at, (trial, *_) in enumerate(study.executor.decisions):
        begins.setdefault(trial, at)
    for later, earlier in itertools.product(range(3, 9), range(9)):
        if later // 3 > earlier // 3:
            assert begins[later] > ends[earlier]


def test_recipe_fields_that_a_space_opens_reach_the_job() -> None:
    space = Space.parse({"arch": FIXED, "recipe": {"batch_size": 90}}, "test")
    study = Scripted(config_of(proposal=Free(space=space, presets=False)))
    study.run(LEARNS, trials=1)
    (job,) = study.executor.submitted
    assert job.recipe == Overrides(batch_size=90).apply(study.config.recipe)


def test_checkpoints_of_trials_that_have_ended_are_removed(tmp_path: Path) -> None:
    study = Scripted(folder=tmp_path)
    for name in ("trial-0-0123abcd.safetensors", "trial-99-0123abcd.safetensors"):
        (tmp_path / name).write_text("")
    others = {"trial-0-export.safetensors", "trial-best.safetensors"}
    for name in others:
        (tmp_path / name).write_text("")
    study.run(LEARNS, trials=1)
    assert {path.name for path in tmp_path.iterdir()} == others

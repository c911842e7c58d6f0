"""Several trials at once, in real worker processes: exactly N, whatever becomes of a worker."""

import os
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from budgetnas.arch import PRESETS, Arch
from budgetnas.data.images import ImageSet
from budgetnas.errors import BudgetnasError
from budgetnas.events import EpochEnded, Estimated, Event, Notice
from budgetnas.executors import WorkersChoice, _process, describe_training, measure_workers
from budgetnas.recipe import RECIPES, Numerics, Recipe
from budgetnas.seeds import derive_seed
from budgetnas.study import StudyConfig
from budgetnas.study.trial_record import Kind, TrialRecord
from budgetnas.train import TrainingData
from budgetnas.trials import _loop as loop
from budgetnas.workflows.begin import checked_split
from tests.trials.processes import is_gone, kill, workers_of
from tests.trials.small import end_time, run, trials_of
from tests.workflows.test_run import FILE, RATES, measured
from tests.workflows.test_run import run as run_grid

PRESET = Arch.model_validate(
    {"in_channels": 1, "block": "basic", "stem_width": 8, "stages": [{"width": 8, "depth": 1}]}
)


class Killer:
    """Kills all workers at an epoch of the first trial that is heard of, some times."""

    def __init__(self, times: int, after: int) -> None:
        self.times, self.after = times, after
        self.first: int | None = None
        self.notices: list[str] = []
        self.seen: set[int] = set()

    def __call__(self, event: Event) -> None:
        match event:
            case EpochEnded(trial=trial, epoch=epoch) if self.first in (None, trial):
                self.first = trial
                self.seen |= {*workers_of(os.getpid())}
                if self.times and epoch >= self.after:
                    self.times -= 1
                    kill(workers_of(os.getpid()))
            case Notice(text=text):
                self.notices.append(text)


def trained(listed: list[optuna.trial.FrozenTrial]) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in listed if TrialRecord(trial).kind is Kind.TRAINED]


def alone(trial: optuna.trial.FrozenTrial, digits: ImageSet) -> list[float | None]:
    """What the trial's epochs measure if nothing else is trained, nor has been interrupted."""
    config = StudyConfig.read(Path("studies/digits-100k"))
    parts = checked_split(digits, config.seed, config.train_samples)
    data = TrainingData(digits.take(parts.train), digits.take(parts.val), config.numerics)
    arch = Arch.from_json(trial.user_attrs["arch"])
    seed = derive_seed(config.seed, "trial", trial.number)
    return [epoch.val_loss for epoch in data.train(arch, config.recipe, seed)]


def described(trial: optuna.trial.FrozenTrial) -> tuple[Arch, Recipe, int, Numerics]:
    """What the trial trains, and how."""
    config = StudyConfig.read(Path("studies/digits-100k"))
    drawn = Arch.from_json(trial.user_attrs["arch"])
    return drawn, config.recipe, config.facts.train, config.numerics


@pytest.mark.parametrize(
    ("images", "batches"),
    [
        (81, "batches of 81"), (128, "batches of 128"), (256, "batches of 128"),
        (155, "batches of 128 and a last one of 27"),
    ],
)  # fmt: skip
def test_a_death_is_described_by_what_was_computed(images: int, batches: str) -> None:
    arch = PRESETS["modified-resnet-small"]
    numerics = Numerics(dtype="bfloat16", threads=2)
    said = describe_training(arch, RECIPES["short"], images, numerics)
    assert said == f"{arch}, {batches}, bfloat16, channels last, 2 threads"


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing_but_time(digits: ImageSet) -> None:
    killer = Killer(times=1, after=2)
    result = run(trials=3, epochs=3, budget="100k", workers=2, watch=killer)
    listed = trials_of(result)
    assert (result.trained, result.failed, result.stopped) == (3, 0, "trials")
    assert len(trained(listed)) == 3
    assert killer.first is not None
    died = describe_training(*described(listed[killer.first]))
    assert " and a last one of " in died
    named = f"the process of trial {killer.first} died of SIGKILL ({died})"
    assert f"{named}: the trial is taken up again" in killer.notices
    for trial in trained(listed):
        curve = trial.user_attrs["curves"]["val_loss"]
        assert curve == alone(trial, digits)[: len(curve)], "bit for bit"
    assert killer.seen
    assert all(map(is_gone, killer.seen))
    left = {path.name for path in Path("studies/digits-100k").iterdir()}
    assert left == {"study.toml", "space.toml", "study.db", ".lock"}


@pytest.mark.slow
def test_a_trial_whose_workers_keep_dying_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loop.DEATHS == 3
    monkeypatch.setattr(loop, "DEATHS", 2)  # starting processes takes long
    killer = Killer(times=2, after=1)
    result = run(trials=2, epochs=2, budget="100k", workers=2, watch=killer)
    failed = [t for t in trials_of(result) if TrialRecord(t).kind is Kind.FAILED]
    assert result.trained == 2
    assert killer.first in {trial.number for trial in failed}
    for trial in failed:
        died = describe_training(*described(trial))
        reason = f"its process died 2 times, the last time of SIGKILL ({died})"
        assert trial.user_attrs["failure"] == reason


def test_at_the_timeout_every_running_trial_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[int, list[int]] = {}

    def watch(event: Event) -> None:
        if isinstance(event, EpochEnded):
            seen.setdefault(event.trial, []).append(event.epoch)

    def watch_until_both_run(event: Event) -> None:
        watch(event)
        if len(seen) == 2:
            end_time(patched)

    options: dict[str, Any] = {"epochs": 15, "pruner": "none"}
    with monkeypatch.context() as patched:
        result = run(trials=50, **options, workers=2, timeout=3600, watch=watch_until_both_run)
    assert result.stopped == "timeout"
    states = [t.state for t in trials_of(result)]
    kept = list(Path("studies/digits-12k").glob("trial-*.safetensors"))
    assert states.count(optuna.trial.TrialState.WAITING) == len(kept) == 2
    assert run(trials=result.trained + 2, **options, watch=watch).stopped == "trials"
    assert {tuple(epochs) for epochs in seen.values()} == {tuple(range(1, 16))}, "none twice"


@pytest.mark.estimate
def test_a_grid_of_several_workers_is_the_grid_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, Estimated):
            threads.append(event.workers)

    axis = RATES.replace("0.1]", "0.1, 1e6]")  # one of them diverges

    def outcome(workers: int) -> list[Any]:
        result = run_grid(FILE + axis, workers=workers, watch=watch)
        return [
            (t.number, t.state, t.params, t.value, t.intermediate_values, measured(t))
            for t in trials_of(result)
        ]

    whole = outcome(1)
    Path("one").mkdir()
    monkeypatch.chdir("one")
    assert outcome(2) == whole
    assert threads == [1, 2]


def test_a_worker_that_can_not_start_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = "a worker process must get ready to train, it died of exit status 1: no such machine"
    with monkeypatch.context() as patched:
        patched.setattr(_process, "_PROGRAM", "import sys; sys.exit('no such machine')")
        with pytest.raises(BudgetnasError, match=rule):
            run(trials=2, workers=2)
    assert not workers_of(os.getpid())
    assert run(trials=2, workers=1).trained == 2


def test_how_many_workers_are_fastest_is_measured(digits: ImageSet) -> None:
    choice = measure_workers(
        PRESET, RECIPES["short"], digits, Numerics(threads=2), torch.device("cpu"), seconds=0.3
    )
    assert set(choice.rates) == {1, 2}
    assert min(choice.rates.values()) > 0
    assert choice.workers in (1, 2)
    assert choice.threads == 2 // choice.workers
    faster = choice.rates[2] / choice.rates[1]
    assert (choice.workers == 2) == (faster >= 1.05)
    assert f"{faster:.2f}x" in choice.describe()
    assert not workers_of(os.getpid())


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (
            WorkersChoice(2, {1: 100.0, 2: 131.0}, {1: 2, 2: 1}),
            "workers: 2 of 1 thread each, 1.31x the images a second of one of 2 threads",
        ),
        (
            WorkersChoice(1, {1: 100.0, 2: 98.0}, {1: 2, 2: 1}),
            "workers: one; 2 would give 0.98x",
        ),
        (
            WorkersChoice(2, {1: 10.0, 2: 20.0, 3: 19.0}, {1: 4, 2: 4, 3: 4}, devices=4),
            "workers: 2 on each of 4 GPUs of 4 threads each, 2.00x the images a second "
            "of one of 4 threads; 3 would give 1.90x",
        ),
    ],
)
def test_a_choice_says_why(choice: WorkersChoice, words: str) -> None:
    assert choice.describe() == f"{words} (measured)"

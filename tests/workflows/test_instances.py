"""Optuna's samplers and pruners, given as they are: what is recorded, and what is replayed."""

import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.pruners import BasePruner, MedianPruner, PatientPruner
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from budgetnas import InputError, plan, search
from budgetnas.events import EpochEnded, Event
from budgetnas.space import Fill
from budgetnas.study import StudyConfig
from budgetnas.study.options import INSTANCES, SearchOptions
from budgetnas.trials._samplers import _reseed
from tests.conftest import Program
from tests.trials.scripted import Scripted, config_of, fuller_is_better
from tests.trials.small import SMALL, replay, run

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(autouse=True)
def _given_to_no_other() -> None:
    INSTANCES.clear()


class Impatient(BasePruner):
    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return True


def qmc() -> QMCSampler:
    return QMCSampler(scramble=True, seed=5, warn_independent_sampling=False)


def test_a_study_records_the_class_and_its_parameters() -> None:
    pruner = PatientPruner(MedianPruner(n_startup_trials=2), patience=3)
    options = SearchOptions.of(budget="12k", sampler=qmc(), pruner=pruner)
    assert options.sampler == (
        "QMCSampler(qmc_type='sobol', scramble=True, independent_sampler=RandomSampler(), "
        "warn_independent_sampling=False)"
    )
    assert options.pruner.startswith(
        "PatientPruner(wrapped_pruner=MedianPruner(n_startup_trials=2"
    )
    assert options.pruner.endswith("patience=3, min_delta=0.0)")
    assert options.changed(trials=3).sampler == options.sampler
    for wrong in ("QMCSampler()", QMCSampler, 3, SimpleNamespace(sample_relative=print)):
        with pytest.raises(InputError, match=r"--sampler: unknown sampler .*, known: tpe, random"):
            SearchOptions.of(budget="12k", sampler=wrong)


def test_a_study_is_continued_with_one_like_it(budgetnas: Program) -> None:
    asked: dict[str, Any] = {"epochs": 1, "pruner": "none"}
    whole = replay(run(trials=4, study="whole", sampler=qmc(), **asked))
    run(trials=2, study="pieces", sampler=qmc(), **asked)
    INSTANCES.clear()
    from_python = r"the study's sampler, QMC.*given from Python.*sampler=QMCSampler\("
    config = StudyConfig.read(Path("studies/pieces"))
    assert isinstance(config.proposal, Fill)
    for _ in range(2):
        with pytest.raises(InputError, match=from_python):
            search(study="pieces", trials=4)
        INSTANCES[config.proposal.sampler] = qmc()  # of another search: it must still be given
    for other in (TPESampler(), QMCSampler(scramble=False)):
        with pytest.raises(
            InputError, match=r"--sampler was QMCSampler\(.*, now (TPE|QMC)Sampler"
        ):
            search(study="pieces", trials=4, sampler=other)
    assert replay(search(study="pieces", trials=4, sampler=qmc())) == whole
    asked_again = budgetnas("search", "--study", "pieces", "--trials", 5)
    assert "given from Python" in asked_again.complaint()
    assert budgetnas("best", "--study", "pieces").status == 0


def test_a_pruner_of_users_own_prunes() -> None:
    result = run(trials=2, pruner=Impatient(), study="impatient")
    assert (result.trained, result.pruned, result.best) == (2, 2, None)
    with pytest.raises(InputError, match=r"the study's pruner, Impatient\(\), was given from Py"):
        search(study="impatient", trials=3)
    outlook = plan("12k", dataset="digits", pruner=Impatient(), epochs=4, trials=10)
    assert outlook.saved == 0.75


class Broken(BasePruner, RandomSampler):
    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        raise ZeroDivisionError("by my mistake\nof yesterday")

    def sample_relative(self, *arguments: Any) -> dict[str, Any]:
        raise LookupError("nothing found")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (
            {"sampler": Broken()},
            r"--sampler: Broken\(.*\) fails in a trial: LookupError: nothing f",
        ),
        (
            {"sampler": optuna.samplers.GridSampler({"x": [1, 2]})},
            r"--sampler: GridSampler\(.*\) fails in a trial: ValueError: The parameter name",
        ),
        (
            {"pruner": Broken()},
            r"--pruner: Broken\(.*\) fails in a trial: ZeroDivisionError: by my mistake$",
        ),
    ],
)
def test_one_that_fails_begins_no_study(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        run(trials=2, study="broken", **given)
    assert not Path("studies/broken").exists()


SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "random": RandomSampler,
    "tpe": lambda: TPESampler(multivariate=True, group=True, n_startup_trials=2),
    "nsga3": lambda: optuna.samplers.NSGAIIISampler(population_size=4),
    "qmc": qmc,
}


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_a_sampler_that_is_reseeded_goes_on_exactly(name: str) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, EpochEnded) and (event.trial, event.epoch) not in seen:
            seen.add((event.trial, event.epoch))
            raise KeyboardInterrupt

    seen = set[tuple[int, int]]()
    drawn = []
    for watch in (lambda event: None, interrupt):
        sampler = SearchOptions.of(budget="12k", sampler=SAMPLERS[name]()).sampler
        study = Scripted(config_of(proposal=Fill(space=SMALL, sampler=sampler, presets=False)))
        for _ in range(100):
            try:
                study.run(fuller_is_better, trials=8, watch=watch)
            except KeyboardInterrupt:
                INSTANCES[sampler] = SAMPLERS[name]()  # as in another process
                continue
            break
        drawn.append(study.drawn)
    assert seen
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("name", SAMPLERS)
def test_all_generators_of_a_sampler_are_reseeded(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samplers = [SAMPLERS[name]() for _ in range(3)]
    drawn = []
    for sampler, seed in zip(samplers, (1, 1, 2), strict=True):
        study = optuna.create_study(sampler=_reseed(sampler, seed))
        drawn.append(study.ask().suggest_float("x", 0, 1))
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_plain_generator_is_replaced() -> None:
    sampler: Any = RandomSampler()
    sampler._mine = np.random.default_rng(3)
    values = [_reseed(sampler, seed)._mine.random() for seed in (1, 1, 2)]  # type: ignore[attr-defined]
    assert values[0] == values[1] != values[2]

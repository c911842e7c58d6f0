"""What a person does to a study through Optuna: trials added, and values enqueued."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from budgetnas.errors import InputError
from budgetnas.events import Notice
from budgetnas.report import read_report
from budgetnas.study.begun import find_begun
from budgetnas.study.trial_record import Kind, TrialRecord
from budgetnas.workflows.retrain import retrain
from budgetnas.workflows.run import run_study
from budgetnas.workflows.search import search
from budgetnas.workflows.work import SearchResult
from tests.trials.small import run, trials_of

STUDY = "digits-12k"


def opened(name: str = STUDY) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=f"sqlite:///studies/{name}/study.db")


def add_foreign(name: str = STUDY) -> None:
    """Add a trial that claims more than any network here can reach, and says nothing else."""
    opened(name).add_trial(create_trial(state=TrialState.COMPLETE, value=0.999))


def drawn(result: SearchResult) -> list[dict[str, Any]]:
    return [
        trial.params for trial in trials_of(result) if TrialRecord(trial).kind is not Kind.FOREIGN
    ]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_trial_that_was_added_is_left_out_by_number(sampler: str) -> None:
    alone = run(trials=4, study="alone", sampler=sampler)
    run(trials=2, sampler=sampler)
    add_foreign()
    notices: list[str] = []
    result = search(
        study=STUDY, trials=4,
        watch=lambda event: notices.append(event.text) if isinstance(event, Notice) else None,
    )  # fmt: skip
    assert any(notice.startswith("trial 2: added by another program") for notice in notices)
    assert (result.trained, len(trials_of(result))) == (4, 5)
    assert result.best is not None
    assert result.best.number != 2
    assert drawn(result) == drawn(alone), "it changes nothing of what is proposed"


def test_what_reads_a_study_leaves_it_out() -> None:
    run(trials=1)
    add_foreign()
    search(study=STUDY, trials=2)
    assert [trial.number for trial in find_begun(STUDY).trials()] == [0, 2]
    report = read_report(STUDY)
    assert report.counts.trained == 2
    assert report.best is not None
    assert report.best["mean"] < 0.999
    with pytest.raises(InputError, match="trial 1 of study 'digits-12k' was added by another"):
        retrain("1", study=STUDY)
    with pytest.raises(InputError, match="has trials 0 to 2, got 3"):
        retrain("3", study=STUDY)
    assert retrain("best", study=STUDY, epochs=1).trial in (0, 2)


def test_enqueued_values_are_trained() -> None:
    run(trials=1)
    wanted = {"block": "preact", "stages": 1, "depth_1": 2, "fill": 0.9}
    opened().enqueue_trial(wanted)
    result = search(study=STUDY, trials=2)
    trial = trials_of(result)[1]
    assert trial.params.items() >= wanted.items()
    assert TrialRecord(trial).kind is Kind.TRAINED
    whole = run(trials=2, study="alone")
    assert drawn(search(study=STUDY, trials=3))[2] == drawn(whole)[1], "it takes no turn"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"block": "nonesuch"}, "block must be one of basic, preact, got 'nonesuch'"),
        ({"stages": "two"}, "stages must be one of 1, 2, got 'two'"),
        ({"depth_1": 10**9}, "depth_1 must be one of 1, 2, got 1000000000"),
        ({"fill": -4}, "fill must be a number from 0.8 to 1, got -4"),
        ({"fil": 0.9}, "fil=0.9: unknown name, drawn: block, "),
    ],
)
def test_enqueued_values_that_can_not_be_fail_with_their_reason(
    values: dict[str, Any], reason: str
) -> None:
    run(trials=1)
    opened().enqueue_trial(values)
    result = search(study=STUDY, trials=2)
    failed = trials_of(result)[1]
    assert TrialRecord(failed).kind is Kind.FAILED
    assert reason in failed.user_attrs["failure"]
    assert (result.trained, result.failed) == (2, 1)


def test_many_of_them_do_not_end_the_search() -> None:
    run(trials=1)
    for number in range(6):
        opened().enqueue_trial({"block": f"nonesuch {number}"})
    result = search(study=STUDY, trials=2)
    assert (result.trained, result.failed) == (2, 6)


GRID = """\
command = "budgetnas run studies/rates"
time = { cpu = "seconds", gpu = "seconds" }
question = "Does the learning rate matter?"
arch = { depths = [1], widths = [8] }
recipe = { base = "short", epochs = 1 }
budget = "20k"
seeds = 2
data = { dataset = "digits", train_samples = 100 }

[[grid]]
name = "learning rate"
field = "recipe.optimizer.lr"
values = [0.05, 0.1]
"""


def test_a_grid_is_trained_whole_all_the_same() -> None:
    folder = Path("studies/rates")
    folder.mkdir(parents=True)
    (folder / "study.toml").write_text(GRID)
    name = run_study(folder, timeout=1e-9).study
    add_foreign(name)
    opened(name).enqueue_trial({"learning rate": "0.1"})
    result = run_study(folder)
    kinds = [TrialRecord(trial).kind for trial in trials_of(result)]
    assert (kinds.count(Kind.TRAINED), kinds.count(Kind.FAILED)) == (4, 1)
    measured = read_report(name).summary
    assert measured["n"].tolist() == [2, 2]

"""One transaction for all that an event of a trial writes: all or nothing."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy import Connection, event
from sqlalchemy.exc import SQLAlchemyError

from budgetnas.study.storage import connected, one_transaction, open_study
from tests.commits import commits_of
from tests.conftest import environment


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.fixture
def study(url: str) -> Iterator[optuna.Study]:
    with connected(url) as storage:
        yield open_study("s", storage)


def end(study: optuna.Study, trial: optuna.Trial) -> None:
    """Draw, describe, constrain and end a trial, with a look at the study in between."""
    trial.suggest_int("width", 4, 8)
    trial.set_user_attr("params", 12)
    trial.set_constraint("params", -0.5)
    assert study.get_trials()[trial.number].user_attrs["params"] == 12, "it sees what it wrote"
    study.tell(trial, 0.5)


def seen_elsewhere(url: str, number: int) -> optuna.trial.FrozenTrial:
    with connected(url) as storage:
        return optuna.load_study(study_name="s", storage=storage).get_trials()[number]


def assert_untouched(trial: optuna.trial.FrozenTrial) -> None:
    assert trial.state is TrialState.RUNNING
    assert not trial.params
    assert not trial.user_attrs
    assert not trial.system_attrs


def test_it_commits_once_and_nobody_sees_a_part(study: optuna.Study, url: str) -> None:
    trial = study.ask()
    with commits_of(study) as commits:
        with one_transaction(study):
            end(study, trial)
            assert commits == []
            assert_untouched(seen_elsewhere(url, 0))
        assert len(commits) == 1
        study.ask()
        assert len(commits) == 2, "afterwards each write is its own again"
    ended = seen_elsewhere(url, 0)
    assert (ended.state, ended.value, ended.params) == (TrialState.COMPLETE, 0.5, trial.params)
    assert (ended.user_attrs, ended.constraints) == ({"params": 12}, {"params": -0.5})
    assert study.get_trials()[0] == ended


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_raises_leaves_nothing(
    error: type[BaseException], study: optuna.Study, url: str
) -> None:
    trial = study.ask()

    def interrupted() -> None:
        with one_transaction(study):
            end(study, trial)
            raise error

    with pytest.raises(error):
        interrupted()
    assert_untouched(study.get_trials()[0])
    assert_untouched(seen_elsewhere(url, 0))
    study.tell(trial, 0.25)
    assert seen_elsewhere(url, 0).value == 0.25


def test_a_disk_that_is_full_at_the_commit_leaves_nothing(study: optuna.Study) -> None:
    trial = study.ask()

    def full(_: Connection) -> None:
        raise SQLAlchemyError("database or disk is full")

    engine = study._storage._backend.engine  # type: ignore[attr-defined]
    event.listen(engine, "commit", full)
    with pytest.raises(SQLAlchemyError, match="full"), one_transaction(study):
        end(study, trial)
    event.remove(engine, "commit", full)
    assert_untouched(study.get_trials()[0])
    study.tell(trial, 0.25)
    assert study.get_trials()[0].value == 0.25


@pytest.mark.parametrize("goes_on", [True, False])
def test_what_optuna_rolls_back_is_rolled_back_whole(goes_on: bool, study: optuna.Study) -> None:
    """Nobody who catches the error may go on to write a half."""
    trial = study.ask()

    def write() -> None:
        with one_transaction(study):
            trial.set_user_attr("params", 12)
            with suppress(KeyError):
                study._storage.get_trial_user_attrs(99)
            if goes_on:
                trial.set_user_attr("macs", 13)

    with pytest.raises(StorageInternalError):
        write()
    assert_untouched(study.get_trials()[0])


KILLED = """
import os, signal, sys
from sqlalchemy import event
from budgetnas.study.storage import connected, one_transaction, open_study

with connected(sys.argv[1]) as storage:
    study = open_study("s", storage)
    event.listen(storage.engine, "commit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
    with one_transaction(study):
        study._storage.set_trial_user_attr(study.get_trials()[0]._trial_id, "params", 12)
        study.tell(0, 0.5)
"""


def test_killed_before_its_commit_it_leaves_nothing(study: optuna.Study, url: str) -> None:
    study.ask()
    done = subprocess.run([sys.executable, "-c", KILLED, url], env=environment(), check=False)
    assert done.returncode == -signal.SIGKILL
    assert_untouched(seen_elsewhere(url, 0))


def test_it_is_this_threads_alone(study: optuna.Study, url: str) -> None:
    mine, another = study.ask(), study.ask()
    thread = threading.Thread(target=lambda: another.set_user_attr("params", 1))

    def interrupted() -> None:
        with one_transaction(study):
            thread.start()
            thread.join()
            mine.set_user_attr("params", 2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert seen_elsewhere(url, another.number).user_attrs == {"params": 1}
    assert_untouched(seen_elsewhere(url, mine.number))


def test_there_is_none_within_another(study: optuna.Study) -> None:
    trial = study.ask()

    def nested() -> None:
        with one_transaction(study):
            trial.set_user_attr("params", 12)
            with one_transaction(study):
                trial.set_user_attr("macs", 13)

    with pytest.raises(RuntimeError, match="within another"):
        nested()
    assert_untouched(study.get_trials()[0])


def test_other_storages_are_as_they_were() -> None:
    study = optuna.create_study(direction="maximize")
    with one_transaction(study):
        end(study, study.ask())
    assert study.best_value == 0.5

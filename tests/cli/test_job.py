"""The main job, end to end, as a user types it: search, interrupt, continue, retrain, look."""

import http.client
import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from budgetnas.study.storage import existing_study
from tests.conftest import Program

SEARCH = ("search", "--budget", "100k", "--dataset", "digits", "--epochs", 3)
Start = Callable[..., "subprocess.Popen[str]"]


def test_from_a_budget_to_a_tested_network(budgetnas: Program) -> None:
    found = budgetnas(*SEARCH, "--trials", 3, "--json").json()
    assert set(found) == {
        "study", "storage", "trained", "pruned", "over_budget", "duplicates", "failed",
        "stopped", "best", "epochs", "epochs_in_full", "guessing",
        "metric", "largest_class",
    }  # fmt: skip
    assert set(found["best"]) == {"number", "value", "params", "arch"}
    assert found["storage"] == f"sqlite:///{Path('studies/digits-100k/study.db').resolve()}"
    assert not list(Path().rglob("test-openings.jsonl"))
    text = budgetnas(*SEARCH, "--trials", 3)
    assert text.out.startswith(
        f"Study digits-100k: 3 trials trained ({found['pruned']} stopped early)"
    )
    assert f"Epochs: {found['epochs']} of 9; stopping early has saved" in text.out
    assert "Next: budgetnas retrain best --study digits-100k" in text.out
    run = budgetnas("retrain", "best", "--epochs", 2, "--json").json()
    assert {"run", "params", "test_accuracy", "test_loss"} <= set(run)
    assert run["params"] == found["best"]["params"]
    assert 0 <= run["test_accuracy"] <= 1
    assert run["arch"] == found["best"]["arch"]
    assert len(Path("studies/digits-100k/test-openings.jsonl").read_text().splitlines()) == 1


def test_what_a_user_reads(budgetnas: Program) -> None:
    ended = budgetnas(*SEARCH, "--trials", 2)
    assert "for 2 trials (CPU" in ended.err
    trials = [line for line in ended.err.splitlines() if line.startswith("trial ")]
    assert len(trials) == 2
    assert "%" in trials[0]
    assert "params" in trials[0]
    retrained = budgetnas("retrain", "best", "--epochs", 2)
    assert "Test accuracy" in retrained.out
    assert "opening the test set (opening 1 for this study)" in retrained.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_search_says_how_to_go_on(
    budgetnas: Program, started: Start, number: int
) -> None:
    process = started(*SEARCH, "--trials", 500)
    database = Path("studies/digits-100k/study.db")
    wait_for(lambda: database.exists() and count_trials() >= 3)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("Interrupted. ")
    again = "budgetnas search --budget 100k --dataset digits --epochs 3 --trials 500"
    assert last.endswith(f"To continue: {again}")
    states = trial_states()
    assert "RUNNING" not in states
    trained = states.count("COMPLETE")
    assert budgetnas(*SEARCH, "--trials", trained + 1, "--json").json()["trained"] == trained + 1


def test_a_killed_search_is_continued(budgetnas: Program, started: Start) -> None:
    process = started(*SEARCH, "--trials", 500)
    wait_for(lambda: Path("studies/digits-100k/study.db").exists() and count_trials() >= 3)
    busy = budgetnas(*SEARCH, "--trials", 1).complaint()
    assert f"it is held by process {process.pid}" in busy
    process.kill()
    process.wait()
    result = budgetnas(*SEARCH, "--trials", 6, "--json").json()
    assert result["trained"] >= 6
    assert "RUNNING" not in trial_states()


def test_an_interrupted_retraining_says_how_to_go_on(budgetnas: Program, started: Start) -> None:
    process = started("retrain", "resnet56", "--dataset", "digits", "--epochs", 40)
    wait_for(lambda: bool(list(Path().glob("runs/*/checkpoint.safetensors"))))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    last = err.splitlines()[-1]
    (folder,) = Path("runs").iterdir()
    assert last.endswith(f"budgetnas retrain resnet56 --resume --out {folder}")
    assert not (folder / "result.json").exists()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def trial_states() -> list[str]:
    with existing_study("digits-100k", "sqlite:///studies/digits-100k/study.db") as study:
        return [trial.state.name for trial in study.trials]


def count_trials() -> int:
    try:
        with closing(sqlite3.connect("studies/digits-100k/study.db", timeout=10)) as connection:
            found = connection.execute("select count(*) from trial_values").fetchone()
    except sqlite3.OperationalError:
        return 0  # the tables are still being made
    return int(found[0])


@pytest.fixture
def dashboard(budgetnas: Program, started: Start) -> int:
    """A dashboard on a small study; its port."""
    assert budgetnas(*SEARCH, "--trials", 2).status == 0
    process = started("dashboard", "--port", 0)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("Study digits-100k: http://127.0.0.1:")
    return int(line.split("127.0.0.1:")[1].split("/")[0])


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_the_dashboard_shows_the_study_to_this_machine_only(dashboard: int) -> None:
    status, body = ask(dashboard, "/api/studies")
    assert status == 200
    (study,) = json.loads(body)["study_summaries"]
    assert study["study_name"] == "digits-100k"
    assert ask(dashboard, "/dashboard/")[0] == 200
    assert ask(dashboard, "/api/studies", Host=f"localhost:{dashboard}")[0] == 200
    for host in ("evil.example", f"evil.example:{dashboard}", "127.0.0.1.evil.example"):
        status, body = ask(dashboard, "/api/studies", Host=host)
        assert status == 403
        assert b"digits" not in body
    for origin in ("http://evil.example", "null"):
        assert ask(dashboard, "/api/studies/1", "DELETE", Origin=origin)[0] == 403
    assert (
        b"digits-100k" in ask(dashboard, "/api/studies", Origin=f"http://127.0.0.1:{dashboard}")[1]
    )


def test_what_the_system_refuses_is_one_line(budgetnas: Program) -> None:
    Path("studies").write_text("")
    words = ("search", "--budget", "100k", "--dataset", "digits", "--trials", 1)
    assert "studies" in budgetnas(*words).complaint()
    assert "File name too long" in budgetnas("count", "a" * 300 + ".json").complaint()


def test_a_damaged_database_is_one_line(budgetnas: Program) -> None:
    assert budgetnas(*SEARCH, "--trials", 1).status == 0
    database = Path("studies/digits-100k/study.db")
    content = bytearray(database.read_bytes())
    content[20_000:100_000] = b"\xff" * 80_000
    database.write_bytes(content)
    for words in ([*SEARCH, "--trials", 2], ["retrain", "best"], ["dashboard"]):
        ended = budgetnas(*words)
        assert ended.status in (1, 2), ended.err
        assert ended.out == ""
        assert "Traceback" not in ended.err
        assert "the storage sqlite:///" in ended.err.splitlines()[-1]

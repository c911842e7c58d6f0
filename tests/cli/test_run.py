"""Study files from the command line: run, interrupted, continued, reported."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from budgetnas.errors import InputError
from budgetnas.study.storage import existing_study
from tests.conftest import Program

FILE = """
question = "Which rate?"
command = "budgetnas run studies/rates"
time = { cpu = "seconds", gpu = "seconds" }
claim = "The <larger> one."
arch = { depths = [1, 1], widths = [8, 16] }
seeds = 2
confusion = true
data = { dataset = "digits" }

[[grid]]
name = "rate"
field = "recipe.optimizer.lr"
values = [0.01, 0.1]

[[grid]]
name = "clip"
field = "recipe.clip"
values = { off = "none", on = { name = "norm", limit = 1.0 } }

[quick]
epochs = 3
train_samples = 300
"""
RUN = ("run", "studies/rates", "--quick")
NAME = "rates/quick-digits"


def write(text: str = FILE) -> None:
    path = Path("studies/rates/study.toml")
    path.parent.mkdir(parents=True)
    path.write_text(text)


def trained() -> int:
    with (
        suppress(InputError),  # not there yet
        existing_study(NAME, f"sqlite:///studies/{NAME}/study.db") as study,
    ):
        return sum(trial.state.name == "COMPLETE" for trial in study.trials)
    return 0


def test_a_study_file_is_run_and_reported(budgetnas: Program) -> None:
    write()
    refused = budgetnas("report", "studies/rates").complaint()
    assert "nothing has been trained yet" in refused
    ended = budgetnas(*RUN)
    assert ended.status == 0, ended.err
    assert "trial    0" in ended.err
    assert "rate 0.01, clip off, seed 0" in ended.err
    first, best = ended.out.splitlines()[:2]
    assert first.startswith("Study rates/quick-digits: 8 trials trained (0 stopped early)")
    assert re.match(r"Best: .*\(mean of n = 2 seeds", best)
    assert ended.out.splitlines()[-1] == "Next: budgetnas report studies/rates/quick-digits"
    reported = budgetnas("report", "studies/rates")
    assert reported.status == 0, reported.err
    assert best in reported.out
    page = Path("studies/rates/quick-digits/report.html").read_text()
    assert "Which rate?" in page
    assert "The &lt;larger&gt; one." in page
    assert "3 epochs instead of 9" in page
    assert "budgetnas run studies/rates --quick" in page
    assert not re.search(r"""<(script|link|img)[^>]+(src|href)=["']?http""", page)
    os.mkfifo("pipe")
    for taken in ("studies/rates/study.toml", f"studies/{NAME}/study.db", "pipe", "."):
        complaint = budgetnas("report", NAME, "--out", taken).complaint()
        assert f"--out must be a new file or a report, got {taken}" in complaint
    answer = budgetnas("report", NAME, "--json").json()
    assert answer["report"].endswith("report.html")
    assert not list(Path().rglob("test-openings.jsonl"))


def test_the_same_command_again_goes_on_and_then_does_nothing(
    budgetnas: Program, started: Callable[..., "subprocess.Popen[str]"]
) -> None:
    write()
    process = started(*RUN)
    deadline = time.monotonic() + 120
    while trained() < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    last = err.splitlines()[-1]
    assert last.startswith("Interrupted. ")
    assert last.endswith("To continue: budgetnas run studies/rates --quick")
    partly = budgetnas("report", "studies/rates", "--json").json()
    assert partly["study"] == NAME
    done = budgetnas(*RUN, "--json").json()
    assert (done["study"], done["trained"], done["stopped"]) == (NAME, 8, "trials")
    assert budgetnas(*RUN, "--json").json() == done
    assert json.loads(json.dumps(done["best"]))["value"] <= 1


def test_a_study_that_trains_nothing_counts(budgetnas: Program) -> None:
    write(
        FILE.replace("seeds = 2", "train = false\nbudget = '10k'").replace("confusion = true", "")
    )
    ended = budgetnas("run", "rates")
    assert ended.status == 0, ended.err
    heading, first, *_ = ended.out.splitlines()
    assert heading.split() == ["network", "params", "MACs", "at", "most", "10,000"]
    assert first.endswith("fits")
    counted = budgetnas("run", "rates", "--json").json()
    assert [net["feasible"] for net in counted["networks"]] == [True] * 4
    reported = budgetnas("report", "rates")
    assert reported.status == 0, reported.err
    assert budgetnas("report", "--study", "rates").out == reported.out
    assert [path.name for path in Path("studies/rates").iterdir()] != ["study.toml"]

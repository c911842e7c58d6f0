"""``budgetnas fidelity`` as it is typed: interrupted, continued, printed."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from budgetnas.errors import InputError
from budgetnas.study import Fidelity
from tests.conftest import Program
from tests.trials.small import run, trials_in

WORDS = ("fidelity", "--study", "digits-12k", "--archs", 5, "--short", 1, "--epochs", 2)


def trained() -> int:
    with suppress(InputError):  # not there yet
        return sum(t.state.name == "COMPLETE" for t in trials_in("digits-12k/fidelity"))
    return 0


def test_interrupted_it_says_what_goes_on_and_then_prints_a_table(
    budgetnas: Program, forked: Program, started: Callable[..., "subprocess.Popen[str]"]
) -> None:
    found = run(trials=1, train_samples=100, epochs=1)
    process = started(*WORDS)
    deadline = time.monotonic() + 120
    while not trained():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1].endswith(f"To continue: budgetnas {' '.join(map(str, WORDS))}")
    ended = budgetnas(*WORDS)
    assert ended.status == 0, ended.err
    first, heading, *rows = ended.out.splitlines()
    assert first == (
        "Study digits-12k: 5 of 5 architectures measured short and in full (2 epochs of full), "
        "n = 1 seed each"
    )
    assert heading.split()[:4] == ["epochs", "of", "full", "criterion"]
    assert rows[0].split()[:4] == ["1", "50.0%", "validation", "accuracy"]
    assert rows[4].startswith("Rule: recommended is the fewest epochs")
    assert rows[-1] == "Next: budgetnas report studies/digits-12k"
    kept = Fidelity.read(Path("studies/digits-12k"))
    assert kept is not None
    assert forked(*WORDS, "--json").json() == json.loads(kept.model_dump_json())
    assert forked("report", found.study).out.splitlines()[-2] == rows[-2]

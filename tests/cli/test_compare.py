"""``budgetnas compare`` as it is typed: interrupted, continued, printed."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from budgetnas.errors import InputError
from budgetnas.study import Comparison
from tests.conftest import Program
from tests.trials.small import run, trials_in

WORDS = ("compare", "--study", "digits-12k", "--seeds", 2, "--epochs", 2, "--random", 1)


def trained() -> int:
    with suppress(InputError):  # not there yet
        return sum(t.state.name == "COMPLETE" for t in trials_in("digits-12k/comparison"))
    return 0


def test_interrupted_it_says_what_goes_on_and_then_prints_a_table(
    budgetnas: Program, forked: Program, started: Callable[..., "subprocess.Popen[str]"]
) -> None:
    run(trials=2, train_samples=100, epochs=1)
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
    heading, winner, *lines = ended.out.splitlines()
    assert heading.split()[:5] == ["network", "recipe", "params", "MACs", "n"]
    assert winner.split()[:2] == ["winner", "full"]
    assert lines[0].split()[0] == "efficient-resnet"
    assert "over budget" in lines[0]
    assert [line.partition(":")[0] for line in lines[-5:]] == [
        "recipe", "architecture", "search", "luck", "Next",
    ]  # fmt: skip
    kept = Comparison.read(Path("studies/digits-12k"))
    assert kept is not None
    assert forked(*WORDS, "--json").json() == json.loads(kept.model_dump_json())

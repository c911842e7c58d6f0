"""A measurement that fails costs a notice, never the job."""

from typing import Any

import pytest
import torch

from budgetnas.errors import BudgetnasError, OutOfMemory
from budgetnas.events import Estimated, Event, Notice
from budgetnas.executors import _sizing
from budgetnas.train import _numerics as numerics
from budgetnas.workflows import work as work
from tests.trials.small import run

pytestmark = pytest.mark.estimate

FAILURES = [
    BudgetnasError("a worker process must train to be timed, it died of SIGSEGV"),
    OutOfMemory("out of memory: timing a training"),
    RuntimeError("could not create a primitive\nwith a second line"),
    ZeroDivisionError(),
]


def searched(**options: Any) -> tuple[int, list[str], int]:
    notices, estimates = list[str](), list[Event]()

    def watch(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)
        if isinstance(event, Estimated):
            estimates.append(event)

    result = run(trials=1, epochs=1, budget="6k", watch=watch, **options)
    return result.trained, notices, len(estimates)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_search_goes_on_without(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(_sizing, "measure_workers", fail)
    monkeypatch.setattr(work, "estimate_seconds", fail)
    monkeypatch.setattr(numerics, "measured_numerics", fail)
    monkeypatch.setattr(numerics, "_read", lambda: None)
    trained, notices, estimates = searched(workers="auto")
    reason = (str(failure).splitlines() or [type(failure).__name__])[0]
    assert (trained, estimates) == (1, 0)
    assert [text for text in notices if text.endswith(f": {reason}")] == [
        f"workers: one; they can't be measured: {reason}",
        f"arithmetic: float32; the fastest cannot be measured here: {reason}",
        f"how long it will take is not known, a training can't be timed: {reason}",
    ]


@pytest.mark.parametrize("place", [(_sizing, "measure_workers"), (work, "estimate_seconds")])
def test_an_interruption_still_interrupts(
    place: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(*place, interrupt)
    with pytest.raises(KeyboardInterrupt):
        searched(workers="auto")


def test_arithmetic_that_was_not_measured_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(numerics, "_read", lambda: None)
    monkeypatch.setattr(numerics, "_write", fail)
    monkeypatch.setattr(numerics, "measured_numerics", fail)
    chosen = numerics.choose_numerics(torch.device("cpu"))
    assert (chosen.dtype, chosen.channels_last, chosen.captured) == ("float32", False, False)

"""What is written of a trial is what is read of it."""

import optuna
from optuna.trial import TrialState

from budgetnas.arch import Budget
from budgetnas.metric import Measurements
from budgetnas.space import Overrides
from budgetnas.study.trial_record import Kind, TrialRecord, TrialWriter
from tests.analysis.made import SMALL

LIMITS = {Budget(limit=1_000): -300, Budget(limit=50, cost="macs"): 20}
MEASURED: Measurements = {
    "val_accuracy": 0.5, "val_balanced_accuracy": 0.4, "val_loss": 1.5, "epochs": 2,
    "selected_epoch": 1, "curves": {"val_loss": [1.5, 1.6]}, "right": "gA==", "confusion": [[1]],
}  # fmt: skip


def begun() -> tuple[optuna.Study, optuna.Trial]:
    study = optuna.create_study(direction="maximize")
    trial = study.ask()
    writer = TrialWriter(trial)
    writer.drawn(SMALL, Overrides(batch_size=64), "a-preset")
    writer.counted(700, 70, LIMITS)
    return study, trial


def test_what_is_drawn_and_counted() -> None:
    study, trial = begun()
    for record in (TrialRecord.of(trial), TrialRecord(study.trials[0])):
        assert (record.is_drawn, record.is_counted, record.kind) == (True, True, Kind.OPEN)
        assert (record.arch, record.overrides) == (SMALL, Overrides(batch_size=64))
        assert record.arch_json == SMALL.to_json()
        assert (record.params, record.cost("macs"), record.cost("bytes-8")) == (700, 70, None)
        assert (record.excess(), record.excess("macs"), record.excess("bytes-8")) == (-300, 20, 0)
    assert trial.constraints == {"params": -0.3, "macs": 0.4}
    study.tell(trial, state=TrialState.PRUNED)
    assert TrialRecord(study.trials[0]).kind is Kind.OVER_BUDGET


def test_what_is_measured() -> None:
    study, trial = begun()
    TrialWriter(trial).trained(MEASURED, 3.00049)
    study.tell(trial, 0.5)
    record = TrialRecord(study.trials[0])
    record.check()
    assert (record.is_completed, record.is_stopped, record.epochs) == (True, False, 2)
    assert (record.measured(), record.measured("balanced"), record.val_loss) == (0.5, 0.4, 1.5)
    assert record.numbers == {
        "params": 700, "macs": 70, "val_accuracy": 0.5, "val_balanced_accuracy": 0.4,
        "val_loss": 1.5, "epochs": 2, "seconds": 3.0, "selected_epoch": 1,
    }  # fmt: skip
    correct = record.correct(3)
    assert correct is not None
    assert correct.tolist() == [True, False, False]
    assert (record.curves, record.confusion) == (MEASURED["curves"], MEASURED["confusion"])


def test_what_becomes_of_it() -> None:
    study, trial = begun()
    writer = TrialWriter(trial)
    writer.digest("abc")
    writer.died(2)
    writer.halved(Overrides(batch_size=32))
    writer.duplicate(7)
    writer.eliminated({"after": 2})
    writer.failed("no memory")
    record = TrialRecord(study.trials[0])
    assert (record.digest, record.deaths, record.duplicate_of) == ("abc", 2, 7)
    assert (record.eliminated_after, record.failure) == (2, "no memory")
    assert (record.is_halved, record.overrides.batch_size) == (True, 32)

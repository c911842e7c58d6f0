"""Which epoch a run keeps: on held-out images, or on the test part, and then said everywhere."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from budgetnas import events
from budgetnas.data import TEST_LOG
from budgetnas.data.images import ImageSet, measure_statistics, split
from budgetnas.errors import InputError
from budgetnas.events import Event, RunEpochEnded, RunStarted
from budgetnas.runs import RunConfig, hold_out, load_run
from budgetnas.runs._training import run_history
from budgetnas.train import Evaluation, Normalizer, evaluate, place, read_tensors, write_tensors
from budgetnas.workflows.retrain import retrain
from tests.conftest import Program, environment
from tests.runs.runs import interrupted_after, notices_of, preset, read_csv, weights

ROOT = Path(__file__).parents[2]

WRECKED = """
epochs = 4
lookahead = "none"
schedule = { name = "MultiStepLR", milestones = [3], gamma = 30.0 }
"""
"""A recipe whose last epoch wrecks the network: the best epoch is one before."""

BEST: list[dict[str, Any]] = [{"select": "best-val"}, {"select": "best-test"}]


@pytest.fixture
def wrecked() -> dict[str, Any]:
    Path("r.toml").write_text(WRECKED)
    return {"epochs": 4, "recipe": "r.toml"}


def curve(run: str, column: str) -> list[float]:
    return [float(row[column]) for row in read_csv(Path(run) / "metrics.csv")]


def openings() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("runs", TEST_LOG).read_text().splitlines()]


def measured(run: str, images: ImageSet) -> Evaluation:
    """What the weights that a run kept say of images."""
    config = RunConfig.read(Path(run))
    model, _ = load_run(run)
    cpu = torch.device("cpu")
    model = place(model, config.numerics, cpu)
    normalize = Normalizer(config.statistics, config.numerics, cpu)
    return evaluate(model, images, normalize, config.numerics, config.recipe.batch_size)


def same_weights(first: str, second: str) -> bool:
    return Path(first, "weights.safetensors").read_bytes() == (
        Path(second, "weights.safetensors").read_bytes()
    )


def test_best_val_keeps_the_epoch_that_is_best_on_what_is_held_out(
    digits: ImageSet, wrecked: dict[str, Any]
) -> None:
    opened, sizes = [], []

    def watch(event: Event) -> None:
        match event:
            case RunStarted(images=images):
                sizes.append(images)
            case RunEpochEnded(val_accuracy=val, test_accuracy=test):
                opened.append(Path("runs", TEST_LOG).exists())
                assert (val is not None, test) == (True, None)

    result = preset(select="best-val", seed=3, watch=watch, **wrecked)
    parts = split(digits.labels, 3)
    assert sizes == [len(parts.train)]
    assert opened == [False] * 4, "the test part is opened after the last epoch"
    (opening,) = openings()
    assert "every_epoch" not in opening
    accuracies = curve(result.run, "val_accuracy")
    assert result.selected_epoch == 1 + accuracies.index(max(accuracies)) < 4
    held_out = measured(result.run, digits.take(parts.val))
    assert held_out.accuracy == max(accuracies)
    assert held_out.loss == pytest.approx(curve(result.run, "val_loss")[result.selected_epoch - 1])
    config = RunConfig.read(Path(result.run))
    assert config.statistics == measure_statistics(digits.take(parts.train).images)
    assert (result.select, result.test_selected) == ("best-val", False)
    assert (result.last_test_accuracy, result.last_test_loss) == (None, None)


def test_best_val_holds_out_what_the_study_validates_on(digits: ImageSet, study: str) -> None:
    result, notices = notices_of(retrain, epochs=1, select="best-val")
    assert any("best-val: 145 of 1,443 training images are held out" in n for n in notices)
    _, val = hold_out(digits, "best-val", RunConfig.read(Path(result.run)).seed)
    assert val is not None
    assert val.fingerprint() == digits.take(split(digits.labels, 0).val).fingerprint()
    assert result.study == study


def test_best_test_keeps_the_epoch_that_is_best_on_the_test_and_says_so(
    wrecked: dict[str, Any],
) -> None:
    result, notices = notices_of(preset, select="best-test", **wrecked)
    accuracies, losses = (curve(result.run, f"test_{what}") for what in ("accuracy", "loss"))
    assert result.selected_epoch == 1 + accuracies.index(max(accuracies)) < 4
    assert result.test_accuracy == max(accuracies)
    assert result.test_loss == pytest.approx(losses[result.selected_epoch - 1])
    assert (result.last_test_accuracy, result.last_test_loss) == (accuracies[-1], losses[-1])
    predictions = read_csv(Path(result.run, "predictions.csv"))
    right = sum(row["class"] == row["prediction"] for row in predictions)
    assert right / len(predictions) == result.test_accuracy, "tables are of the selected epoch"
    said = json.loads(Path(result.run, "result.json").read_text())
    assert (said["test_selected"], said["select"]) == (True, "best-test")
    assert any(n.startswith("test-selected: the test set is looked at after") for n in notices)
    (opening,) = openings()
    assert opening["every_epoch"] is True
    assert result.test_openings == 1


def test_curves_on_the_test_change_no_weights_but_the_label(wrecked: dict[str, Any]) -> None:
    plain = preset(out="plain", **wrecked)
    order: list[type[Event]] = []
    shown: list[float | None] = []

    def watch(event: Event) -> None:
        order.append(type(event))
        if isinstance(event, RunEpochEnded):
            shown.append(event.test_accuracy)
        if isinstance(event, events.TestOpened):
            assert event.every_epoch

    seen = preset(out="seen", test_curves=True, watch=watch, **wrecked)
    assert order.count(events.TestOpened) == 1
    assert order.index(events.TestOpened) < order.index(RunEpochEnded)
    assert shown == curve("seen", "test_accuracy")
    assert same_weights("plain", "seen")
    assert (plain.test_selected, seen.test_selected) == (False, True)
    assert seen.select == "last"
    assert plain.test_accuracy == seen.test_accuracy == shown[-1]
    for result in (plain, seen):
        assert result.selected_epoch == 4
        assert result.last_test_accuracy == result.test_accuracy
        assert result.last_test_loss == result.test_loss
    assert set(read_csv(Path("plain/metrics.csv"))[0]) == {
        "epoch", "lr", "train_loss", "train_accuracy", "seconds",
    }  # fmt: skip
    assert [opening.get("every_epoch") for opening in openings()] == [None, True]


def test_of_equal_accuracies_the_lower_loss_and_then_the_earlier_epoch_is_best() -> None:
    config = RunConfig.read(Path(preset(epochs=1, select="best-val").run))
    measured = [(0.5, 1.0), (0.7, 0.9), (0.7, 0.8), (0.7, 0.8), (0.6, 0.1)]
    rows = [
        {"epoch": float(number), "val_accuracy": accuracy, "val_loss": loss}
        for number, (accuracy, loss) in enumerate(measured, start=1)
    ]
    history, picked = run_history(config, lambda epoch: 0.0), []
    for row in rows:
        history.rows.append(row)
        picked.append(history.selected)
    assert picked == [1, 2, 3, 3, 3]


@pytest.mark.parametrize("options", BEST, ids=lambda options: options["select"])
def test_a_resumed_run_keeps_the_best_epoch_from_before(
    options: dict[str, Any], wrecked: dict[str, Any]
) -> None:
    whole = preset(out="whole", **options, **wrecked)
    interrupted_after(3, out="pieces", **options, **wrecked)
    resumed = preset(out="pieces", resume=True, epochs=4)
    assert resumed.selected_epoch == whole.selected_epoch <= 3
    assert same_weights("whole", "pieces")
    different = {"run", "seconds", "test_openings"}
    first, second = whole.as_json(), resumed.as_json()
    assert {key for key in first if first[key] != second[key]} <= different
    looked = [opening.get("every_epoch", False) for opening in openings()]
    test_selected = options["select"] == "best-test"
    assert looked == [test_selected] * (3 if test_selected else 2), "opened again, logged again"


KILLED = """
import json, random, sys, torch
from pathlib import Path
from budgetnas.workflows.retrain import retrain
from tests.faults.killing import in_a_process
torch.set_num_threads(1)
select = sys.argv[1]
def run(name):
    retrain("modified-resnet-small", dataset="digits", recipe="r.toml", select=select, out=name,
            resume=Path(name, "run.json").is_file())
assert in_a_process(lambda: run("whole"), None) == 0
drawn, kills = random.Random(1), 0
while status := in_a_process(lambda: run("pieces"), drawn.randint(9, 45) if kills < 8 else None):
    assert status == 9, status
    kills += 1
print(kills)
"""


@pytest.mark.slow
@pytest.mark.parametrize("select", ["best-val", "best-test"])
def test_killed_at_any_write_it_ends_with_the_same_best_weights(
    select: str, wrecked: dict[str, Any]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, select], env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 3
    assert same_weights("whole", "pieces")
    results = [json.loads(Path(run, "result.json").read_text()) for run in ("whole", "pieces")]
    for key in ("selected_epoch", "test_accuracy", "test_loss", "last_test_accuracy"):
        assert results[0][key] == results[1][key]
    assert results[0]["selected_epoch"] < 4
    print(select, done.stdout.strip(), "kills")


@pytest.mark.parametrize(
    ("select", "test_curves", "message"),
    [
        ("best", False, "--select: unknown selection 'best', known: last, best-val, best-test"),
        ("", False, "--select: unknown selection '', known: last, best-val, best-test"),
        ("best-val", True, "it needs --select last or best-test, got best-val"),
    ],
)
def test_selections_that_can_not_be(select: str, test_curves: bool, message: str) -> None:
    with pytest.raises(InputError, match=message):
        preset(select=select, test_curves=test_curves, out="run")
    assert not Path("run").exists()
    config = RunConfig.read(Path(preset(epochs=1, out="other").run))
    with pytest.raises(InputError, match=message):
        config.changed(select=select, test_curves=test_curves)


def test_nothing_can_be_held_out_of_classes_of_one_image(digits: ImageSet) -> None:
    one_each = digits.take(torch.stack([(digits.labels == n).nonzero()[0, 0] for n in range(10)]))
    with pytest.raises(InputError, match="--select best-val holds out a tenth of each class that"):
        hold_out(one_each, "best-val", 0)


def test_the_same_selection_goes_on_said_in_whatever_way() -> None:
    interrupted_after(1, out="run", select="best-test")
    for options, message in [
        ({"select": "last"}, "--select was best-test, now last"),
        ({"select": "best-val"}, "--select was best-test, now best-val"),
    ]:
        with pytest.raises(InputError, match=message):
            preset(out="run", resume=True, **options)
    result = preset(out="run", resume=True, select="best-test", test_curves=True)
    assert (result.select, result.test_selected) == ("best-test", True)


def test_a_checkpoint_without_its_best_weights_is_refused() -> None:
    interrupted_after(1, out="run", select="best-val")
    path = Path("run/checkpoint.safetensors")
    state = read_tensors(path)
    kept = {name for name in state if name.startswith("best.")}
    assert {name.removeprefix("best.") for name in kept} == set(weights(preset().run))
    for missing in (kept, {min(kept)}):
        write_tensors(path, {name: state[name] for name in state if name not in missing})
        with pytest.raises(InputError, match="it must have the weights of its best epoch"):
            preset(out="run", resume=True)


def test_an_edited_selection_is_another_run() -> None:
    interrupted_after(1, out="run", select="best-test")
    path = Path("run/run.json")
    path.write_text(path.read_text().replace('"best-test"', '"last"'))
    with pytest.raises(InputError, match=r"of another run than run/run\.json says"):
        preset(out="run", resume=True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--select", "best-test"], "epoch {selected_epoch} of 4, the best on the test set"),
        (["--test-curves"], "the test set was looked at after each of 4 epochs"),
    ],
)
def test_whoever_reads_the_result_reads_that_it_is_test_selected(
    budgetnas: Program, wrecked: dict[str, Any], words: list[str], says: str
) -> None:
    ran = budgetnas(
        "retrain", "modified-resnet-small", "--dataset", "digits", "--recipe", "r.toml",
        "--out", "run", *words,
    )  # fmt: skip
    assert ran.status == 0, ran.err
    said = json.loads(Path("run/result.json").read_text())
    last = f"; after the last epoch {said['last_test_accuracy']:.2%})"
    label = f"(test-selected: {says.format(**said)}{last}"
    assert ran.out.startswith(f"Test accuracy {said['test_accuracy']:.2%} {label}")
    assert "test-selected: the test set is looked at after every epoch" in ran.err
    assert "an upper bound, not an estimate" in ran.err
    opening = "opening the test set (opening 1 for this study), to look at after every epoch"
    assert f"{opening}: test-selected" in ran.err
    again = budgetnas(
        "retrain", "modified-resnet-small", "--resume", "--out", "run", "--json"
    ).json()
    assert again == said
    assert again["test_selected"] is True


def test_the_test_of_a_best_val_run_is_no_selection(budgetnas: Program) -> None:
    ran = budgetnas(
        "retrain", "modified-resnet-small", "--dataset", "digits", "--epochs", 2,
        "--select", "best-val",
    )  # fmt: skip
    assert "opened after the last of 2 epochs, weights of epoch " in ran.out
    assert "the best on validation images" in ran.out
    assert "test-selected" not in ran.out + ran.err

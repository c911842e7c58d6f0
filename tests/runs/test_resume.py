"""A resumed run is the uninterrupted one, or is refused: damaged, edited, swapped or moved."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from budgetnas._version import __version__
from budgetnas.data import TEST_LOG
from budgetnas.errors import InputError
from budgetnas.events import Event, RunEpochEnded
from budgetnas.runs import RunConfig
from budgetnas.train import write_tensors
from budgetnas.workflows.retrain import retrain
from budgetnas.workflows.search import search
from tests.data.pictures import fill
from tests.runs.runs import (
    SMALL,
    edit,
    interrupted_after,
    notices_of,
    preset,
    read_csv,
    weights,
)


def test_a_resumed_run_is_the_uninterrupted_one() -> None:
    whole = preset(epochs=4, out="whole")
    interrupted_after(2, epochs=4, out="pieces")
    assert not Path("pieces/result.json").exists()
    resumed = preset(epochs=4, out="pieces", resume=True)
    first, second = weights("whole"), weights("pieces")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (resumed.test_accuracy, resumed.test_loss) == (whole.test_accuracy, whole.test_loss)
    assert preset(out="pieces", resume=True, epochs=4) == resumed, "finished: nothing to do"


def test_resume_finds_the_newest_unfinished_run_of_the_target() -> None:
    with pytest.raises(InputError, match="no unfinished run of 'modified-resnet-small'"):
        preset(resume=True)
    interrupted_after(1)
    (folder,) = {path.parent for path in Path("runs").glob("*/run.json")}
    assert preset(resume=True).run == str(folder)


def test_a_resumed_run_logs_its_opening_in_its_own_study(study: str) -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, RunEpochEnded):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain("best", epochs=2, out="run", watch=interrupt)
    newer = search("30k", trials=1, dataset="digits", epochs=1, space=SMALL, train_samples=300)
    assert newer.study != study
    assert retrain("best", resume=True, out="run").study == study
    assert (Path("studies") / study / TEST_LOG).exists()
    assert not (Path("studies") / newer.study / TEST_LOG).exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 5}, "--epochs was 2, now 5"),
        ({"recipe": "short"}, "--recipe augment was"),
        ({"seed": 5}, "--seed was 0, now 5"),
        ({"select": "best-val"}, "--select was last, now best-val"),
        ({"test_curves": True}, "--test-curves was False, now True"),
        ({"image_size": 9}, "--image-size was 8, now 9"),
        ({"fit": "squash"}, "--fit was crop, now squash"),
        ({"background": "black"}, "--background was white, now black"),
        ({"study": "other"}, "--study was none, now other"),
        ({"storage": "sqlite:///x.db"}, "--resume needs no --storage"),
    ],
)
def test_a_run_is_resumed_as_it_began(options: dict[str, Any], message: str) -> None:
    interrupted_after(1, out="run")
    with pytest.raises(InputError, match=message):
        preset(out="run", resume=True, **options)


def checkpoint_of(epochs_done: int) -> dict[str, torch.Tensor]:
    return {
        "epochs_done": torch.tensor(epochs_done),
        "metrics": torch.zeros(epochs_done, 5, dtype=torch.float64),
        "definition": torch.tensor(list(RunConfig.read(Path("run")).digest()), dtype=torch.uint8),
    }


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: write_tensors(path, {"a": torch.arange(3)}), "no checkpoint of a run of 2"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:500]),
            "checkpoint.safetensors: damaged",
        ),
        (
            lambda path: write_tensors(path, {"epochs_done": torch.tensor(1)}),
            "of another run than run/run.json says",
        ),
        (
            lambda path: write_tensors(path, checkpoint_of(1) | {"metrics": torch.zeros(2, 5)}),
            "it must have the metrics of each of its epochs",
        ),
        (
            lambda path: write_tensors(path, checkpoint_of(1)),
            "the state is not this training's",
        ),
        (
            lambda path: edit(path.parent / "run.json", '"seed": 0', '"seed": 1'),
            "checkpoint.safetensors: of another run than run/run.json says",
        ),
        (
            lambda path: edit(path.parent / "run.json", '"num_classes": 10', '"num_classes": 11'),
            "run/run.json: classes: the arch needs 11 entries, got 10",
        ),
        (
            lambda path: edit(path.parent / "run.json", __version__, "9.9.9"),
            f"the version of budgetnas was 9.9.9, now {__version__}",
        ),
        (
            lambda path: (path.parent / "result.json").write_text("[]"),
            "result.json: damaged",
        ),
    ],
)
def test_a_damaged_run_is_refused_on_one_line(
    damage: Callable[[Path], object], message: str
) -> None:
    interrupted_after(1, out="run")
    damage(Path("run/checkpoint.safetensors"))
    with pytest.raises(InputError) as caught:
        preset(out="run", resume=True)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["checkpoint", "weights"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(name: str) -> None:
    """Of the last epoch's checkpoint, the weights beside it are a part."""
    whole = preset(epochs=3, out="whole")
    preset(epochs=3, out="pieces")
    Path("pieces/result.json").unlink()
    damaged = Path(f"pieces/{name}.safetensors")
    content = bytearray(damaged.read_bytes())
    content[-3] ^= 1
    damaged.write_bytes(content)
    Path("pieces/metrics.csv").write_text("nonsense")
    resumed, notices = notices_of(preset, epochs=3, out="pieces", resume=True)
    assert any(
        f"pieces/{name}.safetensors: damaged: its checksum must be" in notice
        and notice.endswith("going on from the one before it, checkpoint-before.safetensors")
        for notice in notices
    ), notices
    assert resumed.test_loss == whole.test_loss
    first, second = (Path(run) / "weights.safetensors" for run in ("whole", "pieces"))
    assert first.read_bytes() == second.read_bytes()
    rows = [read_csv(Path(run) / "metrics.csv") for run in ("whole", "pieces")]
    without_times = [[{**row, "seconds": ""} for row in table] for table in rows]
    assert without_times[0] == without_times[1]


def test_moved_images_are_found_on_resuming(tmp_path: Path) -> None:
    fill()
    options: dict[str, Any] = {"dataset": "folder", "data_dir": "images", "image_size": 8}

    def interrupt(event: Event) -> None:
        if isinstance(event, RunEpochEnded):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain("modified-resnet-small", epochs=2, out="run", **options, watch=interrupt)
    Path("images").rename("there")
    result = retrain("modified-resnet-small", out="run", resume=True, data_dir="there")
    assert result.test_images > 0
    (opening,) = map(json.loads, Path("runs", TEST_LOG).read_text().splitlines())
    assert opening["data_dir"] == str(tmp_path / "there")


def test_the_weights_of_another_run_are_not_tested() -> None:
    preset(out="other", seed=1)
    whole = preset(out="run")
    Path("run/result.json").unlink()
    Path("run/weights.safetensors").write_bytes(Path("other/weights.safetensors").read_bytes())
    resumed, notices = notices_of(preset, out="run", resume=True)
    assert any("not the weights that this run ended with; going on" in n for n in notices)
    assert resumed.test_loss == whole.test_loss


def test_a_run_is_resumed_where_its_study_logs_it(
    study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(retrain("best", study=study, epochs=1, out="run").run).absolute()
    (run / "result.json").unlink()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    with pytest.raises(InputError, match=f"is a run of study '{study}', which logs it"):
        retrain("best", out=run, resume=True)
    assert not list(Path().iterdir())


def test_a_run_that_had_not_trained_yet_can_be_begun_again() -> None:
    Path("run").mkdir()
    for name in (".lock", "run.json", ".run.json.x.part"):
        Path("run", name).write_text("")
    assert preset(out="run").epochs == 2


def test_a_damaged_neighbour_hides_no_unfinished_run() -> None:
    interrupted_after(1)
    Path("runs/99999999-x").mkdir()
    Path("runs/99999999-x/run.json").write_text("garbage")
    assert preset(resume=True).epochs == 2

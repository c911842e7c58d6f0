"""Retraining for real: what it trains, what it writes, and that a resumed run is the same run."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from budgetnas._version import __version__
from budgetnas.arch import PRESETS, Arch
from budgetnas.data import DataSource
from budgetnas.data.heldout import LOG, open_test
from budgetnas.errors import Diverged, InputError
from budgetnas.events import Event, Notice, RunEpochEnded
from budgetnas.recipe import RECIPES
from budgetnas.retraining.retrain import retrain
from budgetnas.retraining.run import RunConfig, RunResult, load_run
from budgetnas.searching.search import search
from budgetnas.space import Space
from budgetnas.train.checkpoint import write_tensors

SMALL = Space.parse(
    {"arch": {"stages": 2, "width": [8, 16], "depth": 1}, "recipe": {"lr": [0.05, 0.1]}}, "test"
)
FILES = {
    "run.json", "arch.json", "recipe.toml", "environment.json", "metrics.csv", "result.json",
    "checkpoint.safetensors", "checkpoint-before.safetensors", "weights.safetensors",
    "predictions.csv", "confusion.csv", "per_class.csv",
}  # fmt: skip


def preset(**options: Any) -> RunResult:
    return retrain("modified-resnet-small", dataset="digits", **{"epochs": 2, **options})


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def notices_of(action: Callable[..., RunResult], **options: Any) -> tuple[RunResult, list[str]]:
    notices: list[str] = []

    def watch(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)

    return action(**options, watch=watch), notices


@pytest.fixture
def study() -> str:
    return search(
        "20k", trials=2, dataset="digits", epochs=1, space=SMALL, train_samples=300
    ).study


def test_a_run_folder_holds_everything() -> None:
    result = preset(epochs=3)
    folder = Path(result.run)
    assert folder.parent == Path("runs")
    assert {path.name for path in folder.iterdir()} == FILES | {".lock"}
    assert json.loads((folder / "result.json").read_text()) == result.as_json()
    metrics = read_csv(folder / "metrics.csv")
    assert [row["epoch"] for row in metrics] == ["1", "2", "3"]
    confusion = np.loadtxt(folder / "confusion.csv", delimiter=",", skiprows=1)[:, 1:]
    assert confusion.sum() == result.test_images == 354
    assert np.trace(confusion) / 354 == pytest.approx(result.test_accuracy)
    per_class = read_csv(folder / "per_class.csv")
    assert [row["class"] for row in per_class] == list("0123456789")
    assert sum(int(row["images"]) for row in per_class) == 354
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__.partition("+")[0]


def test_best_is_the_studys_best_with_its_drawn_recipe(study: str) -> None:
    notices: list[str] = []
    result = retrain(
        epochs=2, watch=lambda e: notices.append(e.text) if isinstance(e, Notice) else None
    )
    config = RunConfig.read(Path(result.run))
    assert Path(result.run).parent == Path("studies") / study / "runs"
    assert (result.study, config.study, config.target) == (study, study, "best")
    assert config.recipe.optimizer.lr in (0.05, 0.1)
    assert any(f"as drawn by trial {result.trial}: lr " in notice for notice in notices)
    assert f"study {study}" in notices
    again = retrain(str(result.trial), study=study, epochs=2)
    assert again.arch == result.arch
    assert again.test_accuracy == result.test_accuracy


def test_it_trains_on_train_and_val(study: str) -> None:
    sizes = []
    retrain(epochs=1, watch=lambda event: sizes.append(getattr(event, "images", None)))
    assert 1443 in sizes, "neither validation nor --train-samples is left out"


def test_the_test_set_is_opened_once_after_the_last_epoch(study: str) -> None:
    log = Path("studies") / study / LOG
    opened_during_training = []

    def watch(event: Event) -> None:
        if isinstance(event, RunEpochEnded):
            opened_during_training.append(log.exists())

    first = retrain(epochs=2, watch=watch)
    assert opened_during_training == [False, False]
    (line,) = log.read_text().splitlines()
    assert json.loads(line)["run"] == first.run
    assert (first.test_openings, retrain(epochs=1).test_openings) == (1, 2)


def test_a_second_use_of_the_test_set_is_said(study: str) -> None:
    first, notices = notices_of(retrain, target="best", study=study, epochs=1)
    assert not any("test set" in notice for notice in notices)
    other, notices = notices_of(preset, epochs=1)
    assert any("of this data has been used once before" in notice for notice in notices)
    assert (first.study, other.study) == (study, None), "whichever study or folder logged it"
    with Path("runs", LOG).open("a") as file:
        file.write('{"dataset": "cifar10"}\n{"half a line')
    _, notices = notices_of(preset, epochs=1)
    assert any("has been used 3 times before" in notice for notice in notices)


def weights(folder: str | Path) -> dict[str, torch.Tensor]:
    return load_file(Path(folder) / "weights.safetensors")


def interrupted_after(epoch: int, **options: Any) -> None:
    def watch(event: Event) -> None:
        if isinstance(event, RunEpochEnded) and event.epoch == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        preset(**options, watch=watch)


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
    assert (Path("studies") / study / LOG).exists()
    assert not (Path("studies") / newer.study / LOG).exists()


def test_a_moved_storage_is_found_by_its_url(study: str) -> None:
    Path(f"studies/{study}/study.db").rename("moved.db")
    with pytest.raises(InputError, match="the storage of study 'digits-20k' is missing"):
        retrain(epochs=1)
    assert retrain(epochs=1, storage="sqlite:///moved.db").study == study


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 5}, "--epochs was 2, now 5"),
        ({"recipe": "short"}, "--recipe augment was"),
        ({"seed": 5}, "--seed was 0, now 5"),
        ({"image_size": 9}, "--image-size was 8, now 9"),
        ({"study": "other"}, "--study was none, now other"),
        ({"storage": "sqlite:///x.db"}, "--resume needs no --storage"),
    ],
)
def test_a_run_is_resumed_as_it_began(options: dict[str, Any], message: str) -> None:
    interrupted_after(1, out="run")
    with pytest.raises(InputError, match=message):
        preset(out="run", resume=True, **options)


def test_the_seed_decides() -> None:
    results = [preset(seed=seed, out=f"{index}").run for index, seed in enumerate((0, 0, 1))]
    first, same, other = map(weights, results)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_finished_run_is_loaded_for_use() -> None:
    result = preset(epochs=8)
    model, preprocess = load_run(result.run)
    test = open_test(DataSource.choose("digits"), 1, Path("elsewhere"), "a test", "a fingerprint")
    right = 0
    for image, label in zip(test.images, test.labels.tolist(), strict=True):
        inputs = preprocess(Image.fromarray(image[..., 0].numpy()))
        assert inputs.shape == (1, 1, 8, 8)
        with torch.no_grad():
            right += int(model(inputs).argmax(1).item() == label)
    # trained in bfloat16 where the processor has it, here evaluated in float32
    assert right / len(test) == pytest.approx(result.test_accuracy, abs=0.01)
    colour = Image.new("RGB", (31, 40))
    assert preprocess(colour).shape == (1, 1, 8, 8)


def test_presets_adapt_and_arch_files_do_not() -> None:
    result, notices = notices_of(preset)
    assert result.arch["in_channels"] == 1
    assert any("adapted to the data: in_channels=1, num_classes=10" in n for n in notices)
    Path("net.json").write_text(PRESETS["modified-resnet-small"].to_json())
    with pytest.raises(
        InputError, match=r"net.json: the arch must fit the data, which needs in_ch"
    ):
        retrain("net.json", dataset="digits", epochs=1)
    Path("net.json").write_text(Arch.model_validate(result.arch).to_json())
    assert retrain("net.json", dataset="digits", epochs=1).params == result.params


@pytest.mark.parametrize("name", RECIPES)
def test_every_named_recipe_runs(name: str) -> None:
    assert preset(recipe=name, epochs=1).epochs == 1


def test_a_recipe_file_is_taken_at_its_word() -> None:
    Path("r.toml").write_text("batch_size = 500\nepochs = 1\n")
    result = preset(recipe="r.toml", epochs=None)
    recipe = RunConfig.read(Path(result.run)).recipe
    assert (recipe.epochs, recipe.batch_size) == (1, 500)
    assert recipe.augment == RECIPES["short"].augment, "flips too: the user wrote it"
    Path("r.toml").write_text('base = "efficient-resnets"\nepochs = 1\n')
    with pytest.raises(InputError, match="the recipe normalises 3 channels, the images have 1"):
        preset(recipe="r.toml", epochs=None)


def test_a_diverging_run_says_so() -> None:
    Path("net.json").write_text(
        '{"block": "basic", "stem_width": 8, "stages": [{"width": 8, "depth": 1}], "norm": "none",'
        ' "in_channels": 1}'
    )
    Path("r.toml").write_text("epochs = 2\noptimizer = { lr = 1e6 }\naugment = []\n")
    with pytest.raises(Diverged, match="must stay finite"):
        retrain("net.json", dataset="digits", recipe="r.toml")


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("best", {}, "no study in ./studies"),
        ("resnet19", {}, "unknown arch 'resnet19', known: an arch file (.json), best, a trial's"),
        ("no.json", {}, "no.json: can't be read: No such file"),
        ("resnet18", {"study": "lost"}, "no study 'lost'"),
        ("resnet18", {"epochs": 0}, "epochs >= 1 must hold, got 0"),
        ("resnet18", {"dataset": "digits", "out": "full"}, "--out must be a new or empty folder"),
        ("resnet18", {"out": "none", "resume": True}, "none/run.json: can't be read"),
    ],
)
def test_what_can_not_be(target: str, options: dict[str, Any], message: str) -> None:
    Path("full").mkdir()
    Path("full/file").write_text("")
    with pytest.raises(InputError) as caught:
        retrain(target, **options)
    assert message in str(caught.value)


def test_trials_that_can_not_be_retrained() -> None:
    space = SMALL.changed(arch=SMALL.arch.changed(width=(8, 256)))
    found = search(
        "20k", trials=1, dataset="digits", epochs=1, space=space, sampler="random", seed=1
    )
    assert found.over_budget > 0
    with pytest.raises(
        InputError, match="trial 0 of study 'digits-20k' is over the budget 20k by"
    ):
        retrain("0")
    with pytest.raises(InputError, match="has trials 0 to "):
        retrain("99")


def checkpoint_of(epochs_done: int) -> dict[str, torch.Tensor]:
    return {
        "epochs_done": torch.tensor(epochs_done),
        "metrics": torch.zeros(epochs_done, 5, dtype=torch.float64),
        "definition": torch.tensor(list(RunConfig.read(Path("run")).digest()), dtype=torch.uint8),
    }


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


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
    for number in range(40):
        path = Path(f"here/train/{'ab'[number % 2]}/{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(values).save(path)
    options: dict[str, Any] = {"dataset": "folder", "data_dir": "here", "image_size": 8}

    def interrupt(event: Event) -> None:
        if isinstance(event, RunEpochEnded):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain("modified-resnet-small", epochs=2, out="run", **options, watch=interrupt)
    Path("here").rename("there")
    result = retrain("modified-resnet-small", out="run", resume=True, data_dir="there")
    assert result.test_images > 0
    (opening,) = map(json.loads, Path("runs", LOG).read_text().splitlines())
    assert opening["data_dir"] == str(tmp_path / "there")


def test_the_weights_of_another_run_are_not_tested() -> None:
    preset(out="other", seed=1)
    whole = preset(out="run")
    Path("run/result.json").unlink()
    Path("run/weights.safetensors").write_bytes(Path("other/weights.safetensors").read_bytes())
    resumed, notices = notices_of(preset, out="run", resume=True)
    assert any("not the weights of this run's last epoch; going on" in n for n in notices)
    assert resumed.test_loss == whole.test_loss


def test_an_edited_study_is_not_retrained_from(study: str) -> None:
    edit(Path("studies") / study / "study.toml", "seed = 0", "seed = 7")
    with pytest.raises(InputError, match=r"study\.toml seed was 0, now 7"):
        retrain("best", epochs=1)


def test_other_images_than_the_studys_are_refused_unless_they_are_named() -> None:
    for number in range(40):
        path = Path(f"here/train/{'ab'[number % 2]}/{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(values).save(path)
    options: dict[str, Any] = {"dataset": "folder", "data_dir": "here", "image_size": 8}
    search("100k", trials=1, epochs=1, space=SMALL, **options)
    kept = sorted(Path("here/train/a").iterdir())
    Image.fromarray(values).save(kept[0])
    with pytest.raises(InputError, match=r"the data was [0-9a-f]{16}, now [0-9a-f]{16}"):
        retrain("best", epochs=1)
    assert not list(Path("studies").rglob(LOG))
    assert retrain("best", epochs=1, **options).test_openings == 1


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("no/x")])
def test_a_log_that_can_not_be_written_is_refused_before_training(
    make: Callable[[Path], object],
) -> None:
    Path("runs").mkdir()
    make(Path("runs", LOG))
    with pytest.raises(InputError, match=r"test-openings\.jsonl must be"):
        preset(out="run")
    assert not Path("run").exists()


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


@pytest.mark.parametrize("out", ["studies", ".", "studies/new", "studies/{}/x", "studies/{}/runs"])
def test_a_run_is_not_mixed_with_a_study(study: str, out: str) -> None:
    with pytest.raises(InputError, match="--out must be"):
        retrain("best", study=study, epochs=1, out=out.format(study))


def test_a_damaged_neighbour_hides_no_unfinished_run() -> None:
    interrupted_after(1)
    Path("runs/99999999-x").mkdir()
    Path("runs/99999999-x/run.json").write_text("garbage")
    assert preset(resume=True).epochs == 2

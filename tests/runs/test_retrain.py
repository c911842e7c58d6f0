"""Retraining for real: what it trains, what it tests, and what it writes."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from budgetnas.arch import PRESETS, Arch
from budgetnas.data import TEST_LOG, DataSource, ImageFormat
from budgetnas.data.heldout import open_test
from budgetnas.errors import Diverged, InputError
from budgetnas.events import Event, Notice, RunEpochEnded
from budgetnas.recipe import RECIPES
from budgetnas.runs import RunConfig, load_run
from budgetnas.workflows.retrain import retrain
from budgetnas.workflows.search import search
from tests.data.pictures import fill, noise, save
from tests.runs.runs import SMALL, edit, notices_of, preset, read_csv, weights

FILES = {
    "run.json", "arch.json", "recipe.toml", "environment.json", "metrics.csv", "result.json",
    "checkpoint.safetensors", "checkpoint-before.safetensors", "weights.safetensors",
    "predictions.csv", "confusion.csv", "per_class.csv",
}  # fmt: skip


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
    log = Path("studies") / study / TEST_LOG
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
    with Path("runs", TEST_LOG).open("a") as file:
        file.write('{"dataset": "cifar10"}\n{"half a line')
    _, notices = notices_of(preset, epochs=1)
    assert any("has been used 3 times before" in notice for notice in notices)


def test_a_moved_storage_is_found_by_its_url(study: str) -> None:
    Path(f"studies/{study}/study.db").rename("moved.db")
    with pytest.raises(InputError, match="the storage of study 'digits-20k' is missing"):
        retrain(epochs=1)
    assert retrain(epochs=1, storage="sqlite:///moved.db").study == study


def test_the_seed_decides() -> None:
    results = [preset(seed=seed, out=f"{index}").run for index, seed in enumerate((0, 0, 1))]
    first, same, other = map(weights, results)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_finished_run_is_loaded_for_use() -> None:
    result = preset(epochs=8)
    model, preprocess = load_run(result.run)
    test = open_test(
        DataSource.choose("digits"), ImageFormat(1), Path("elsewhere"), "a test", "a fingerprint"
    )
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


def test_predictions_name_files_and_classes() -> None:
    fill("train", n=8)
    fill("test", n=3, first=100)
    result = retrain(
        "modified-resnet-small", dataset="folder", data_dir="images", image_size=8, epochs=1
    )
    rows = read_csv(Path(result.run, "predictions.csv"))
    assert [row["image"] for row in rows] == [
        f"test/{name}/{number:03}.png" for name in "ab" for number in range(3)
    ]
    assert [row["class"] for row in rows] == ["a"] * 3 + ["b"] * 3
    assert {row["prediction"] for row in rows} <= {"a", "b"}
    assert all(0.5 <= float(row["probability"]) <= 1 for row in rows), "of two classes the larger"
    model, preprocess = load_run(result.run)
    assert model.classes == ("a", "b")
    files = [Path("images", row["image"]) for row in rows]
    inputs = preprocess(files)
    assert torch.equal(inputs, torch.cat([preprocess(str(file)) for file in files]))
    with Image.open(files[0]) as picture:
        assert torch.equal(inputs[:1], preprocess(picture))
    with torch.no_grad():
        probability, index = model(inputs).softmax(1).max(1)
    assert probability.tolist() == pytest.approx([float(r["probability"]) for r in rows], abs=0.05)
    assert sum(model.classes[i] == r["prediction"] for i, r in zip(index, rows, strict=True)) >= 5
    Path("no picture.png").write_text("none")
    with pytest.raises(InputError, match=r"no picture.png: not a readable image"):
        preprocess([files[0], "no picture.png"])
    right = [row["class"] == row["prediction"] for row in rows]
    assert sum(right) / 6 == pytest.approx(result.test_accuracy)
    digits = read_csv(Path(preset().run, "predictions.csv"))
    assert [row["image"] for row in digits] == [str(index) for index in range(354)]


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
        ("resnet18", {"epochs": 0}, "--epochs: must be greater than or equal to 1, got 0"),
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
        "20k", trials=1, dataset="digits", epochs=1, space=space, sampler="random", seed=1,
        proposal="free",
    )  # fmt: skip
    assert found.over_budget > 0
    with pytest.raises(
        InputError, match="trial 0 of study 'digits-20k' is over the budget 20k by"
    ):
        retrain("0")
    with pytest.raises(InputError, match="has trials 0 to "):
        retrain("99")


def test_an_edited_study_is_not_retrained_from(study: str) -> None:
    edit(Path("studies") / study / "study.toml", "seed = 0", "seed = 7")
    with pytest.raises(InputError, match=r"study\.toml seed was 0, now 7"):
        retrain("best", epochs=1)


def test_other_images_than_the_studys_are_refused_unless_they_are_named() -> None:
    fill()
    options: dict[str, Any] = {"dataset": "folder", "data_dir": "images", "image_size": 8}
    search("100k", trials=1, epochs=1, space=SMALL, **options)
    save(noise(12345), "images/train/a/000.png")
    with pytest.raises(InputError, match=r"the data was [0-9a-f]{16}, now [0-9a-f]{16}"):
        retrain("best", epochs=1)
    assert not list(Path("studies").rglob(TEST_LOG))
    assert retrain("best", epochs=1, **options).test_openings == 1


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("no/x")])
def test_a_log_that_can_not_be_written_is_refused_before_training(
    make: Callable[[Path], object],
) -> None:
    Path("runs").mkdir()
    make(Path("runs", TEST_LOG))
    with pytest.raises(InputError, match=r"test-openings\.jsonl must be"):
        preset(out="run")
    assert not Path("run").exists()


@pytest.mark.parametrize("out", ["studies", ".", "studies/new", "studies/{}/x", "studies/{}/runs"])
def test_a_run_is_not_mixed_with_a_study(study: str, out: str) -> None:
    with pytest.raises(InputError, match="--out must be"):
        retrain("best", study=study, epochs=1, out=out.format(study))

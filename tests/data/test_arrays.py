"""Images from memory: what they must be, and that other processes find them again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import budgetnas
from budgetnas import ImageData, search
from budgetnas.data import DataSource
from budgetnas.data.heldout import open_test
from budgetnas.data.images import ImageSet
from budgetnas.data.load import load_train
from budgetnas.errors import InputError
from tests.conftest import Program
from tests.trials.small import replay, run

LABELS = np.arange(60) % 3


def pictures(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def both(data: ImageData) -> tuple[ImageSet, ImageSet]:
    """The training part, and the test part."""
    source = DataSource.choose("arrays", data.write("kept"))
    train = load_train(source)
    return train, open_test(source, train.format, Path("log"), "run", train.fingerprint())


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (1, 8, 8), (8, 8, 3), (3, 8, 8)])
def test_images_of_any_order_are_stored_with_channels_last(shape: tuple[int, ...]) -> None:
    given = pictures(60, *shape)
    for images, labels in ((given, LABELS), (torch.tensor(given), LABELS.tolist())):
        train, test = both(ImageData.from_arrays(images, labels, test=(images, labels)))
        channels = 3 if 3 in shape else 1
        last = given.transpose(0, 2, 3, 1) if shape[0] in (1, 3) else given
        assert torch.equal(train.images, torch.tensor(last).view(60, 8, 8, channels))
        assert torch.equal(test.images, train.images)
        assert train.labels.tolist() == test.labels.tolist() == LABELS.tolist()
        assert train.classes == ("0", "1", "2")
    assert len(list(Path("kept/arrays").iterdir())) == 1, "it is written once"


def test_a_fifth_is_set_aside_by_content() -> None:
    given = pictures(60, 8, 8)
    train, test = both(ImageData.from_arrays(given, LABELS))
    assert len(train) + len(test) == 60
    assert 5 <= len(test) <= 20
    more = np.concatenate([pictures(30, 8, 8, seed=1), given])
    _, grown = both(ImageData.from_arrays(more, np.concatenate([LABELS[:30], LABELS])))
    assert set(test.digests) < set(grown.digests), "what is added moves nobody"


def test_a_validation_part_validates() -> None:
    given, more = pictures(60, 8, 8), pictures(9, 8, 8, seed=1)
    parts: dict[str, Any] = {"validation": (more, LABELS[:9]), "test": (given, LABELS)}
    train, _ = both(ImageData.from_arrays(given, LABELS, **parts, classes="abc"))
    assert train.classes == ("a", "b", "c")
    assert train.validation is not None
    assert train.validation.tolist() == list(range(60, 69))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"images": pictures(60, 8, 8) / 255},
            r"must be uint8 .*, got float64 \[60, 8, 8\]",
        ),
        ({"images": pictures(60, 8, 8, 4)}, r"must be uint8 .*, got uint8 \[60, 8, 8, 4\]"),
        ({"images": pictures(0, 8, 8)}, r"got uint8 \[0, 8, 8\]"),
        ({"labels": LABELS[:50]}, r"must be whole numbers \[60\], .*, got int64 \[50\]"),
        ({"labels": LABELS / 1}, r"must be whole numbers .*, got float64 \[60\]"),
        ({"labels": LABELS - 1}, "train: labels must be from 0 to 1, of 2 classes, got -1 to 1"),
        ({"classes": ["a", "b"]}, "labels must be from 0 to 1, of 2 classes, got 0 to 2"),
        ({"classes": ["a", "b", "a"]}, "2 classes with different names are needed, got .*'a'"),
        ({"labels": LABELS + 2**40}, "labels must be from 0 to 60, of 61 classes, got 1099511"),
        ({"images": [[1], [1, 2]]}, "train: images and labels must be arrays: "),
        ({"test": (LABELS, LABELS, LABELS)}, "test: must be a pair of images and labels, got "),
        ({"classes": 3}, "classes must be a list of names, got 3"),
        ({"name": "x" * 300}, "must be one that a file can have, at most 100 bytes, got 'xxx"),
        ({"labels": LABELS * 0}, "at least 2 classes .*, got .'0',."),
        (
            {"test": (pictures(9, 8, 8, 3), LABELS[:9])},
            r"test: .* of the shape .*, \[8, 8, 1\]",
        ),
        (
            {"test": (pictures(9, 8, 8), LABELS[:9] + 5)},
            "test: labels must be from 0 to 2, ",
        ),
        ({"name": "../up"}, r"name must be one that a file can have, .*got '\.\./up'"),
    ],
)
def test_what_arrays_must_be(change: dict[str, Any], complaint: str) -> None:
    given: dict[str, Any] = {"images": pictures(60, 8, 8), "labels": LABELS, **change}
    with pytest.raises(InputError, match=complaint):
        ImageData.from_arrays(**given)


def test_pairs_as_torchvision_has_them() -> None:
    class Toys(list[Any]):
        classes = ("a", "b", "c")

    given = pictures(60, 8, 8, 3)
    kinds: list[Any] = [
        [Image.fromarray(each) for each in given],
        list(torch.tensor(given).permute(0, 3, 1, 2)),
        list(torch.tensor(given).permute(0, 3, 1, 2) / 255),
    ]
    for images in kinds:
        pairs = Toys(zip(images, LABELS.tolist(), strict=True))
        data = ImageData.from_torchvision(pairs, pairs)
        assert (data.name, data.classes) == ("toys", Toys.classes)
        train, test = both(data)
        assert torch.equal(train.images, torch.tensor(given))
        assert torch.equal(test.images, torch.tensor(given))
    for wrong, complaint in (
        (torch.randn(3, 8, 8), r"or in \[0, 1\], got torch.float32 \[3, 8, 8\]"),
        (Image.new("CMYK", (8, 8)), "must be Pillow's, L or RGB, .*, got CMYK"),
        (
            Image.new("RGB", (9, 8)),
            r"one size, a transform can resize them, got \[\[8, 8, 3\]",
        ),
    ):
        with pytest.raises(InputError, match=complaint):
            ImageData.from_torchvision([(kinds[0][0], 0), (wrong, 1)])


def test_a_class_that_is_too_small_to_split() -> None:
    data = ImageData.from_arrays(pictures(31, 8, 8), [0] * 30 + [1], test=(pictures(1, 8, 8), [0]))
    with pytest.raises(InputError, match=r"class '1': at least 2 images .* are needed, .*got 1$"):
        run(dataset=data)


@pytest.fixture
def mine() -> ImageData:
    return ImageData.from_arrays(pictures(90, 8, 8), np.arange(90) % 3, name="mine")


def test_a_study_finds_its_images_again(mine: ImageData, budgetnas: Program) -> None:
    begun = run(trials=1, dataset=mine, epochs=1)
    assert begun.study == "mine-12k"
    whole = replay(run(trials=2, dataset=mine, epochs=1, study="whole"))
    budgetnas("search", "--study", begun.study, "--trials", 2)
    assert replay(search(trials=2, study=begun.study)) == whole
    tested = budgetnas("retrain", "best", "--study", begun.study, "--epochs", 1, "--json").json()
    assert tested["test_images"] == len(both(mine)[1])


def test_a_study_has_one_data_set(mine: ImageData) -> None:
    run(trials=1, dataset=mine, epochs=1)
    other = ImageData.from_arrays(pictures(90, 8, 8, seed=1), np.arange(90) % 3, name="mine")
    fingerprints = [both(each)[0].fingerprint() for each in (mine, other)]
    conflict = "the data fingerprint was {}, now {}".format(*fingerprints)
    with pytest.raises(InputError, match=conflict):
        run(trials=2, dataset=other, epochs=1)
    (kept,) = Path("data/arrays").glob(f"{mine.write().stem}*")
    elsewhere = kept.rename("moved.safetensors")
    with pytest.raises(InputError, match=r"must be a file that budgetnas.ImageData wrote"):
        search(trials=2, study="mine-12k")
    with pytest.raises(InputError, match=r"moved.safetensors: damaged or renamed"):
        search(trials=2, study="mine-12k", data_dir=elsewhere)
    Path("there").mkdir()
    there = elsewhere.rename(Path("there", kept.name))
    assert search(trials=2, study="mine-12k", data_dir=there, epochs=1).trained == 2


def test_a_plan_reads_no_image(mine: ImageData) -> None:
    outlook = budgetnas.plan("12k", dataset=mine, trials=1)
    assert (outlook.data, outlook.smallest.arch.in_channels) == ("mine", 1)
    assert outlook.smallest.arch.num_classes == 3

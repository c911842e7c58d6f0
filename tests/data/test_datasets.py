"""The data sets by name: their facts, their ways out, and real files without a network."""

import gzip
import time
from pathlib import Path

import pytest
import torch

from budgetnas.data import DATASETS, DataSource
from budgetnas.data.heldout import open_test
from budgetnas.data.images import ImageSet
from budgetnas.data.load import load_train
from budgetnas.data.view import ImageFormat
from budgetnas.errors import InputError

GREY = ImageFormat(1)
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def test_digits_facts(digits: ImageSet) -> None:
    held = open_test(DataSource.choose("digits"), GREY, Path(), "a test", "a fingerprint")
    assert len(digits) + len(held) == 1797
    assert len(held) == 354
    assert digits.images.shape == (1443, 8, 8, 1)
    assert digits.images.max() == 255
    info = DATASETS["digits"]
    assert (info.channels, info.num_classes, info.image_size) == (1, 10, 8)
    assert not info.mirror


def test_another_image_size_moves_no_digit(digits: ImageSet) -> None:
    large = load_train(DataSource.choose("digits", image_size=12))
    assert large.images.shape[1:] == (12, 12, 1)
    assert torch.equal(large.labels, digits.labels)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist_from_its_files() -> None:
    raw = Path("data/FashionMNIST/raw")
    raw.mkdir(parents=True)
    for path in DEBIAN.glob("*.gz"):
        (raw / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    source = DataSource.choose("fashion-mnist")
    images = load_train(source)
    assert images.images.shape == (60_000, 28, 28, 1)
    assert images.labels.bincount().tolist() == [6_000] * 10
    assert images.classes[9] == "Ankle boot"
    assert len(open_test(source, GREY, Path(), "a test", "a fingerprint")) == 10_000


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "svhn", "fashion-mnist"])
def test_without_network_and_copy_the_ways_out_are_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # port 9 of this machine answers nobody: no network, whatever the machine has
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        load_train(DataSource.choose(name, "nothing"))
    assert time.monotonic() - began < 15
    message = str(caught.value)
    for way in ("--data-dir", "--dataset folder", "--dataset digits"):
        assert way in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mnist",), "unknown data set 'mnist', known: cifar10, cifar100, svhn, fashion-mnist"),
        (("folder",), "the data set folder needs --data-dir"),
        (("digits", None, 0), "image_size: must be greater than or equal to 1, got 0"),
    ],
)
def test_what_can_not_be(arguments: tuple[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        DataSource.choose(*arguments)
    assert message in str(caught.value)


def test_titles_name_studies() -> None:
    assert DataSource.choose("cifar10").title == "cifar10"
    assert DataSource.choose("folder", "some/where/birds").title == "folder-birds"


def test_images_that_can_never_fit_into_memory_are_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 2**10)  # a machine of one MiB
    with pytest.raises(InputError) as caught:
        load_train(DataSource.choose("digits", image_size=64))
    assert "--image-size 64: 1,443 images must fit into memory, they need 0.0 GiB" in str(
        caught.value
    )

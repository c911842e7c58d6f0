"""The data sets by name: their facts, their ways out, and real files without a network."""

import gzip
import time
from pathlib import Path

import pytest
import torch

from budgetnas.data import DATASETS, DataSource, ImageFormat
from budgetnas.data.heldout import check_test, open_test
from budgetnas.data.images import ImageSet
from budgetnas.data.load import READERS, load_train
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


def test_every_data_set_has_a_reader() -> None:
    assert READERS.keys() == DATASETS.keys()


def test_another_image_size_moves_no_digit(digits: ImageSet) -> None:
    large = load_train(DataSource.choose("digits", image_size=12))
    assert large.images.shape[1:] == (12, 12, 1)
    assert torch.equal(large.labels, digits.labels)


def put(folder: str, packed: bool, names: str = "*") -> None:
    """Put files of Debian's there: packed as Debian has done it, or unpacked."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path in DEBIAN.glob(f"{names}.gz"):
        name = path.name if packed else path.stem
        content = path.read_bytes()
        Path(folder, name).write_bytes(content if packed else gzip.decompress(content))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Port 9 of this machine answers nobody, whatever network the machine has."""
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")


needs_debian = pytest.mark.skipif(
    not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed"
)


@needs_debian
@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("folder", ["data", "data/FashionMNIST/raw"])
def test_fashion_mnist_from_its_files(folder: str, packed: bool) -> None:
    put(folder, packed)
    source = DataSource.choose("fashion-mnist")
    images = load_train(source)
    assert images.images.shape == (60_000, 28, 28, 1)
    assert images.labels.bincount().tolist() == [6_000] * 10
    assert images.classes[9] == "Ankle boot"
    check_test(source, images.classes)
    assert len(open_test(source, GREY, Path(), "a test", "a fingerprint")) == 10_000


@needs_debian
@pytest.mark.usefixtures("no_network")
def test_fashion_mnist_where_debian_has_it() -> None:
    assert len(load_train(DataSource.choose("fashion-mnist", DEBIAN))) == 60_000


@needs_debian
@pytest.mark.usefixtures("no_network")
def test_fashion_mnist_without_its_test_part_is_refused_before_training() -> None:
    put("data", True, "train-*")
    source = DataSource.choose("fashion-mnist")
    assert len(load_train(source)) == 60_000
    with pytest.raises(InputError) as caught:
        check_test(source, ())
    assert (
        "the test part of fashion-mnist is not in data and can't be downloaded (no network): "
        "looked for t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (with .gz or without) in "
        "data or data/FashionMNIST/raw; put it there"
    ) in str(caught.value)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    "content",
    [
        b"\0\0\x08\x03" + bytes(2**20),
        gzip.compress(bytes(2**20), mtime=0),
        gzip.compress(bytes(2**20), mtime=0)[:99],
        b"",
    ],
    ids=["zeros", "packed zeros", "cut off", "empty"],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_file_that_is_only_named_as_fashion_mnist_is_refused(
    content: bytes, suffix: str
) -> None:
    """MNIST's own files, for one, have the same names."""
    path = Path(f"data/train-images-idx3-ubyte{suffix}")
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_train(DataSource.choose("fashion-mnist"))
    assert str(caught.value).startswith(f"{path}: not the file of Fashion-MNIST: its content is")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("name", "looked_for"),
    [
        ("cifar10", "nothing/cifar-10-batches-py and nothing/cifar-10-python.tar.gz;"),
        ("cifar100", "nothing/cifar-100-python and nothing/cifar-100-python.tar.gz;"),
        ("svhn", "nothing/train_32x32.mat;"),
        (
            "fashion-mnist",
            "train-images-idx3-ubyte and train-labels-idx1-ubyte (with .gz or without) in nothing "
            "or nothing/FashionMNIST/raw;",
        ),
    ],
)
def test_without_network_and_copy_the_ways_out_are_named(name: str, looked_for: str) -> None:
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        load_train(DataSource.choose(name, "nothing"))
    assert time.monotonic() - began < 15
    message = str(caught.value)
    for way in ("--data-dir", "--dataset folder", "--dataset digits"):
        assert way in message
    assert f"(no network): looked for {looked_for} put it there" in message
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

"""Splits: stratified, seeded, and a set-aside test part that follows image content."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from budgetnas.data import images
from budgetnas.data._decode import content_digest, is_set_aside
from budgetnas.data.images import ImageSet, describe_split, measure_statistics, split


@given(st.lists(st.integers(0, 5), min_size=1, max_size=300), st.integers(0, 99))
def test_every_image_is_in_exactly_one_part(labels: list[int], seed: int) -> None:
    parts = split(torch.tensor(labels), seed)
    assert sorted(parts.train.tolist() + parts.val.tolist()) == list(range(len(labels)))


def test_a_tenth_of_each_class_validates() -> None:
    labels = torch.arange(3).repeat_interleave(torch.tensor([1000, 500, 2]))
    parts = split(labels, 0)
    assert labels[parts.val].bincount().tolist() == [100, 50, 1]


def test_the_seed_decides() -> None:
    labels = torch.arange(1000) % 10
    digests = [describe_split(split(labels, seed))["digest"] for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


def test_train_samples_keep_val_whole_and_classes_in_proportion() -> None:
    labels = torch.arange(2).repeat_interleave(torch.tensor([3000, 1000]))
    whole, some = split(labels, 0), split(labels, 0, train_samples=400)
    assert torch.equal(whole.val, some.val)
    assert labels[some.train].bincount().tolist() == [300, 100]
    assert set(some.train.tolist()) <= set(whole.train.tolist())


@given(st.integers(0, 2**31))
def test_a_copy_stays_on_its_side(seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert content_digest(image) == content_digest(image.copy())


def test_grey_and_colour_copies_are_one_image() -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
    assert content_digest(grey) == content_digest(np.repeat(grey, 3, axis=2))
    assert content_digest(grey) != content_digest(grey.reshape(4, 16, 1))


def test_a_fifth_is_set_aside() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4000, 4, 4, 3), dtype=np.uint8)
    share = np.mean([is_set_aside(content_digest(image)) for image in images])
    assert 0.18 < share < 0.22


def test_statistics_are_exact() -> None:
    pixels = torch.randint(0, 256, (50, 7, 7, 3), dtype=torch.uint8)
    measured = measure_statistics(pixels)
    values = pixels.double().flatten(0, 2) / 255
    assert measured.mean == pytest.approx(values.mean(0).tolist())
    assert measured.std == pytest.approx(values.std(0, correction=0).tolist())


def test_statistics_are_the_same_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = torch.randint(0, 256, (50, 7, 7, 3), dtype=torch.uint8)
    whole = measure_statistics(pixels)
    monkeypatch.setattr(images, "VALUES_AT_ONCE", 100)
    assert measure_statistics(pixels) == whole


def test_one_single_value_is_not_divided_by_zero() -> None:
    assert measure_statistics(torch.full((2, 3, 3, 1), 7, dtype=torch.uint8)).std == (1.0,)


def test_fingerprints_follow_content() -> None:
    images = torch.zeros(4, 2, 2, 1, dtype=torch.uint8)
    base = ImageSet(images, torch.tensor([0, 1, 0, 1]), ("a", "b"))
    others = [
        ImageSet(images + 1, base.labels, base.classes),
        ImageSet(images, 1 - base.labels, base.classes),
        ImageSet(images, base.labels, ("a", "c")),
    ]
    assert len({each.fingerprint() for each in (base, *others)}) == 4
    assert base.fingerprint() == base.take(torch.arange(4)).fingerprint()

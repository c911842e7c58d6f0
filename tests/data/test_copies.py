"""Identical images: they stay on one side, and people are told of them."""

import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from budgetnas.data.images import (
    Copies,
    ImageSet,
    count_copies,
    describe_split,
    digests_of,
    groups_of,
    split,
)
from budgetnas.events import Event, Notice
from budgetnas.runs import RunResult, hold_out
from budgetnas.study import StudyConfig
from budgetnas.workflows.retrain import retrain
from budgetnas.workflows.search import search
from tests.data.pictures import fill, held_out, train

Drawn = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=120)
"""Of each image which picture it shows, and its label."""


def drawn(pairs: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([label for _, label in pairs]), groups_of([b"%d" % p for p, _ in pairs])


@given(Drawn, st.integers(0, 99), st.none() | st.integers(4, 30))
def test_no_picture_is_on_both_sides(
    pairs: list[tuple[int, int]], seed: int, samples: int | None
) -> None:
    labels, groups = drawn(pairs)
    parts = split(labels, seed, samples, groups)
    train_on, val = set(groups[parts.train].tolist()), set(groups[parts.val].tolist())
    assert not train_on & val
    assert set(labels.tolist()) == set(labels[parts.train].tolist()), "every class is trained"
    if samples is None:
        every = torch.cat([parts.train, parts.val]).sort().values
        assert torch.equal(every, torch.arange(len(labels)))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=300), st.integers(0, 99))
def test_one_copy_changes_little_of_a_split(labels: list[int], seed: int) -> None:
    """One pair of copies moves no more than what it takes to keep it together."""
    each = torch.tensor([*labels, labels[0]])
    groups = torch.tensor([*range(len(labels)), 0])
    plain, grouped = split(each, seed), split(each, seed, groups=groups)
    moved = set(plain.val.tolist()) ^ set(grouped.val.tolist())
    assert len(moved) <= 3


@pytest.mark.parametrize(
    ("counts", "seed", "samples", "digest"),
    [
        ([100] * 10, 0, None, "ac6021df9a3e3227"),
        ([100, 37, 2, 1], 7, None, "ffdf8b5e7ed84def"),
        ([100, 37, 2, 1], 7, 50, "d987ce21b4649e8a"),
    ],
)
def test_without_copies_a_split_is_what_it_always_was(
    counts: list[int], seed: int, samples: int | None, digest: str
) -> None:
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    for groups in (None, torch.arange(len(labels))):
        assert describe_split(split(labels, seed, samples, groups))["digest"] == digest


def test_a_tenth_validates_where_each_picture_is_there_six_times() -> None:
    labels = torch.arange(2).repeat_interleave(300)
    groups = torch.arange(0, 600, 6).repeat_interleave(6)
    parts = split(labels, 0, groups=groups)
    assert labels[parts.val].bincount().tolist() == [30, 30]


def test_of_large_groups_the_smallest_validates_and_of_one_none() -> None:
    groups = torch.tensor([0] * 5 + [5] * 3 + [8] * 4)
    labels = torch.tensor([0] * 8 + [1] * 4)
    assert split(labels, 0, groups=groups).val.tolist() == [5, 6, 7]


def test_pictures_under_several_classes_are_counted_once_each() -> None:
    groups = torch.tensor([0, 0, 0, 3, 4, 4, 6])
    labels = torch.tensor([0, 1, 2, 0, 1, 1, 2])
    found = count_copies(groups, labels)
    assert found == Copies(images=7, copies=3, ambiguous=1)
    assert found.notice == (
        "3 of 7 training images are copies of others: identical images stay on one side of "
        "training and validation; 1 picture lies under two classes or more: correct the labels"
    )
    assert count_copies(torch.arange(7), labels).notice is None


def test_digests_follow_the_pixels() -> None:
    images = torch.randint(0, 256, (4, 5, 5, 3), dtype=torch.uint8)
    images[2] = images[0]
    assert groups_of(digests_of(images)).tolist() == [0, 1, 0, 3]
    assert digests_of(images.permute(0, 2, 1, 3).permute(0, 2, 1, 3)) == digests_of(images)


def noise(pictures: int, times: int, seed: int) -> ImageSet:
    """Noise with random labels, each picture several times."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (pictures, 8, 8, 3), dtype=torch.uint8, generator=rng)
    labels = torch.randint(0, 3, (pictures,), generator=rng)
    return ImageSet(images.repeat(times, 1, 1, 1), labels.repeat(times), ("a", "b", "c"))


def test_what_is_held_out_to_select_an_epoch_has_no_copy_in_training() -> None:
    images = noise(60, 6, 0)
    trained_on, val = hold_out(images, "best-val", 0)
    assert val is not None
    assert 24 <= len(val) <= 36
    assert not set(trained_on.digests) & set(val.digests)


def _six_of_each() -> None:
    fill(n=100)
    for path in sorted(Path("images/train").glob("*/*.png")):
        for copy in range(5):
            shutil.copy(path, path.with_name(f"{path.stem}-{copy}.png"))


def _told(event: Event, notices: list[str]) -> None:
    if isinstance(event, Notice):
        notices.append(event.text)


def test_a_network_that_learns_copies_by_heart_is_no_better_than_guessing() -> None:
    """Before, it had seen what it was judged on: 100 % of noise with random labels."""
    _six_of_each()
    Path("by-heart.toml").write_text(
        'base = "short"\nepochs = 8\nbatch_size = 32\naugment = []\nlookahead = "none"\n'
    )
    notices: list[str] = []
    found = search(
        "100k", trials=1, dataset="folder", data_dir="images", image_size=8,
        recipe="by-heart.toml", watch=lambda event: _told(event, notices),
    )  # fmt: skip
    assert found.best is not None
    assert found.best.value < 0.9
    facts = StudyConfig.read(Path("studies") / found.study).facts
    assert facts.copies / (facts.train + facts.val) == pytest.approx(5 / 6)
    assert facts.ambiguous == 0
    (line,) = [text for text in notices if "copies" in text]
    assert line.startswith(f"{facts.copies} of {facts.train + facts.val} training images are")


def test_images_of_the_test_part_that_are_in_train_are_counted() -> None:
    fill(n=20)
    fill("test", n=6, first=17)  # three of each class are in train, too
    assert len({*train().digests} & {*held_out().digests}) == 6
    notices: list[str] = []
    result = retrain(
        "modified-resnet-small", dataset="folder", data_dir="images", image_size=8, epochs=1,
        watch=lambda event: _told(event, notices),
    )  # fmt: skip
    assert (result.test_in_train, result.test_images) == (6, 12)
    assert RunResult.read(Path(result.run) / "result.json") == result
    (line,) = [text for text in notices if "test images are training images" in text]
    assert line.startswith("6 of 12 test images are training images, too: the test accuracy")

"""What a user's folder holds is said in one line, and nothing in it is ignored in silence."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torchvision.datasets import ImageFolder

from budgetnas.data.heldout import check_test
from budgetnas.data.images import split_images
from budgetnas.data.load import Inventory
from budgetnas.errors import InputError
from budgetnas.events import Event, Notice
from budgetnas.runs import RunConfig, hold_out
from budgetnas.study import StudyConfig
from budgetnas.workflows.plan import plan
from budgetnas.workflows.retrain import retrain
from budgetnas.workflows.search import search
from tests.data.pictures import contents, fill, held_out, noise, save, sided, source, train


def line() -> str:
    (text,) = train().notices
    assert text.isprintable()
    return text


def rename_files(folder: str, suffix: str, n: int) -> None:
    for path in sorted(Path(folder).iterdir())[:n]:
        path.rename(path.with_suffix(suffix))


def test_classes_parts_and_what_is_left_out_are_counted_in_one_line() -> None:
    fill(n=60)
    fill("test", n=1, first=900)
    rename_files("images/train/b", ".HEIC", 50)
    rename_files("images/train/a", ".jpg_large", 3)
    Path("images/train/a/.hidden").write_text("x")
    Path("images/train/list.txt").write_text("x")
    shutil.copytree("images/test", "images/Testing")
    assert line() == (
        "images: 2 classes of 10 ('b') to 57 ('a') training images; train 67, one in 10 of each "
        "class validates, test is not opened yet; left out: 50 .HEIC, 3 .jpg_large, 1 outside of "
        "a class, 1 hidden, folder 'Testing' (not named train, val or test); that is 50 of the 60 "
        "files of 'b'"
    )


def test_without_anything_left_out_nothing_is_said_of_it() -> None:
    fill(n=20)
    aside = len(held_out())
    assert line() == (
        "images: 2 classes of 20 training images; train 40, one in 10 of each class validates, "
        f"{aside} of them set aside to test on"
    )


def test_every_kind_and_folder_is_counted_but_not_every_one_listed() -> None:
    fill(n=3)
    fill("test", n=1, first=900)
    for number in range(12):
        Path(f"images/train/a/x.kind{number:02}").write_text("x")
        Path(f"images/other{number:02}").mkdir()
    text = line()
    assert "1 .kind07, 4 of other kinds, folders 'other00', " in text
    assert "'other04' and 7 more (not named" in text


def test_a_class_without_enough_images_says_what_was_left_out_of_it() -> None:
    fill(n=20)
    rename_files("images/train/b", ".HEIC", 18)
    with pytest.raises(InputError) as caught:
        train()
    assert str(caught.value) == (
        "class 'b' has 2 images in images/train/b, at least 3 are needed (left out: 18 .HEIC)"
    )


def test_folders_in_a_class_are_read_as_image_folder_reads_them() -> None:
    fill(n=4)
    fill("test", n=1, first=900)
    for number, place in enumerate(("batch.v1", "more/deep.png", "zz/a b")):
        save(noise(number), f"images/train/a/{place}/{number}.png")
    Path("images/train/b/linked").symlink_to("../../test/b")
    images, expected = train(), ImageFolder("images/train")
    assert images.labels.tolist() == expected.targets
    assert images.classes == tuple(expected.classes)
    assert contents(images) == {picture.tobytes() for picture, _ in expected}
    assert len(images) == 4 + 3 + 4 + 1


@pytest.mark.parametrize(("train_name", "test_name"), [("Train", "TEST"), ("TRAIN", "Test")])
def test_upper_and_lower_case_are_one_name(train_name: str, test_name: str) -> None:
    fill(n=5)
    fill("test", n=2, first=900)
    before = train().fingerprint()
    Path("images/train").rename(f"images/{train_name}")
    Path("images/test").rename(f"images/{test_name}")
    assert train().fingerprint() == before
    assert len(held_out()) == 4
    assert check_test(source(), ("a", "b")) == "test part: 4 images"
    assert f"{train_name} 10, " in line()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("val", "valid"), "images: at most one folder may be the val part, got val and valid: "),
        (("Validation", "val"), "may be the val part, got Validation and val: join or rename"),
        (("Test", "test"), "may be the test part, got Test and test: join or rename them"),
        (("Train",), "may be the train part, got Train and train: join or rename them"),
    ],
)
def test_two_folders_for_one_part_are_refused_by_name(
    names: tuple[str, ...], message: str
) -> None:
    fill(n=3)
    for name in names:
        fill(name, n=1)
    with pytest.raises(InputError) as caught:
        train()
    assert message in str(caught.value)


def test_a_folder_that_is_nearly_named_train_is_what_to_rename() -> None:
    fill("training", n=3)
    with pytest.raises(InputError) as caught:
        train()
    assert str(caught.value) == (
        "a folder data set needs train/<class>/* in it, images/train is no folder: "
        "rename images/training to train"
    )


@pytest.mark.parametrize("name", ["val", "valid", "VALIDATION"])
def test_a_validation_part_is_validated_on_and_train_stays_whole(name: str) -> None:
    fill(n=20)
    fill(name, n=3, first=500)
    fill("test", n=1, first=900)
    images = train()
    assert images.validation is not None
    parts = split_images(images, 0)
    assert (len(parts.train), len(parts.val)) == (40, 6)
    assert contents(images.take(parts.val)) == {
        noise(500 + 1000 * ord(c) + n).tobytes() for c in "ab" for n in range(3)
    }
    assert torch.equal(parts.val, split_images(images, 1).val), "no seed draws them"
    assert f"train 40, {name} 6 (the validation part), test is not opened yet" in line()
    some = split_images(images, 0, train_samples=10)
    assert (len(some.train), len(some.val)) == (10, 6)
    trained_on, val = hold_out(images, "best-val", 0)
    assert val is not None
    assert (len(trained_on), len(val), len(hold_out(images, "last", 0)[0])) == (40, 6, 46)


def test_another_image_is_not_taken_for_the_validation_part() -> None:
    fill(n=6)
    fill("test", n=1, first=900)
    Path("images/val").mkdir()
    for name in "ab":
        Path(f"images/val/{name}").mkdir()
        Path(f"images/train/{name}/005.png").rename(f"images/val/{name}/005.png")
    once = train().fingerprint()
    for name in "ab":
        Path(f"images/val/{name}/005.png").rename(f"images/train/{name}/005.png")
        Path(f"images/train/{name}/004.png").rename(f"images/val/{name}/004.png")
    assert train().fingerprint() != once


def test_what_is_in_train_and_val_is_validated_on_only() -> None:
    fill(n=20)
    fill("val", n=5, first=17)  # three of each class are in train, too
    fill("test", n=1, first=900)
    images = train()
    parts = split_images(images, 0)
    assert (len(parts.train), len(parts.val)) == (34, 10)
    assert any(
        text.startswith("6 training images are also in the validation part")
        for text in images.all_notices
    )
    shutil.rmtree("images/val/b")
    shutil.copytree("images/train/b", "images/val/b")
    with pytest.raises(InputError, match=r"class 'b': all of its .* are also in the val"):
        split_images(train(), 0)


def test_without_a_test_part_a_fifth_of_train_and_val_is_set_aside() -> None:
    fill(n=50)
    fill("val", n=50, first=500)
    images, aside = train(), held_out()
    assert len(images) + len(aside) == 200
    assert not contents(images) & contents(aside)
    assert images.validation is not None
    assert 60 < len(images.validation) < 95
    assert 20 < len(aside) < 60


def only_set_aside() -> None:
    for number, image in enumerate(sided(4, aside=True)):
        save(image, f"images/val/{'ab'[number % 2]}/{number}.png")


def one_class() -> None:
    fill("val", classes="bc", n=1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (only_set_aside, "images/val: all of its 4 images are set aside to test on, add some to"),
        (one_class, "images: train and val need the same classes, 'a' is in train only"),
        (lambda: Path("images/val").write_text("x"), "images/val must be a folder, it is a file"),
    ],
)
def test_what_a_validation_part_can_not_be(make: Callable[[], object], message: str) -> None:
    fill(n=20)
    make()
    with pytest.raises(InputError) as caught:
        train()
    assert message in str(caught.value)


def test_plan_says_the_same_and_opens_no_image() -> None:
    fill(n=20)
    fill("val", n=2)
    Path("images/train/a/000.png").write_text("no image")
    found = plan("100k", dataset="folder", data_dir="images", image_size=8, device="cpu")
    assert found.notices == (Inventory.take(Path("images")).describe(),)
    assert "val 4 (the validation part), about one in 5 of them set aside" in found.notices[0]


def test_a_search_and_a_retraining_say_it_once_and_keep_it() -> None:
    fill(n=12)
    fill("val", n=3, first=500)
    fill("test", n=2, first=900)
    Path("images/test/a/more.HEIC").write_text("x")
    notices: list[str] = []

    def watch(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)

    found = search(
        "100k", trials=1, dataset="folder", data_dir="images", image_size=8, epochs=1, watch=watch
    )
    assert len([text for text in notices if text.startswith("images: 2 classes")]) == 1
    facts = StudyConfig.read(Path("studies") / found.study).facts
    assert (facts.train, facts.val, facts.own_validation) == (24, 6, True)
    notices.clear()
    result = retrain("best", epochs=1, watch=watch)
    assert len([text for text in notices if text.startswith("images: 2 classes")]) == 1
    assert "test part: 4 images; left out: 1 .HEIC" in notices
    assert any(
        text.startswith("the validation part's 6 images are trained on") for text in notices
    )
    assert RunConfig.read(Path(result.run)).fingerprint == facts.fingerprint

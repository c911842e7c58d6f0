"""Files that can't be read: refused all at once, or left out, counted and listed."""

import os
from pathlib import Path

import pytest

from budgetnas.data.heldout import check_test
from budgetnas.errors import InputError
from budgetnas.events import Event, Notice
from budgetnas.study import StudyConfig, asked_run
from budgetnas.study.options import RunOptions
from budgetnas.workflows.retrain import retrain
from budgetnas.workflows.search import search
from tests.data.pictures import fill, held_out, source, train


def damage(*names: str) -> None:
    for name in names:
        Path("images", name).write_text("no image")


def test_all_damaged_files_are_in_one_message() -> None:
    fill(n=20)
    fill("test", n=1, first=900)
    damage(*(f"train/b/{number:03}.png" for number in range(7)))
    Path("images/train/a/link.png").symlink_to("nowhere")
    with pytest.raises(InputError) as caught:
        train()
    message = str(caught.value)
    assert message.startswith(
        "8 images can't be read (--skip-unreadable leaves them out): images/train/a/link.png:"
        " an image must be a file, it is a link that leads nowhere; images/train/b/000.png: not a "
    )
    assert message.count("images/train/b/") == 4
    assert message.endswith("; and 3 more")
    assert message.isprintable()


@pytest.mark.parametrize("content", [b"", b"x", b"xyz", b"no image"])
def test_what_is_too_short_for_any_format_is_said_to_be_in_none(content: bytes) -> None:
    fill(n=4)
    fill("test", n=1, first=900)
    Path("images/train/a/000.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a/000\.png: not a readable image: it is in no format"):
        train()


def test_a_known_image_beside_a_damaged_copy_of_its_name_is_its_own() -> None:
    """Chunks mix what the cache has, what is decoded, and what can't be read."""
    fill(n=20)
    fill("test", n=1, first=900)
    whole = train()
    damage("train/a/003.png", "train/b/010.png")
    fill("train", classes="a", n=1, first=700)  # 000.png is another image now
    some = train(skip_unreadable=True)
    assert some.files is not None
    assert whole.files is not None
    for name in ("train/a/001.png", "train/a/004.png", "train/b/019.png"):
        here, before = some.files.index(name), whole.files.index(name)
        assert some.images[here].equal(whole.images[before])
    assert len(some) == 38
    assert [line.split(":")[0] for line in some.unreadable] == [
        "images/train/a/003.png", "images/train/b/010.png",
    ]  # fmt: skip
    assert some.notices[1].startswith(
        "2 of 40 images can't be read: left out and listed in unreadable.txt, first images/train/"
    )


def test_what_is_left_must_be_enough() -> None:
    fill(n=4)
    fill("test", n=1, first=900)
    damage("train/b/000.png", "train/b/001.png")
    with pytest.raises(InputError) as caught:
        train(skip_unreadable=True)
    assert str(caught.value) == (
        "class 'b' has 2 readable images in images/train/b, at least 3 are needed"
    )
    damage("test/a/000.png")
    with pytest.raises(InputError, match="class 'a' has 0 readable images in images/test/a"):
        held_out(skip_unreadable=True)


def test_what_is_set_aside_is_counted_of_what_can_be_read() -> None:
    fill(n=60)
    whole, aside = train(), held_out()
    assert whole.files is not None
    assert aside.files is not None
    damage(whole.files[0], aside.files[0])
    left, left_aside = train(skip_unreadable=True), held_out(skip_unreadable=True)
    assert (left.files, left_aside.files) == (whole.files[1:], aside.files[1:])
    assert f"{len(aside) - 1} of them set aside to test on" in left.notices[0]
    assert len(left.unreadable) == 2
    assert left_aside.unreadable == (), "they are those of the training part"


def test_no_pipe_is_waited_for() -> None:
    fill(n=4)
    fill("test", n=2, first=900)
    os.mkfifo("images/train/a/pipe.png")
    os.mkfifo("images/test/b/pipe.png")
    assert len(train(skip_unreadable=True)) == 8
    with pytest.raises(InputError, match=r"test/b/pipe\.png: an image must be a file, it is a pi"):
        check_test(source(), ("a", "b"))
    assert check_test(source(skip_unreadable=True), ("a", "b")) == "test part: 5 images"


def test_a_study_and_its_runs_leave_them_out_and_list_them() -> None:
    fill(n=12)
    fill("test", n=4, first=900)
    damage("train/a/000.png", "test/b/000.png", "test/b/001.png")
    notices: list[str] = []

    def watch(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)

    options = {"dataset": "folder", "data_dir": "images", "image_size": 8, "epochs": 1}
    found = search("100k", trials=1, skip_unreadable=True, watch=watch, **options)
    folder = Path("studies") / found.study
    (line,) = (folder / "unreadable.txt").read_text().splitlines()
    assert line.startswith("images/train/a/000.png: not a readable image: ")
    assert len([text for text in notices if "can't be read" in text]) == 1
    assert StudyConfig.read(folder).data.skip_unreadable
    assert search(trials=1, study=found.study).trained == 1, "it goes on as it began"
    with pytest.raises(InputError, match="--skip-unreadable was True, now False"):
        search(trials=1, study=found.study, skip_unreadable=False)
    notices.clear()
    result = retrain("best", epochs=1, watch=watch)
    assert (result.test_images, result.test_unreadable) == (6, 2)
    listed = (Path(result.run) / "unreadable.txt").read_text().splitlines()
    assert [each.split(":")[0] for each in listed] == [
        "images/train/a/000.png", "images/test/b/000.png", "images/test/b/001.png",
    ]  # fmt: skip
    assert len([text for text in notices if "can't be read" in text]) == 2
    with pytest.raises(InputError, match=r"train/a/000\.png: not a readable image: .*--skip"):
        retrain("best", epochs=1, skip_unreadable=False)


def test_a_study_file_says_it_or_the_command() -> None:
    Path("studies/s").mkdir(parents=True)
    data = '[data]\ndataset = "folder"\ndata_dir = "images"\n'
    text = (
        'question = "?"\ncommand = "run"\ntime = { cpu = "1 s", gpu = "1 s" }\n'
        'presets = ["resnet56"]\n'
    )
    file = Path("studies/s/study.toml")
    file.write_text(text + data)
    assert not asked_run(RunOptions.of(study="s")).data.skip_unreadable
    asked = asked_run(RunOptions.of(study="s", skip_unreadable=True))
    assert asked.data.skip_unreadable
    assert asked.about(None).command == "budgetnas run s --skip-unreadable"
    file.write_text(text + data + "skip_unreadable = true\n")
    assert asked_run(RunOptions.of(study="s")).data.skip_unreadable

"""Checkpoints: verified when read, and the last good one stays until the next is safe."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from budgetnas.errors import InputError
from budgetnas.train import Checkpoints, State, read_tensors, write_tensors

STATE: State = {
    "model.weight": torch.randn(3, 4, generator=torch.Generator().manual_seed(0)),
    "optimizer.0.step": torch.tensor(7.0),
    "flags": torch.tensor([True, False]),
    "half": torch.arange(5, dtype=torch.bfloat16),
    "empty": torch.empty(0, 3),
    "epochs_done": torch.tensor(2),
}


def equal(first: State, second: State) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) and first[name].dtype == second[name].dtype
        for name in first
    )


def anything(state: State, path: Path) -> None:
    """Accept every state."""


def said_by(checkpoints: Checkpoints) -> tuple[State | None, list[str]]:
    said: list[str] = []
    return checkpoints.read(anything, said.append), said


def flip_last_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_what_was_written_is_read() -> None:
    write_tensors(Path("t"), STATE)
    assert equal(read_tensors(Path("t")), STATE)
    before = Path("t").read_bytes()
    write_tensors(Path("t"), STATE)
    assert Path("t").read_bytes() == before, "the same tensors are the same file"


@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(place: int, bit: int) -> None:
    write_tensors(Path("t"), STATE, durable=False)
    content = bytearray(Path("t").read_bytes())
    content[place % len(content)] ^= 1 << bit
    Path("t").write_bytes(content)
    try:
        found = read_tensors(Path("t"))
    except InputError as error:
        message = str(error)
    else:
        assert equal(found, STATE), "only a bit without effect, in the header, may be flipped"
        return
    assert "t: damaged: " in message
    assert "\n" not in message


@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, -1])
def test_a_file_of_another_length_is_damaged(length: int) -> None:
    write_tensors(Path("t"), STATE)
    whole = Path("t").read_bytes()
    for content in (whole[:length], whole + whole[:length] + b"x"):
        Path("t").write_bytes(content)
        with pytest.raises(InputError, match="t: damaged"):
            read_tensors(Path("t"))
    with pytest.raises(InputError, match="none: can't be read: No such file"):
        read_tensors(Path("none"))


def test_tensors_without_a_checksum_are_not_believed() -> None:
    from safetensors.torch import save_file

    save_file(STATE, "t")
    with pytest.raises(InputError, match="t: damaged"):
        read_tensors(Path("t"))


def test_the_two_newest_are_kept() -> None:
    assert said_by(Checkpoints(Path())) == (None, [])
    checkpoints = Checkpoints(Path())
    for number in (1, 2, 3):
        checkpoints.write({"epochs_done": torch.tensor(number)})
    assert sorted(p.name for p in Path().iterdir()) == [
        "checkpoint-before.safetensors", "checkpoint.safetensors",
    ]  # fmt: skip
    assert read_tensors(checkpoints.newest)["epochs_done"] == 3
    assert read_tensors(checkpoints.before)["epochs_done"] == 2


def test_a_damaged_one_never_takes_the_place_of_the_good_one() -> None:
    checkpoints = Checkpoints(Path())
    for number in (1, 2):
        checkpoints.write({"epochs_done": torch.tensor(number)})
    flip_last_bit(checkpoints.newest)
    again = Checkpoints(Path())
    state, said = said_by(again)
    assert state == {"epochs_done": torch.tensor(1)}
    assert "checkpoint.safetensors: damaged: its checksum" in said[0]
    again.write({"epochs_done": torch.tensor(2)})
    assert read_tensors(again.before)["epochs_done"] == 1
    flip_last_bit(again.newest)
    flip_last_bit(again.before)
    with pytest.raises(InputError, match="no good checkpoint is left: without --resume"):
        said_by(Checkpoints(Path()))


def test_killed_between_the_two_renames_the_one_before_is_left() -> None:
    checkpoints = Checkpoints(Path())
    for number in (1, 2):
        checkpoints.write({"epochs_done": torch.tensor(number)})
    checkpoints.newest.replace(checkpoints.before)
    state, said = said_by(Checkpoints(Path()))
    assert (state, said) == ({"epochs_done": torch.tensor(2)}, [])

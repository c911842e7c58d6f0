"""Whatever is in a checkpoint's file, it is read as it was written, or refused on one line."""

import json
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from budgetnas.errors import InputError
from budgetnas.train import State, epochs_done, read_tensors, write_tensors
from tests.fuzz.conftest import FUZZ

STATE: State = {
    "model.weight": torch.arange(12, dtype=torch.float32).reshape(3, 4),
    "half": torch.arange(5, dtype=torch.bfloat16),
    "flags": torch.tensor([True, False]),
    "empty": torch.empty(0, 3),
    "epochs_done": torch.tensor(2),
}


def whole() -> bytes:
    path = Path("whole")
    if not path.exists():
        write_tensors(path, STATE)
    return path.read_bytes()


def read(content: bytes) -> State | None:
    """What is read, or None if it was refused as it should be."""
    path = Path("checkpoint.safetensors")
    path.write_bytes(content)
    try:
        state = read_tensors(path)
        epochs_done(state, path, 3)
    except InputError as error:
        complaint = str(error)
    else:
        return state
    assert complaint.startswith("checkpoint.safetensors: damaged: ")
    assert "\n" not in complaint
    return None


def same(state: State | None) -> bool:
    return (
        state is not None
        and state.keys() == STATE.keys()
        and all(torch.equal(state[name], STATE[name]) for name in STATE)
    )


@FUZZ
@given(st.data())
def test_damaged_checkpoints(data: st.DataObject) -> None:
    content = bytearray(whole())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        length = data.draw(st.sampled_from([0, 1, 1, 8, 100]))
        content[at : at + length] = data.draw(st.binary(max_size=length + 1))
    state = read(bytes(content))
    assert state is None or same(state), "damage that goes unnoticed changes nothing"


HEADERS = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**70) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["__metadata__", "sha256", "dtype", "shape", "data_offsets", "epochs_done", "F32"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@FUZZ
@given(HEADERS, st.binary(max_size=60))
def test_invented_checkpoints(header: object, rest: bytes) -> None:
    text = json.dumps(header).encode()
    assert read(len(text).to_bytes(8, "little") + text + rest) is None
    assert read(rest) is None


@FUZZ
@given(st.dictionaries(st.text(max_size=8), st.integers(0, 4), max_size=3))
def test_tensors_that_are_no_checkpoint(numbers: dict[str, int]) -> None:
    tensors = {name: torch.tensor(value) for name, value in numbers.items()}
    assert read(save(tensors)) is None, "without a checksum"
    write_tensors(Path("t"), tensors)
    state = read(Path("t").read_bytes())
    assert (state is not None) == (1 <= numbers.get("epochs_done", 0) <= 3)

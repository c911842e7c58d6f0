"""Checkpoints: tensors in safetensors files, written whole, never unpickled."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from budgetnas.errors import InputError
from budgetnas.files import write_atomic
from budgetnas.train.engine import State


def write_tensors(path: Path, tensors: State) -> None:
    """Write named tensors, whole or not at all."""
    write_atomic(path, save({name: value.contiguous() for name, value in tensors.items()}))


def read_tensors(path: Path) -> State:
    """Read named tensors.

    Raises:
        InputError: If the file is missing or damaged.
    """
    try:
        return load(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from None
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"{path}: damaged: {error}") from None


def epochs_done(state: State, path: Path, epochs: int) -> int:
    """Return the number of epochs after which a checkpoint was taken.

    Raises:
        InputError: If it is no checkpoint, or not of a run of so many epochs.
    """
    counter = state.get("epochs_done")
    if counter is None or counter.ndim or not 1 <= int(counter) <= epochs:
        raise InputError(f"{path}: damaged: no checkpoint of a run of {epochs} epochs")
    return int(counter)

"""Checkpoints: tensors in safetensors files, written whole, verified when read."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load, save

from budgetnas.errors import InputError, first_line
from budgetnas.files import write_atomic
from budgetnas.train._engine import State

_CHECKSUM = "sha256"


def write_tensors(path: Path, tensors: State, *, durable: bool = True) -> None:
    """Write named tensors of the CPU and their checksum, whole or not at all."""
    laid_out = {name: value.contiguous() for name, value in tensors.items()}
    content = save(laid_out, {_CHECKSUM: _checksum(laid_out)})
    write_atomic(path, content, durable=durable)


def read_tensors(path: Path) -> State:
    """Read named tensors, and verify their length and checksum.

    Raises:
        InputError: If the file is missing or damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from None
    try:
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")  # of the header, in JSON
        said = json.loads(content[8 : 8 + length])["__metadata__"].get(_CHECKSUM)
    except Exception as error:  # safetensors raises nearly anything on damaged bytes
        raise InputError(f"{path}: damaged: {first_line(error)}") from None
    found = _checksum(tensors)
    if said != found:
        raise InputError(f"{path}: damaged: its checksum must be {found[:12]}, it says {said!r}")
    return tensors


def _checksum(tensors: State) -> str:
    """Digest names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


class Checkpoints:
    """The two newest checkpoints of a training: a good one stays until the next is safe.

    One that turned out damaged never takes the place of the good one before it.
    """

    def __init__(self, folder: Path) -> None:
        self.newest = folder / "checkpoint.safetensors"
        self.before = folder / "checkpoint-before.safetensors"
        self._next = folder / "checkpoint-next.safetensors"
        self._newest_is_good = False

    def write(self, state: State) -> None:
        """Write the next one; what was the newest becomes the one before."""
        write_tensors(self._next, state)
        if self._newest_is_good:
            self.newest.replace(self.before)
        self._next.replace(self.newest)
        self._newest_is_good = True

    def read(
        self, check: Callable[[State, Path], None], say: Callable[[str], object]
    ) -> State | None:
        """Read the newest good one; None where nothing was ever kept.

        Args:
            check: Raises `InputError` for a state that can't be continued from.
            say: Receives a notice of each that is damaged.

        Raises:
            InputError: If there are some, but none is good.
        """
        if self._next.is_file() and not self.newest.is_file():  # killed between two renames
            self._next.replace(self.newest)
        problems = []
        for path in (self.newest, self.before):
            if not path.is_file():
                continue
            try:
                state = read_tensors(path)
                check(state, path)
            except InputError as error:
                problems.append(str(error))
                continue
            self._newest_is_good = path == self.newest
            if problems:
                say(f"{problems[0]}; going on from the one before it, {path.name}")
            return state
        if problems:
            raise InputError(
                f"{'; '.join(problems)}; no good checkpoint is left: without --resume another "
                "run begins"
            )
        return None


class BackgroundCheckpoint:
    """The newest checkpoint of a training, in one file, written while the next epoch is trained.

    A checksum and a file of 60 MB take 0.2 s, much of a short epoch. Nothing waits until it is on
    the disk, either: after a crash of the whole machine the checksum tells. A context manager, at
    whose end nothing is being written any more.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.shutdown()

    def write(self, state: State) -> None:
        self._writing = self._writer.submit(write_tensors, self.path, state, durable=False)

    def settle(self) -> None:
        """Wait until what is being written is there; raise what keeps it from being written."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def read(
        self, check: Callable[[State, Path], None], say: Callable[[str], object]
    ) -> State | None:
        """Read it, as `Checkpoints.read` does; there is none before it to go on from."""
        if not self.path.is_file():
            return None
        state = read_tensors(self.path)
        check(state, self.path)
        return state


def epochs_done(state: State, path: Path, epochs: int) -> int:
    """Return the number of epochs after which a checkpoint was taken.

    Raises:
        InputError: If it is no checkpoint, or not of a run of this many epochs.
    """
    counter = state.get("epochs_done")
    if counter is None or counter.ndim or not 1 <= int(counter) <= epochs:
        raise InputError(f"{path}: damaged: no checkpoint of a run of {epochs} epochs")
    return int(counter)

"""A worker process: started with one task, and killed when it is no longer needed.

It is a program of its own: nothing of the process that starts it is run again, and its imports
are made once, whatever it receives later. It exits when the other end of its channel closes, for
whatever reason. Images that several processes work on are in memory once, and on no disk once they
have ended.
"""

import mmap
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from queue import SimpleQueue
from signal import Signals
from typing import Any, Protocol

import torch

from budgetnas import plugins
from budgetnas.data.images import ImageSet, packed_pixels

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; from budgetnas.executors._process import main; main()"
)
PATIENCE = 10.0
"""Seconds to wait for a killed process to exit."""


class Channel:
    """A worker's end of the connection: messages wait until they are received.

    A thread always listens, so that the process exits as soon as the connection closes.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._messages: SimpleQueue[bytes] = SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                self._messages.put(self._connection.recv_bytes())
            except (EOFError, OSError):
                os._exit(0)  # in the middle of whatever this process is doing

    def receive(self) -> Any:
        # not in the listening thread: unpickling the first one imports for seconds
        return pickle.loads(self._messages.get())  # noqa: S301, it comes from the parent process

    def send(self, message: object) -> None:
        try:
            self._connection.send(message)
        except BrokenPipeError:
            os._exit(0)


class WorkerTask(Protocol):
    """The task of a worker process, from its start to its end; it has to be picklable."""

    def run(self, channel: Channel) -> None:
        """Run until the channel closes."""


def main() -> None:
    """Import the plugins that are received first, then run the task that is."""
    channel = Channel(Connection(int(sys.argv[1])))
    try:
        for name in channel.receive():
            plugins.load(name)
        channel.receive().run(channel)
    except Exception as error:
        channel.send(picklable(error))


def picklable(error: Exception) -> Exception:
    """Return an exception that can be raised in another process, with its traceback as a note."""
    error.add_note("".join(["In a worker process:\n", *traceback.format_exception(error)]))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        other = RuntimeError(f"{type(error).__name__}: {error}")
        other.__notes__ = error.__notes__
        return other
    return error


class WorkerProcess:
    """A worker process, seen from the one that started it."""

    def __init__(self, task: WorkerTask, descriptors: Sequence[int] = ()) -> None:
        """Start it.

        Args:
            task: What it runs.
            descriptors: Open files that it inherits, under the same numbers.
        """
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.connection, theirs = Pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), *map(str, sys.path)],
                stdin=subprocess.DEVNULL, stdout=self._errors, stderr=self._errors,
                pass_fds=[theirs.fileno(), *descriptors],
                start_new_session=True,  # Ctrl-C is for the process that was started by hand
            )  # fmt: skip
        except BaseException:
            self.connection.close()
            self._errors.close()
            raise
        finally:
            theirs.close()
        self.send(plugins.loaded())
        self.send(task)

    def send(self, message: object) -> None:
        """Send a message; that the process has exited is noticed by `receive`."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def receive(self) -> Any:
        """Wait for the next message.

        Raises:
            EOFError: If the process has exited.
        """
        try:
            return self.connection.recv()
        except OSError:
            raise EOFError from None

    def kill(self) -> None:
        """Kill it and wait until it has exited."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        self.connection.close()
        self._errors.close()

    def exit_reason(self) -> str:
        """Return the signal or status of an exited process, and its last line on stderr."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()
        self.kill()
        status = self._process.returncode
        how = Signals(-status).name if status and status < 0 else f"exit status {status}"
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"{how}: {last}" if last else how


@dataclass(frozen=True)
class _Part:
    """Where a set is in the file."""

    labels: int
    pixels: int
    shape: tuple[int, ...]
    """Of its images."""
    classes: tuple[str, ...]


@dataclass(frozen=True)
class SharedImages:
    """Sets of images in an open file without a name, which processes inherit by its number."""

    descriptor: int
    parts: tuple[_Part, ...]

    def open(self) -> list[ImageSet]:
        """Map the file into this process's memory, which costs none of its own.

        The sets are packed: batches are gathered from what is mapped.
        """
        # what a process changes is its own; torch warns of memory that can't be written
        mapped = mmap.mmap(self.descriptor, 0, access=mmap.ACCESS_COPY)
        return [_opened(mapped, part) for part in self.parts]


def _opened(mapped: mmap.mmap, part: _Part) -> ImageSet:
    number, *_, channels = part.shape
    size = torch.Size(part.shape).numel() + 2 * channels
    labels = torch.frombuffer(mapped, dtype=torch.int64, count=number, offset=part.labels)
    pixels = torch.frombuffer(mapped, dtype=torch.uint8, count=size, offset=part.pixels)
    pixels = pixels.view(-1, channels)
    return ImageSet(pixels[1:-1].view(part.shape), labels, part.classes, pixels)


@contextmanager
def shared(*sets: ImageSet, folder: Path | None = None) -> Iterator[SharedImages]:
    """Write sets of images, on the CPU, to a file without a name: open, or gone.

    Args:
        sets: None of them empty.
        folder: Where there is room for them; the system's place for such files by default.
    """
    parts = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for each in sets:
            # one after the other, the numbers of eight bytes first
            labels = file.tell()
            file.write(each.labels.contiguous().numpy().data)
            pixels = file.tell()
            file.write(packed_pixels(each.images).numpy().data)
            file.write(bytes(-file.tell() % 64))
            parts.append(_Part(labels, pixels, tuple(each.images.shape), each.classes))
        file.flush()
        yield SharedImages(file.fileno(), tuple(parts))

"""A process that works for another one: started, given one job, and ended by it.

It is a program of its own: nothing of the process that starts it is run again, and its imports
are made once, whatever it is told later. It ends when nobody is at the other end of its line any
more, however that came about.
"""

import os
import pickle
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from queue import SimpleQueue
from signal import Signals
from typing import Any, Protocol

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; from budgetnas.searching.worker import main; main()"
)
PATIENCE = 10.0
"""Seconds that a process which was killed may take to be gone."""


class Line:
    """A worker's end of the line: what it is told waits until it is asked for.

    Somebody always listens, whatever the worker is doing, so that it ends when the line does.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._told: SimpleQueue[bytes] = SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                self._told.put(self._connection.recv_bytes())
            except (EOFError, OSError):
                os._exit(0)  # in the middle of whatever this process is doing

    def hear(self) -> Any:
        """Wait for what is told next."""
        # not where it is listened to: what is told first takes seconds to import
        return pickle.loads(self._told.get())  # noqa: S301, it comes from whoever started this

    def say(self, something: object) -> None:
        """Say something; where nobody is left to hear it, this process ends."""
        try:
            self._connection.send(something)
        except BrokenPipeError:
            os._exit(0)


class Job(Protocol):
    """What a worker does from its start to its end; it has to be picklable."""

    def work(self, line: Line) -> None:
        """Do it."""


def main() -> None:
    """Do the job that is told first."""
    line = Line(Connection(int(sys.argv[1])))
    try:
        line.hear().work(line)
    except Exception as error:
        line.say(portable(error))


def portable(error: Exception) -> Exception:
    """Make an exception fit to be raised in another process, with where it came from."""
    error.add_note("".join(["In a worker process:\n", *traceback.format_exception(error)]))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        other = RuntimeError(f"{type(error).__name__}: {error}")
        other.__notes__ = error.__notes__
        return other
    return error


class Worker:
    """A worker process, seen from the one that started it."""

    def __init__(self, job: Job, descriptors: Sequence[int] = ()) -> None:
        """Start it.

        Args:
            job: What it is to do.
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
        self.tell(job)

    def tell(self, something: object) -> None:
        """Tell it something; that it is gone is noticed when it is listened to."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(something)

    def hear(self) -> Any:
        """Wait for what it says next.

        Raises:
            EOFError: If it is gone.
        """
        try:
            return self.connection.recv()
        except OSError:
            raise EOFError from None

    def end(self) -> None:
        """End it at once, whatever it is doing."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        self.connection.close()
        self._errors.close()

    def last_words(self) -> str:
        """Say of what it died; for one that is gone."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()
        self.end()
        status = self._process.returncode
        how = Signals(-status).name if status and status < 0 else f"exit status {status}"
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"{how}: {last}" if last else how

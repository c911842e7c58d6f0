"""The worker processes of a search, seen from outside."""

import os
import signal
import time
from pathlib import Path


def workers_of(pid: int) -> list[int]:
    """The worker processes that a process has started, as the system lists them."""
    listed = (path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return sorted(int(child) for children in listed for child in children if is_worker(child))


def is_worker(pid: str) -> bool:
    try:
        return "budgetnas.executors._process" in Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, be it waited for or not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def wait_until_gone(pids: list[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not all(map(is_gone, pids)):
        assert time.monotonic() < deadline, f"{pids} still there after {seconds} seconds"
        time.sleep(0.02)

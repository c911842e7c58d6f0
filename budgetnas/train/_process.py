"""What trainings change of the whole process, which is not theirs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def unchanged_process() -> Iterator[None]:
    """Leave the process as it was: torch's threads, and cuDNN's search for the fastest kernels.

    Also a decorator. Random numbers need nothing here: global generators are only ever seeded
    and drawn from inside a fork.
    """
    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = benchmark

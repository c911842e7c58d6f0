"""cuDNN's search for the fastest kernels, which it makes once for each shape of a convolution."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def search_kernels() -> None:
    """Make cuDNN search for the fastest kernels from now on."""
    torch.backends.cudnn.benchmark = True
    # After each search torch gives all memory that it keeps back to the driver, and asks for it
    # again: tens of times a trial, for memory that the next search also needs.
    keep = getattr(torch._C, "_cudnn_set_conv_benchmark_empty_cache", None)
    if keep is not None:
        keep(False)


@contextmanager
def no_search() -> Iterator[None]:
    """Use the kernels that cuDNN guesses to be fast, for work that runs once an epoch.

    Searching takes longer than so few runs could save.
    """
    searched = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = searched

"""Counting what slows a GPU down: cuDNN's searches, and when the host waits for the device."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Searches(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within it, counts what cuDNN searches kernels for: a convolution of a shape and direction.

    Only what runs as it is can be counted: a replayed graph asks for nothing.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found = set[tuple[object, ...]]()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Look at an operation, then do it."""
        if torch.backends.cudnn.benchmark:
            self._count(func, args)
        return func(*args, **(kwargs or {}))

    def _count(self, func: Any, args: tuple[Any, ...]) -> None:
        if func is torch.ops.aten.convolution.default:
            self._add(["forward"], args[0], args[1], args[3:])
        elif func is torch.ops.aten.convolution_backward.default:
            wanted = zip(("images", "weights"), args[-1], strict=False)
            self._add([each for each, want in wanted if want], args[1], args[2], args[4:-1])

    def _add(self, ways: list[str], images: Tensor, weight: Tensor, rest: Any) -> None:
        key = (tuple(images.shape), images.stride(), tuple(weight.shape), images.dtype, str(rest))
        self.found |= {(way, *key) for way in ways}


def host_waits(work: Callable[[], object], device: torch.device) -> int | None:
    """Count how often the host waits for the device; None where torch can't tell."""
    if device.type != "cuda":
        work()
        return None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing CUDA operation" in str(each.message) for each in caught)

"""Putting the pretended device into torch's place of a real one, for the rest of the process."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator as _Generator
from torch import Tensor
from torch import autocast as _autocast

from tests.pretended_cuda import graphs
from tests.pretended_cuda.tensors import CUDA, DEVICE, CudaTensor, Placing, on_gpu


class Generator(_Generator):
    """A generator that may say it is on the GPU; both draw the same numbers."""

    says: torch.device

    def __new__(cls, device: Any = "cpu") -> "Generator":
        made: Generator = super().__new__(cls, "cpu")  # type: ignore[call-arg]
        made.says = CUDA if torch.device(device).type == "cuda" else torch.device("cpu")
        graphs.GENERATORS.add(made)
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.says

    def clone_state(self) -> "Generator":
        made = Generator(self.says)
        made.set_state(self.get_state())
        return made

    def graphsafe_set_state(self, state: _Generator) -> "Generator":
        self.set_state(state.get_state())
        return self


class _Default(Generator):
    """The GPU's own generator: what draws without naming one draws from the CPU's here."""

    def manual_seed(self, seed: int) -> "_Default":
        torch.default_generator.manual_seed(seed)
        return self

    def get_state(self) -> Tensor:
        return torch.default_generator.get_state()

    def set_state(self, state: Tensor) -> "_Default":
        torch.default_generator.set_state(state)
        return self


class _Autocast(_autocast):
    """What a network is made of is cast alike on both."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu" if device_type == "cuda" else device_type, *args, **kwargs)


class _Event:
    def __init__(self, **_: object) -> None: ...

    def record(self, stream: object = None) -> None: ...

    def elapsed_time(self, other: object) -> float:
        return 1.0


@contextmanager
def _device(device: object) -> Iterator[None]:
    yield


def _nothing() -> Callable[..., None]:
    """Return a function that does nothing: one of its own, since torch tells them apart."""
    return lambda *_, **__: None


def _by_device(grouped: Any) -> Any:
    """Group tensors as torch does, under the devices that they say they are on."""

    def group(lists: Any, with_indices: bool = False) -> dict[Any, Any]:
        first = next(tensor for tensors in lists for tensor in tensors if tensor is not None)
        groups = grouped(lists, with_indices)
        return {(first.device, dtype): group for (_, dtype), group in groups.items()}

    return group


def install(devices: int = 1) -> None:
    """Let torch believe in so many GPUs, all of them one."""
    functions: dict[str, object] = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "_lazy_init": _nothing(),
        "_lazy_call": lambda call, **_: call(),
        "device_count": lambda: devices,
        "current_device": lambda: 0,
        "set_device": _nothing(),
        "device": _device,
        "synchronize": lambda device=None: DEVICE.wait("synchronize"),
        "set_sync_debug_mode": lambda mode: setattr(DEVICE, "warns", mode == "warn"),
        "empty_cache": _nothing(),
        "Stream": graphs.Stream,
        "Event": _Event,
        "stream": graphs.stream,
        "current_stream": graphs.current_stream,
        "CUDAGraph": graphs.Graph,
        "graph": graphs.capturing,
        "graph_pool_handle": lambda: (0, 1),
        "is_current_stream_capturing": lambda: DEVICE.recording is not None,
        "default_generators": (_Default(CUDA),),
        "get_device_name": lambda device=None: "Pretended GPU",
        "is_bf16_supported": lambda including_emulation=True: True,
        "memory_reserved": lambda device=None: 0,
        "max_memory_allocated": lambda device=None: 0,
        "reset_peak_memory_stats": _nothing(),
        "mem_get_info": lambda device=None: (10**10, 10**10),
    }
    for module in (torch.cuda, torch.cuda.random):
        for name, function in functions.items():
            if module is torch.cuda or hasattr(module, name):
                setattr(module, name, function)
    for name in ("_cuda_endAllocateToPool", "_cuda_releasePool"):
        setattr(torch._C, name, _nothing())
    grouped = _by_device(torch._C._group_tensors_by_device_and_dtype)
    torch._C._group_tensors_by_device_and_dtype = grouped
    torch.optim.Optimizer._accelerator_graph_capture_health_check = _nothing()  # type: ignore
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    _replace("Generator", _Generator, Generator)
    _replace("autocast", _autocast, _Autocast)
    Placing().__enter__()  # type: ignore[no-untyped-call]


def _replace(name: str, old: object, new: object) -> None:
    """Put something in another's place, wherever it has been imported to."""
    setattr(torch, name, new)
    for module in list(sys.modules.values()):
        ours = getattr(module, "__name__", "").startswith(("budgetnas", "tests"))
        if ours and getattr(module, name, None) is old:
            setattr(module, name, new)


__all__ = ["CudaTensor", "install", "on_gpu"]

"""Tensors that say they are on a GPU, and what a GPU allows to be done with them."""

import inspect
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

CUDA, CPU = torch.device("cuda:0"), torch.device("cpu")

WAITING = frozenset(
    {"_local_scalar_dense", "_unique2", "bincount", "equal", "is_nonzero", "masked_select",
     "nonzero", "repeat_interleave", "unique_consecutive", "unique_dim"}
)  # fmt: skip
"""Operations whose results the host waits for: it has to know a number or a size."""

INDEXING = ("index", "index_put_")
"""Takes indices from the host, too."""

STATISTICS = {"native_batch_norm": (3, 4)}
"""Arguments that operations write to although their schemas don't say so."""


class Recording(Protocol):
    """A graph that is being captured."""

    def require(self, generator: torch.Generator) -> None:
        """Refuse to draw from a generator that the graph does not know of."""

    def before(self, written: Iterable[Tensor]) -> None:
        """Keep what is going to be overwritten."""

    def add(self, work: Callable[[], object], made: object, inputs: Sequence[Tensor]) -> None:
        """Record work that has just been done."""

    def holds(self, inner: Tensor, outer: Tensor) -> None:
        """Note that somebody holds a tensor that was made while capturing."""


@dataclass
class Device:
    """What has happened on the device so far."""

    waits: Counter[str] = field(default_factory=Counter)
    """How often the host waited, by what for and where."""
    warns: bool = False
    """Whether each such wait is warned of, as after `torch.cuda.set_sync_debug_mode("warn")`."""
    operations: Counter[str] = field(default_factory=Counter)
    """How often each operation was asked for, captured or not; no replayed ones."""
    searches: set[tuple[object, ...]] = field(default_factory=set)
    """The convolutions that cuDNN's search for the fastest algorithm has run for."""
    captures: list[int] = field(default_factory=list)
    """How many operations each graph that was captured has."""
    replays: int = 0
    recording: Recording | None = None
    """The graph that is being captured, if one is."""
    registers: bool = torch.__version__ < "2.14"  # which compares as versions do
    """Whether a graph has to be told what it draws from."""

    def wait(self, what: str) -> None:
        """Let the host wait for the device, which it must not while work is captured."""
        self.waits[f"{what} in {caller()}"] += 1
        if self.warns and what != "synchronize":  # as torch does
            warnings.warn("called a synchronizing CUDA operation", stacklevel=2)
        if self.recording is not None:
            raise RuntimeError(
                f"CUDA error: operation not permitted when stream is capturing ({what})"
            )


DEVICE = Device()


def caller() -> str:
    """Name the line of the program that is being executed."""
    frame = inspect.currentframe()
    while frame is not None and "/budgetnas/" not in frame.f_code.co_filename:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame else "a test"


class CudaTensor(Tensor):
    """A tensor that says it is on the GPU; `numbers` has what it holds."""

    numbers: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "CudaTensor":
        # to autograd it lies on the CPU: its engine wants a device that is there
        made: CudaTensor = Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(),
            dtype=inner.dtype, device=CPU,
        )  # fmt: skip
        made.numbers = inner
        if DEVICE.recording is not None:
            DEVICE.recording.holds(inner, made)
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CUDA

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    @property
    def is_cpu(self) -> bool:  # type: ignore[override]
        return False

    def __repr__(self, **_: object) -> str:  # type: ignore[override]
        return f"CudaTensor({tuple(self.shape)}, {self.dtype})"

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        return operate(func, args, kwargs or {})


def operate(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Do one of torch's basic operations on tensors some of which are on the GPU."""
    name = _traits(func).name
    tensors = tensors_in(args, kwargs.values())
    _require_one_device(name, tensors)
    if name in WAITING or (name == "copy_" and _mixed(tensors)):
        DEVICE.wait(name)
    if name in INDEXING and any(t.dtype == torch.bool or not _is_there(t) for t in tensors[1:]):
        DEVICE.wait(name)  # to count what is chosen, or for indices from the host
    DEVICE.operations[name] += 1
    if name.startswith("convolution") and torch.backends.cudnn.benchmark:
        DEVICE.searches |= _searches(name, args)
    inner_args = [_each(_inner, arg) for arg in args]
    inner_kwargs = {key: _each(_inner, value) for key, value in kwargs.items()}

    def work() -> Any:
        return func(*inner_args, **inner_kwargs)

    made = _recorded(work, func, inner_args, inner_kwargs)
    if name == "_local_scalar_dense":
        return made
    # what an operation writes to, it returns
    known = {id(_inner(tensor)): tensor for tensor in tensors}
    return _each(lambda leaf: known[id(leaf)] if id(leaf) in known else on_gpu(leaf), made)


def _recorded(work: Callable[[], Any], func: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Do it, and record it if a graph is being captured; to look elsewhere is no work."""
    recording = DEVICE.recording
    if recording is None:
        return work()
    if kwargs.get("generator") is not None:
        recording.require(kwargs["generator"])
    written = [
        tensor
        for place, name in _traits(func).written
        for tensor in tensors_in([args[place] if place < len(args) else kwargs.get(name)])
    ]
    recording.before(written)
    made = work()
    inputs = tensors_in(args, kwargs.values())
    before = {storage(tensor) for tensor in inputs}
    if written or any(storage(tensor) not in before for tensor in tensors_in([made])):
        recording.add(work, made, inputs)
    return made


def tensors_in(*several: Iterable[Any]) -> list[Tensor]:
    """List the tensors among values, and in lists among them."""
    found = list[Tensor]()
    for values in several:
        for value in values:
            if isinstance(value, Tensor):
                found.append(value)
            elif isinstance(value, list | tuple):
                found += [each for each in value if isinstance(each, Tensor)]
    return found


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    """Change a value, or every one of a list."""
    if isinstance(value, list | tuple):
        return type(value)(change(each) for each in value)
    return change(value)


@dataclass(frozen=True)
class _Traits:
    """What is known of an operation."""

    name: str
    written: tuple[tuple[int, str], ...]
    """Places and names of the arguments that it writes to."""


@cache
def _traits(func: Any) -> _Traits:
    schema = func._schema
    name: str = schema.name.partition("::")[2]
    hidden = STATISTICS.get(name, ())
    written = tuple(
        (place, argument.name)
        for place, argument in enumerate(schema.arguments)
        if place in hidden or (argument.alias_info is not None and argument.alias_info.is_write)
    )
    return _Traits(name, written)


def _require_one_device(name: str, tensors: Sequence[Tensor]) -> None:
    """Refuse two devices; single numbers, copies and indices may come from the CPU."""
    several = name.startswith(("_foreach", "_fused"))
    foreign = [t for t in tensors if not isinstance(t, CudaTensor) and (several or t.ndim)]
    if foreign and name != "copy_" and name not in INDEXING:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"cuda:0 and cpu! ({name} in {caller()})"
        )


def _is_there(tensor: Tensor) -> bool:
    return isinstance(tensor, CudaTensor)


def _mixed(tensors: Sequence[Tensor]) -> bool:
    return len({*map(_is_there, tensors)}) > 1


def _inner(leaf: Any) -> Any:
    return leaf.numbers if isinstance(leaf, CudaTensor) else leaf


def on_gpu(leaf: Any) -> Any:
    """Say of a tensor that it is on the GPU."""
    return CudaTensor(leaf) if type(leaf) is Tensor else leaf


def storage(tensor: Tensor) -> int:
    """Tell memory from other memory, whoever looks at which part of it."""
    place: int = tensor.untyped_storage()._cdata
    return place


def _searches(name: str, args: tuple[Any, ...]) -> set[tuple[object, ...]]:
    """Name what cuDNN would look for the fastest algorithm for, by what it tells apart."""
    if name == "convolution":
        image, weight, _, *geometry = args
        passes = ["forward"]
    elif name == "convolution_backward":
        _, image, weight, _, *geometry, wanted = args
        passes = [each for each, want in zip(("images", "weights"), wanted, strict=False) if want]
    else:
        return set()
    key = (tuple(image.shape), image.stride(), tuple(weight.shape), str(image.dtype))
    return {(each, *key, str(geometry)) for each in passes}


class Placing(TorchFunctionMode):
    """Makes tensors on the GPU that are asked for there, and moves them to it and back."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, first = getattr(func, "__name__", ""), args[0] if args else None
        if isinstance(first, Tensor) and name in ("to", "cpu", "cuda"):
            return _moved(first, name, args[1:], dict(kwargs or {}))
        if isinstance(first, CudaTensor) and name == "tolist":
            DEVICE.wait("tolist")
            return first.numbers.tolist()
        if isinstance(first, CudaTensor) and name in ("numpy", "__array__", "data_ptr"):
            raise TypeError(f"can't convert cuda:0 device type tensor to numpy ({caller()})")
        if name == "pin_memory":
            return first
        if not kwargs:
            return func(*args)
        if _is_gpu(kwargs.get("device")):
            if not any(isinstance(tensor, CudaTensor) for tensor in tensors_in(args)):
                return _made_on_gpu(func, args, kwargs)
            kwargs = {key: value for key, value in kwargs.items() if key != "device"}
        return func(*args, **kwargs)


def _is_gpu(device: object) -> bool:
    return isinstance(device, str | torch.device) and torch.device(device).type == "cuda"


def _made_on_gpu(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make a tensor on the GPU; what is drawn is drawn again whenever it is replayed."""
    DEVICE.operations[func.__name__] += 1
    kwargs = {**kwargs, "device": CPU}
    kwargs.pop("pin_memory", None)
    if func is torch.tensor:
        DEVICE.wait("tensor")  # its numbers come from the host

    def work() -> Any:
        return func(*args, **kwargs)

    if DEVICE.recording is not None and kwargs.get("generator") is not None:
        DEVICE.recording.require(kwargs["generator"])
    made = work()
    if DEVICE.recording is not None:
        DEVICE.recording.add(work, made, ())
    return on_gpu(made)


def _moved(tensor: Tensor, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Move a tensor where `to`, `cpu` or `cuda` say, and change it as they say."""
    target, changes = {"cpu": CPU, "cuda": CUDA}.get(name), dict[str, Any]()
    if name == "to":
        changes = {"copy": True} if kwargs.pop("copy", False) else {}
        target, dtype, _, layout = torch._C._nn._parse_to(*args, **kwargs)
        changes |= {"dtype": dtype} if dtype else {}
        changes |= {"memory_format": layout} if layout else {}
    target = target or tensor.device
    if isinstance(tensor, CudaTensor) and target.type == "cpu":
        DEVICE.wait("to the host")
        return tensor.numbers.detach().clone().to(**changes)
    if target.type == "cuda" and not isinstance(tensor, CudaTensor):
        DEVICE.wait("from the host")
        return CudaTensor(tensor.detach().to(**{**changes, "copy": True}))
    return tensor.to(**changes) if changes else tensor

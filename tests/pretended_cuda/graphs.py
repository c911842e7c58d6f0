"""CUDA graphs, recorded and done again; streams, which here are all one."""

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from tests.pretended_cuda.tensors import DEVICE, storage, tensors_in

_GRAPHS: weakref.WeakSet["Graph"] = weakref.WeakSet()


class Graph:
    """What was captured: done again on the very same memory at each replay."""

    def __init__(self, keep_graph: bool = False) -> None:
        self._work: list[tuple[Callable[[], object], list[Tensor]]] = []
        self._made: dict[int, Tensor] = {}  # by its memory
        self._holders: dict[int, list[weakref.ref[Tensor]]] = {}
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self._registered: list[torch.Generator] = []
        self._states: list[tuple[torch.Generator, Tensor]] = []
        _GRAPHS.add(self)

    def register_generator_state(self, generator: torch.Generator) -> None:
        """Let the graph draw from a generator."""
        self._registered.append(generator)

    def begin(self) -> None:
        """Record from now on what is done."""
        assert DEVICE.recording is None, "one graph is captured at a time"
        generators = [torch.default_generator, *GENERATORS]
        self._states = [(each, each.get_state()) for each in generators]
        DEVICE.recording = self

    def end(self) -> None:
        """Undo what was done: while work is captured, nothing happens on a GPU."""
        DEVICE.recording = None
        DEVICE.captures.append(len(self._work))
        for live, before in self._kept.values():
            live.copy_(before)
        for generator, state in self._states:
            generator.set_state(state)
        self._kept.clear()
        self._states.clear()

    def require(self, generator: torch.Generator) -> None:
        """Refuse to draw from a generator that the graph does not know of."""
        if DEVICE.registers and not any(each is generator for each in self._registered):
            raise RuntimeError(
                "Attempt to increase offset for a CUDA generator not in capture mode."
            )

    def before(self, written: Iterable[Tensor]) -> None:
        """Keep what is going to be overwritten, so that it can be undone."""
        for tensor in written:
            key = storage(tensor)
            if key not in self._made and key not in self._kept:
                whole = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
                self._kept[key] = (whole, whole.clone())

    def add(self, work: Callable[[], object], made: object, inputs: Sequence[Tensor]) -> None:
        """Record work that has just been done, and what it has made."""
        before = {storage(tensor) for tensor in inputs}
        outputs = tensors_in([made])
        self._made |= {storage(each): each for each in outputs if storage(each) not in before}
        self._work.append((work, outputs))

    def holds(self, inner: Tensor, outer: Tensor) -> None:
        """Note that somebody holds a tensor that was made while capturing."""
        self._holders.setdefault(storage(inner), []).append(weakref.ref(outer))

    def replay(self) -> None:
        """Do all of it again."""
        DEVICE.replays += 1
        for graph in _GRAPHS:  # they share their memory
            graph._spoil()
        for work, outputs in self._work:
            for output, value in zip(outputs, tensors_in([work()]), strict=True):
                if storage(output) != storage(value):
                    output.copy_(value)

    def _spoil(self) -> None:
        """Overwrite what nobody holds: to a GPU that memory is free."""
        for key, tensor in self._made.items():
            if any(holder() is not None for holder in self._holders.get(key, ())):
                continue
            if tensor.is_floating_point():
                tensor.fill_(float("nan"))
            else:
                tensor.zero_()

    def reset(self) -> None:
        """Let go of everything."""
        self._work.clear()
        self._made.clear()

    def pool(self) -> tuple[int, int]:
        """Name the memory that graphs share."""
        return (0, 1)


GENERATORS: weakref.WeakSet[torch.Generator] = weakref.WeakSet()
"""All that draw on the GPU."""


class Stream:
    """A stream; there is nothing to wait for on it."""

    def __init__(self, device: object = None, **_: object) -> None: ...

    def wait_stream(self, other: "Stream") -> None:
        """Go on after what the other one does, which is done."""

    def synchronize(self) -> None:
        """Let the host wait."""
        DEVICE.wait("synchronize")


_STREAMS = [Stream()]
"""The default one, and those that are in use inside of one another."""


def current_stream(device: object = None) -> Stream:
    """Return the stream in use."""
    return _STREAMS[-1]


@contextmanager
def stream(used: Stream) -> Iterator[None]:
    """Use a stream for a while."""
    _STREAMS.append(used)
    try:
        yield
    finally:
        _STREAMS.pop()


@contextmanager
def capturing(graph: Graph, pool: object = None, stream: Stream | None = None) -> Iterator[None]:
    """Capture what is done meanwhile."""
    assert stream is not None, "nothing is captured on the default stream"
    graph.begin()
    try:
        yield
    finally:
        graph.end()

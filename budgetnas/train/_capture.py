"""Running the same work again and again: as it is, or replayed as CUDA graphs.

A graph replays kernels without Python and without launching each, on the very tensors that they
were captured with. So work that is captured must read and write tensors that stay where
they are, and tells by a key which work is the same.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Generator

from budgetnas.errors import first_line

Work = Callable[[], None]

WARM_UP = 3
"""Runs before a capture: libraries choose their algorithms, optimizers make their buffers."""

_REGISTERS = torch.__version__ < "2.14"  # which compares as versions do
"""Whether torch has to be told what a graph draws from; later it finds out, and warns."""

_IDLE: defaultdict[torch.device, list[torch.cuda.Stream]] = defaultdict(list)
"""Streams that no recorder uses any more.

For each stream on which it multiplies matrices torch keeps tens of MiB, so they are used again;
but not by two recorders at once: a graph that goes takes along what others of its stream need.
"""


class Recorder:
    """Runs work; on a GPU, if it may, each kind of it is captured once and then replayed.

    The first runs are uncaptured, and count: nothing is done twice or thrown away, so what
    is replayed continues from their end. Nothing else may use the device meanwhile.
    """

    def __init__(
        self, device: torch.device, *, capture: bool, generators: tuple[Generator, ...] = ()
    ) -> None:
        """Prepare for work that draws from these generators, beside the device's own."""
        on_gpu = device.type == "cuda"
        self._stream: torch.cuda.Stream | None = None
        self._pool = torch.cuda.graph_pool_handle() if on_gpu else None
        self._device = device
        self._captures = capture and on_gpu
        self._generators = generators
        self._runs: Counter[Hashable] = Counter()
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self.refused: str | None = None
        """Why nothing is captured any more, if a capture went wrong."""

    def run(self, key: Hashable, work: Work) -> None:
        """Run work of the kind of this key, or replay it; None is never captured."""
        graph = self._graphs.get(key)
        if graph is None and self._is_due(key):
            graph = self._capture(key, work)
        if graph is None:
            self._runs[key] += 1
            work()
        else:
            graph.replay()

    def _is_due(self, key: Hashable) -> bool:
        return (
            self._captures
            and self.refused is None
            and key is not None
            and self._runs[key] >= WARM_UP
        )

    def _capture(self, key: Hashable, work: Work) -> torch.cuda.CUDAGraph | None:
        """Capture work without doing it; if that fails, store the reason and run uncaptured."""
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators if _REGISTERS else ():
            graph.register_generator_state(generator)
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                work()
        except RuntimeError as error:  # also out of memory: uncaptured, the work needs less
            # the first error: one inside a capture makes its end fail, too
            inside = error.__context__
            self.refused = first_line(inside if isinstance(inside, RuntimeError) else error)
            self._give_up(graph)
            return None
        self._graphs[key] = graph
        return graph

    def _give_up(self, failed: torch.cuda.CUDAGraph) -> None:
        """Clean up after a capture that failed, which torch does only in part before 2.14."""
        self._forget()
        failed.reset()
        device = torch.cuda.current_device()
        assert self._pool is not None, "only a GPU captures"
        with suppress(RuntimeError):  # there is nothing to end where torch has done so
            torch._C._cuda_endAllocateToPool(device, self._pool)
            torch._C._cuda_releasePool(device, self._pool)
        if _REGISTERS:  # generators may believe that they are still being captured
            for generator in (*self._generators, torch.cuda.default_generators[device]):
                generator.graphsafe_set_state(generator.clone_state())

    def _forget(self) -> None:
        """Release the graphs; all of them, since they share memory."""
        if self._stream is not None:
            self._stream.synchronize()
        for graph in self._graphs.values():
            graph.reset()
        self._graphs.clear()

    @contextmanager
    def on_stream(self) -> Iterator[None]:
        """Run on the stream that graphs are captured on, in order with what is around."""
        if self._device.type != "cuda":
            yield
            return
        with torch.cuda.device(self._device):
            stream = self._stream = self._stream or _some_stream(self._device)
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                yield
            torch.cuda.current_stream().wait_stream(stream)

    def close(self) -> None:
        """Release the graphs and their memory."""
        if self._stream is None:
            return
        self._forget()
        _IDLE[self._device].append(self._stream)
        self._stream = None
        torch.cuda.empty_cache()


def _some_stream(device: torch.device) -> torch.cuda.Stream:
    idle = _IDLE[device]
    return idle.pop() if idle else torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


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

"""Running the same work again and again: as it is, or replayed as CUDA graphs.

A graph replays kernels without Python and without launching each, on the very tensors that they
were captured with. So whoever hands work in here lets it read and write tensors that stay where
they are, and tells by a key which work is the same.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

import torch
from torch import Generator

Work = Callable[[], None]

WARM_UP = 3
"""Runs before a capture: libraries choose their algorithms, optimizers make their buffers."""


class Recorder:
    """Runs work; on a GPU, if it may, each kind of it is captured once and then replayed.

    The first runs are done as they are, and count: nothing is done twice or thrown away, so what
    is replayed goes on from where they ended. Nothing else may use the device meanwhile.
    """

    def __init__(
        self, device: torch.device, *, capture: bool, generators: tuple[Generator, ...] = ()
    ) -> None:
        """Prepare to run work on a device.

        Args:
            device: Where the tensors are.
            capture: Capture, where the device can.
            generators: What the work draws from, beside the device's own generator.
        """
        on_gpu = device.type == "cuda"
        self._stream = torch.cuda.Stream(device) if on_gpu else None  # type: ignore[no-untyped-call]
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
        """Capture work without doing it; where that can't be, say so once and do without."""
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        pool = next((other.pool() for other in self._graphs.values()), None)
        try:
            with torch.cuda.graph(graph, pool=pool, stream=self._stream):
                work()
        except RuntimeError as error:  # out of memory, too: as it is, the work needs less
            self.refused = (str(error).splitlines() or [type(error).__name__])[0]
            return None
        self._graphs[key] = graph
        return graph

    @contextmanager
    def on_stream(self) -> Iterator[None]:
        """Run on the stream that graphs are captured on, in order with what is around."""
        if self._stream is None:
            yield
            return
        with torch.cuda.device(self._device):
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                yield
            torch.cuda.current_stream().wait_stream(self._stream)

    def close(self) -> None:
        """Let go of the graphs and of the memory that they hold."""
        if self._stream is None:
            return
        self._stream.synchronize()
        for graph in self._graphs.values():
            graph.reset()
        self._graphs.clear()
        torch.cuda.empty_cache()

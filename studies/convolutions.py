"""Convolutions of random shapes, trained through in processes of their own.

Inputs, weights and gradients are -1, 0 and 1, so that float32 sums them exactly in any order: a
result must equal the one in float64 and contiguous memory, which oneDNN has no part in, bit for
bit, but for rounding to bfloat16. A network's layer is trained through as torch's is.
"""

import os
import random
import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
import torch.fx.experimental.symbolic_shapes  # not again in each process that is forked
from torch import Tensor, nn

from budgetnas.arch import Conv
from budgetnas.model import build_layer

PATIENCE = 20
"""Seconds that one shape may take: with overwritten memory, threads may wait for ever."""

REPEATS = 2
"""Trainings through a shape: what was overwritten is noticed when it is used or freed."""


@dataclass(frozen=True)
class Shape:
    """One convolution, and how it is computed."""

    isa: str
    """What oneDNN may use of the processor: its name of an instruction set, `default` for all."""
    dtype: str
    channels_last: bool
    kernel: int
    stride: int
    groups: int
    w_in: int
    w_out: int
    batch: int
    height: int
    width: int
    threads: int

    @property
    def macs(self) -> int:
        """Multiply-adds of a forward pass."""
        pixels = self.batch * (self.height // self.stride + 1) * (self.width // self.stride + 1)
        return pixels * self.w_out * self.w_in // self.groups * self.kernel**2

    @property
    def kind(self) -> str:
        """What the table counts it under."""
        if self.groups > 1:
            return "by channel"
        if self.stride == 1:
            return "stride 1"
        return "1x1, strided" if self.kernel == 1 else "3x3 and 5x5, strided"

    @property
    def arithmetic(self) -> str:
        """Likewise."""
        return f"{self.dtype}, {'channels last' if self.channels_last else 'contiguous'}"


def draw(chance: random.Random, isa: str, macs: float) -> Iterator[Shape]:
    """Draw shapes of at most so many multiply-adds; half are strided and of kernel 1."""
    while True:
        suspect = chance.random() < 0.5
        w_in, w_out = (
            chance.randint(1, 40) if chance.random() < 0.85 else chance.choice((48, 64, 96, 160))
            for _ in range(2)
        )
        by_channel = not suspect and chance.random() < 0.15
        shape = Shape(
            isa=isa,
            dtype=chance.choice(("float32", "bfloat16")),
            channels_last=chance.random() < 0.7,
            kernel=1 if suspect else chance.choice((1, 3, 5)),
            stride=chance.choice((2, 2, 2, 3)) if suspect else chance.choice((1, 1, 2)),
            groups=w_in if by_channel else 1,
            w_in=w_in,
            w_out=w_in if by_channel else w_out,
            batch=chance.choice((1, 2, 3, 27, 81, chance.randint(1, 99), chance.randint(1, 128))),
            height=(size := chance.choice((1, 2, 4, 7, 8, 16, 16, 28, 32, chance.randint(1, 20)))),
            width=size if chance.random() < 0.8 else chance.randint(1, 20),
            threads=chance.choice((1, 2, 2, 3, 4)),
        )
        if shape.macs <= macs:
            yield shape


def sweep(isa: str) -> Iterator[Shape]:
    """List strided 1x1 convolutions by width, of batches that threads share evenly or not."""
    for dtype, (batch, threads) in product(("float32", "bfloat16"), ((27, 2), (28, 3), (28, 2))):
        for w_in in range(1, 33):
            yield Shape(isa, dtype, True, 1, 2, 1, w_in, 16, batch, 28, 28, threads)


def torchs(shape: Shape) -> nn.Module:
    """Make torch's own convolution."""
    return nn.Conv2d(
        shape.w_in, shape.w_out, shape.kernel, shape.stride, shape.kernel // 2,
        groups=shape.groups, bias=False,
    )  # fmt: skip


def built(shape: Shape) -> nn.Module | None:
    """Make what a network has; None where it has no such layer."""
    if shape.groups > 1:
        return None
    return build_layer(Conv(shape.w_in, shape.w_out, shape.kernel, shape.stride, bias=False))


WAYS: dict[str, Callable[[Shape], nn.Module | None]] = {"torch": torchs, "built": built}


def training(layer: nn.Module, images: Tensor, gradient: Tensor, dtype: str) -> list[Tensor]:
    """Return a layer's outputs, and the gradients of its inputs and weights."""
    images = images.detach().requires_grad_()
    (weight,) = layer.parameters()
    weight.grad = None
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
        outputs = layer(images)
    outputs.backward(gradient.to(outputs.dtype))
    assert images.grad is not None
    assert weight.grad is not None
    return [tensor.detach().double() for tensor in (outputs, images.grad, weight.grad)]


def wrongs(shape: Shape, way: str) -> list[str]:
    """Train through a shape in this process; list what was computed wrongly."""
    torch.set_num_threads(shape.threads)
    layer = WAYS[way](shape)
    assert layer is not None
    generator = torch.Generator().manual_seed(0)

    def some(*sizes: int) -> Tensor:
        return torch.randint(-1, 2, sizes, generator=generator).float()

    memory = torch.channels_last if shape.channels_last else torch.contiguous_format
    (weight,) = layer.parameters()
    weight.data = some(*weight.shape)
    images = some(shape.batch, shape.w_in, shape.height, shape.width)
    reference = torchs(shape).double()
    reference.load_state_dict(layer.state_dict())
    gradient = some(*reference(images.double()).shape)
    expected = training(reference, images.double(), gradient, "float64")
    layer, images = layer.to(memory_format=memory), images.contiguous(memory_format=memory)
    found = set[str]()
    for _ in range(REPEATS):
        got = training(layer, images, gradient, shape.dtype)
        kept = [torch.empty(size) for size in range(1, 300, 7)]  # uses what may be damaged
        for name, mine, other in zip(("output", "input", "weight"), got, expected, strict=True):
            allowed = rounding(other) if shape.dtype == "bfloat16" else torch.zeros(())
            if not bool(((mine - other).abs() <= allowed).all()):  # NaN is wrong
                found.add(name)
        del kept
    return sorted(found)


def rounding(exact: Tensor) -> Tensor:
    """Return how far from exact sums bfloat16 may be.

    It holds whole numbers up to 256 exactly. Where sums grow beyond that, not only they are
    rounded, but on processors without its instructions also their parts.
    """
    largest = float(exact.abs().max())
    return 2**-8 * exact.abs() + (2**-6 * largest if largest > 64 else 0.0)


def trial(shapes: Sequence[Shape], way: str) -> list[str] | None:
    """Train through shapes of one instruction set in a process of their own.

    Returns:
        What came of each: `right`, or what is wrong; for one shape also how its process died.
        None if the process died of several, since any of them may be to blame.
    """
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if child == 0:
            _be_tried(shapes, way, said.fileno())
        how = _end(child, PATIENCE + len(shapes))
        said.seek(0)
        lines = said.read().splitlines()
    if how:
        names = re.findall(r"convolution,([^,]+),backward_weights", "\n".join(lines))
        return [f"{how} ({names[-1] if names else 'before'})"] if len(shapes) == 1 else None
    return [line.removeprefix("= ") for line in lines if line.startswith("= ")]


def _be_tried(shapes: Sequence[Shape], way: str, descriptor: int) -> None:
    """Do it in this process, and end with it; oneDNN looks at the environment at its first use."""
    status = 1
    try:
        os.dup2(descriptor, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.environ["ONEDNN_VERBOSE"] = "2"
        if shapes[0].isa != "default":
            os.environ["ONEDNN_MAX_CPU_ISA"] = shapes[0].isa
        for shape in shapes:
            said = ", ".join(wrongs(shape, way)) or "right"
            os.write(1, f"\n= {said}\n".encode())
        status = 0
    finally:
        os._exit(status)


def _end(child: int, seconds: float) -> str:
    """Wait for a process; say how it died, if it did."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return signal.Signals(-code).name if code < 0 else f"status {code}" if code else ""
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"

"""The layers that networks are made of, as data: what each computes, costs and returns.

A layer knows its parameters, its multiply-adds and its output shape; it knows nothing of torch.
The formulas are plain arithmetic, so that they hold for arrays of widths as well as for one
(see `Arch`).
Add yours here: a class, its place in `Layer`, and a case in `budgetnas.model.build_layer`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, TypeAlias

Shape: TypeAlias = tuple[int, int, int]
"""Channels, height, width of one image's feature map."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A layer without layers inside."""

    def params(self) -> int:
        """Trainable parameters."""
        return 0

    def macs(self, shape: Shape) -> int:
        """Multiply-adds for one image whose input has this shape."""
        return 0

    def output(self, shape: Shape) -> Shape:
        """The output's shape for an input of this shape."""
        return shape

    def leaves(self, name: str, shape: Shape) -> Iterator[tuple[str, "Leaf", Shape]]:
        """Yield (name, leaf, input shape) of this layer: itself."""
        yield name, self, shape  # type: ignore[misc]  # every subclass is in `Leaf`


@dataclass(frozen=True, slots=True)
class _Composite(ABC):
    """A layer made of layers: its costs are the sums over them."""

    @abstractmethod
    def leaves(self, name: str, shape: Shape) -> Iterator[tuple[str, "Leaf", Shape]]:
        """Yield (name, leaf, input shape) of everything inside, in order of computation."""

    def params(self) -> int:
        return sum(leaf.params() for _, leaf, _ in self.leaves("", (1, 1, 1)))

    def macs(self, shape: Shape) -> int:
        return sum(leaf.macs(given) for _, leaf, given in self.leaves("", shape))


@dataclass(frozen=True, slots=True)
class Conv(_Leaf):
    """A square convolution, padded by kernel // 2, so that stride alone changes the size."""

    w_in: int
    w_out: int
    kernel: int
    stride: int = 1
    bias: bool = False

    def params(self) -> int:
        weights = self.w_in * self.w_out * (self.kernel * self.kernel)
        return weights + self.w_out if self.bias else weights

    def macs(self, shape: Shape) -> int:
        """Multiply-adds; the bias is not counted."""
        _, height, width = self.output(shape)
        return self.w_in * self.w_out * (self.kernel * self.kernel) * height * width

    def output(self, shape: Shape) -> Shape:
        _, height, width = shape
        return self.w_out, (height - 1) // self.stride + 1, (width - 1) // self.stride + 1


@dataclass(frozen=True, slots=True)
class Norm(_Leaf):
    """Batch normalisation with a scale and a shift per channel (Ioffe and Szegedy, 2015)."""

    width: int

    def params(self) -> int:
        """Trainable parameters: the running statistics are not trained."""
        return 2 * self.width


@dataclass(frozen=True, slots=True)
class Act(_Leaf):
    """ReLU."""


@dataclass(frozen=True, slots=True)
class Dropout(_Leaf):
    """Elementwise dropout with this probability (Srivastava et al., 2014)."""

    p: float


@dataclass(frozen=True, slots=True)
class Pool(_Leaf):
    """The average over the whole map."""

    def output(self, shape: Shape) -> Shape:
        return shape[0], 1, 1


@dataclass(frozen=True, slots=True)
class Linear(_Leaf):
    """A fully connected layer with bias."""

    w_in: int
    w_out: int

    def params(self) -> int:
        return (self.w_in + 1) * self.w_out

    def macs(self, shape: Shape) -> int:
        """Multiply-adds; the bias is not counted."""
        return self.w_in * self.w_out

    def output(self, shape: Shape) -> Shape:
        return self.w_out, 1, 1


@dataclass(frozen=True, slots=True)
class SqueezeExcite(_Composite):
    """A gate per channel computed from the channels' means (Hu et al., 2018)."""

    width: int
    mid: int

    @classmethod
    def reduced(cls, width: int, reduction: int) -> Self:
        """The gate whose middle is narrower by a factor, but has at least one channel."""
        mid = width // reduction
        return cls(width, mid + (mid == 0))  # not max(): an array of widths has none

    @property
    def reduce(self) -> Conv:
        """The squeeze: a biased 1x1 convolution to the mid width."""
        return Conv(self.width, self.mid, 1, bias=True)

    @property
    def expand(self) -> Conv:
        """The excitation: a biased 1x1 convolution back to the full width."""
        return Conv(self.mid, self.width, 1, bias=True)

    def leaves(self, name: str, shape: Shape) -> Iterator[tuple[str, "Leaf", Shape]]:
        """Yield the two convolutions, which see one value a channel."""
        yield f"{name}.reduce", self.reduce, (self.width, 1, 1)
        yield f"{name}.expand", self.expand, (self.mid, 1, 1)

    def output(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True, slots=True)
class Residual(_Composite):
    """``post(branch(pre(x)) + shortcut)`` (He et al., 2015, fig. 2).

    The shortcut is the identity on x where its layers are absent, else its layers on ``pre(x)``:
    with an empty ``pre`` that is the original block, with norm and ReLU in it the pre-activated
    one (He et al., 2016; Zagoruyko and Komodakis, 2016).
    """

    branch: "NamedLayers"
    shortcut: "NamedLayers" = ()
    pre: "NamedLayers" = ()
    post: "NamedLayers" = ()

    def leaves(self, name: str, shape: Shape) -> Iterator[tuple[str, "Leaf", Shape]]:
        """Yield the leaves of pre, branch, shortcut and post, in this order."""
        yield from _chain_leaves(f"{name}.pre", self.pre, shape)
        inner = chain_output(self.pre, shape)
        yield from _chain_leaves(f"{name}.branch", self.branch, inner)
        yield from _chain_leaves(f"{name}.shortcut", self.shortcut, inner)
        yield from _chain_leaves(f"{name}.post", self.post, self.output(shape))

    def output(self, shape: Shape) -> Shape:
        return chain_output(self.branch, chain_output(self.pre, shape))


Leaf: TypeAlias = Conv | Norm | Act | Dropout | Pool | Linear
Layer: TypeAlias = Leaf | SqueezeExcite | Residual
NamedLayers: TypeAlias = tuple[tuple[str, Layer], ...]


def _chain_leaves(
    name: str, chain: NamedLayers, shape: Shape
) -> Iterator[tuple[str, Leaf, Shape]]:
    for child, layer in chain:
        yield from layer.leaves(f"{name}.{child}", shape)
        shape = layer.output(shape)


def chain_output(chain: NamedLayers, shape: Shape) -> Shape:
    """Return the output's shape of layers one after the other."""
    for _, layer in chain:
        shape = layer.output(shape)
    return shape

"""`Stage`, and the residual blocks, each a function from widths to a `Residual`.

Add a block here: a function, a line in `BLOCKS`, and a published count in
tests/arch/test_counts.py; from outside, `register_block`. A field of `Stage` needs a block that
reads it, and a domain in `budgetnas.space.ArchSpace`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, Field

from budgetnas.arch._layers import (
    Act,
    Conv,
    Dropout,
    Layer,
    NamedLayers,
    Norm,
    Residual,
    Shape,
    SqueezeExcite,
)
from budgetnas.errors import InputError
from budgetnas.plugins import Registry, called
from budgetnas.spec import Spec


def odd(kernel: int) -> int:
    if kernel % 2 == 0:
        raise ValueError(f"a kernel must be odd, got {kernel}")
    return kernel


Width = Annotated[int, Field(ge=1, le=1_000_000)]
Depth = Annotated[int, Field(ge=1, le=1_000)]
Kernel = Annotated[int, Field(ge=1, le=99), AfterValidator(odd)]


class Stage(Spec):
    """Blocks of one width; the first of them halves the size, but in the first stage."""

    width: Width
    """Channels at the output of every block (the papers' C_i)."""

    depth: Depth
    """Number of blocks (the papers' B_i)."""

    kernel: Kernel = 3
    """Side of the branch's spatial convolutions, odd (the papers' F_i)."""

    shortcut_kernel: Kernel = 1
    """Side of a projection shortcut's convolution, odd (the papers' K_i)."""


@dataclass(frozen=True, slots=True)
class Style:
    """What all blocks of a stage have in common."""

    stage: Stage
    """The stage; its width and depth are not the block's to read."""

    normed: bool = True
    """Batch norm after convolutions; without it, every convolution has a bias instead."""

    se_reduction: int | None = None
    """Squeeze-and-excitation before the addition, with this reduction; None: without."""

    dropout: float = 0.0
    """Probability of elementwise dropout after the block; 0: no such layer."""

    def conv(self, w_in: int, w_out: int, kernel: int, stride: int = 1) -> Conv:
        """A convolution, with the bias that a missing norm calls for."""
        return Conv(w_in, w_out, kernel, stride, bias=not self.normed)

    def norm(self, name: str, width: int) -> Iterator[tuple[str, Layer]]:
        """A norm where there are norms."""
        if self.normed:
            yield name, Norm(width)

    def gate(self, width: int) -> Iterator[tuple[str, Layer]]:
        """A squeeze-and-excitation gate where there is one."""
        if self.se_reduction is not None:
            yield "se", SqueezeExcite.reduced(width, self.se_reduction)

    def drop(self) -> Iterator[tuple[str, Layer]]:
        """A dropout layer where there is one."""
        if self.dropout > 0:
            yield "dropout", Dropout(self.dropout)


class Block(Protocol):
    """A block: w_in channels at the input, w_out at the output, the size divided by stride."""

    def __call__(self, w_in: int, w_out: int, stride: int, style: Style) -> Residual:
        """Describe the block."""
        ...


def basic(w_in: int, w_out: int, stride: int, style: Style) -> Residual:
    """Two convolutions, the stride on the first (He et al., 2015, fig. 5 left)."""
    branch = (
        ("conv1", style.conv(w_in, w_out, style.stage.kernel, stride)),
        *style.norm("norm1", w_out),
        ("act1", Act()),
        ("conv2", style.conv(w_out, w_out, style.stage.kernel)),
        *style.norm("norm2", w_out),
        *style.gate(w_out),
    )
    post = (("act", Act()), *style.drop())
    return Residual(branch, projection(w_in, w_out, stride, style), post=post)


def bottleneck(w_in: int, w_out: int, stride: int, style: Style) -> Residual:
    """1x1 to a quarter of w_out, kxk with the stride, 1x1 back (He et al., 2015, fig. 5 right)."""
    mid = w_out // 4
    branch = (
        ("conv1", style.conv(w_in, mid, 1)),
        *style.norm("norm1", mid),
        ("act1", Act()),
        ("conv2", style.conv(mid, mid, style.stage.kernel, stride)),
        *style.norm("norm2", mid),
        ("act2", Act()),
        ("conv3", style.conv(mid, w_out, 1)),
        *style.norm("norm3", w_out),
        *style.gate(w_out),
    )
    post = (("act", Act()), *style.drop())
    return Residual(branch, projection(w_in, w_out, stride, style), post=post)


def preact(w_in: int, w_out: int, stride: int, style: Style) -> Residual:
    """Norm, ReLU, convolution, twice; a bare projection (Zagoruyko and Komodakis, 2016)."""
    branch = (
        ("conv1", style.conv(w_in, w_out, style.stage.kernel, stride)),
        *style.norm("norm2", w_out),
        ("act2", Act()),
        ("conv2", style.conv(w_out, w_out, style.stage.kernel)),
        *style.gate(w_out),
    )
    shortcut: NamedLayers = ()
    if _needs_projection(w_in, w_out, stride):
        shortcut = (("conv", style.conv(w_in, w_out, style.stage.shortcut_kernel, stride)),)
    pre = (*style.norm("norm1", w_in), ("act1", Act()))
    return Residual(branch, shortcut, pre, tuple(style.drop()))


def _needs_projection(w_in: int, w_out: int, stride: int) -> bool:
    if stride != 1 or w_in is w_out:  # one array of widths is the same width, in every entry
        return stride != 1
    differs: Any = w_in != w_out
    if isinstance(differs, bool):
        return differs
    if not differs.all():
        raise ValueError("stems must differ from the first stage everywhere, or be its array")
    return True


def projection(w_in: int, w_out: int, stride: int, style: Style) -> NamedLayers:
    """Return the layers of a shortcut: none, the identity, where the block changes no shape."""
    if not _needs_projection(w_in, w_out, stride):
        return ()
    conv = style.conv(w_in, w_out, style.stage.shortcut_kernel, stride)
    return ("conv", conv), *style.norm("norm", w_out)


# add yours here
BLOCKS: dict[str, Block] = {"basic": basic, "bottleneck": bottleneck, "preact": preact}


def _add(name: str, block: Block) -> None:
    """Add a block that maps shapes as a stage needs it to, and reads arrays of widths."""
    import numpy as np

    def checked(w_in: int, w_out: int, stride: int, style: Style) -> Residual:
        layer = called(f"block {name!r}", block, w_in, w_out, stride, style)
        if not isinstance(layer, Residual):
            raise InputError(f"block {name!r} must return a Residual, got {layer!r}")
        if isinstance(w_in, int) and isinstance(w_out, int):
            _check(name, layer, (w_in, 8, 8), (w_out, 8 // stride, 8 // stride))
        return layer

    style, widths = Style(Stage(width=16, depth=1)), np.array([16, 24])
    checked(8, 16, 2, style)
    checked(16, 16, 1, style)
    try:
        for w_in, stride in ((np.array([8, 12]), 2), (widths, 1)):
            checked(w_in, widths, stride, style).params()  # type: ignore[arg-type]  # see `Arch`
    except InputError as error:
        raise InputError(f"{error}: w_in and w_out may be arrays, got {widths!r}") from error
    BLOCKS[name] = checked


def _check(name: str, layer: Residual, given: Shape, needed: Shape) -> None:
    """Raise for a block that could not be built as it is counted, or doesn't fit its stage."""
    inner = _output(f"block {name!r}: its pre", layer.pre, given)
    ends = {
        "branch": _output(f"block {name!r}: its branch", layer.branch, inner),
        "shortcut": _output(f"block {name!r}: its shortcut", layer.shortcut, inner),
        "post": _output(f"block {name!r}: its post", layer.post, needed),
    }
    for part, got in ends.items():
        if got != needed:
            start = needed if part == "post" else given
            raise InputError(
                f"block {name!r}: at stride {given[1] // needed[1]} its {part} must map "
                f"(channels, height, width) {start} to {needed}, got {got}"
            )


def _output(what: str, chain: Any, shape: Shape) -> Shape:
    """Return the output's shape of layers that each take what the one before them returns."""
    names = set[str]()
    for pair in chain if isinstance(chain, tuple | list) else [chain]:
        match pair:
            case (str(name), layer) if name not in {"", *names} and isinstance(layer, Layer):
                names.add(name)
            case _:
                raise InputError(
                    f"{what} must be (name, layer) pairs of different names and layers of "
                    f"budgetnas.arch, got {pair!r}"
                )
        sides = {side: getattr(layer, side) for side in SIDES if hasattr(layer, side)}
        if not all(isinstance(side, int) and side > 0 for side in sides.values()):
            raise InputError(f"{what}: sizes must be whole numbers from 1, got {layer!r}")
        if sides.get("kernel", 1) % 2 == 0:
            raise InputError(f"{what}: a kernel must be odd, got {layer!r}")
        if sides.get("w_in", sides.get("width", shape[0])) != shape[0]:
            raise InputError(f"{what}: {layer!r} can't follow {shape[0]} channels")
        shape = layer.output(shape)
    return shape


SIDES = ("w_in", "w_out", "width", "mid", "kernel", "stride")
"""The sizes that layers have."""

_REGISTERED = Registry("block", BLOCKS, _add)
register_block = _REGISTERED.register
known_block, blocks_from = _REGISTERED.require, _REGISTERED.modules

"""From a description to an `nn.Module`: one exhaustive match, no architecture decisions."""

from collections.abc import Iterable
from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from budgetnas.arch import (
    Act,
    Arch,
    Conv,
    Dropout,
    Layer,
    Linear,
    Norm,
    Pool,
    Residual,
    SqueezeExcite,
    layers,
)


def build_model(arch: Arch) -> nn.Module:
    """Build the network of a description, with torch's default initial weights.

    The model maps images, float [n, in_channels, h, w] of any size, to logits [n, num_classes].
    Submodules are named as `budgetnas.arch.layers` names them.
    """
    return _chain(layers(arch))


def model_to_load(arch: Arch) -> nn.Module:
    """Build a network whose weights are about to be loaded; torch's generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        return build_model(arch)


def build_layer(layer: Layer) -> nn.Module:
    """Build one layer."""
    match layer:
        case Conv(w_in, w_out, kernel, stride, bias):
            kind = StridedConv if stride > 1 else nn.Conv2d
            return kind(w_in, w_out, kernel, stride, padding=kernel // 2, bias=bias)
        case Norm(width):
            return nn.BatchNorm2d(width)
        case Act():
            return nn.ReLU(inplace=True)
        case Dropout(p):
            return nn.Dropout(p)
        case Pool():
            return GlobalPool()
        case Linear(w_in, w_out):
            return nn.Linear(w_in, w_out)
        case SqueezeExcite():
            return Gate(layer)
        case Residual():
            return Block(layer)
        case _:
            assert_never(layer)


class StridedConv(nn.Conv2d):
    """A strided convolution, without what oneDNN 3.12 (torch 2.14.1) gets wrong on a CPU.

    It computes what `nn.Conv2d` does. The backward pass of that goes wrong in two cases:

    - Kernel 1, channels last, fewer input channels than a vector has lanes (16 with AVX-512, 8
      with AVX2): it writes beyond its memory. The process dies, or computes with what it has
      overwritten (https://github.com/uxlfoundation/oneDNN/issues/6035). Skipping pixels first
      leaves a convolution of stride 1, which is right.
    - A larger kernel in bfloat16 on maps that are 1 wide: the gradient of weights that meet no
      pixel is never written, so it is whatever was in memory. There any stride gives one column.

    Neither is left to depend on the channels, the layout or the processor.
    studies/measure_convolutions.py finds such cases.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve every N-th pixel."""
        down, right = self.stride
        if x.is_cuda:  # no oneDNN
            return super().forward(x)
        if self.kernel_size == (1, 1):
            return F.conv2d(x[:, :, ::down, ::right], self.weight, self.bias)
        right = 1 if x.shape[-1] == 1 else right
        return F.conv2d(x, self.weight, self.bias, (down, right), self.padding)


class Block(nn.Module):
    """`Residual` as a module."""

    def __init__(self, layer: Residual) -> None:
        super().__init__()
        self.pre = _chain(layer.pre)
        self.branch = _chain(layer.branch)
        self.shortcut = _chain(layer.shortcut) if layer.shortcut else None
        self.post = _chain(layer.post)
        # An inplace ReLU in `pre` would change what the identity shortcut adds.
        for module in self.pre.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False

    def forward(self, x: Tensor) -> Tensor:
        """Add the branch and the shortcut."""
        inner = self.pre(x)
        shortcut = x if self.shortcut is None else self.shortcut(inner)
        out: Tensor = self.post(self.branch(inner) + shortcut)
        return out


class Gate(nn.Module):
    """`SqueezeExcite` as a module."""

    def __init__(self, layer: SqueezeExcite) -> None:
        super().__init__()
        self.reduce = build_layer(layer.reduce)
        self.expand = build_layer(layer.expand)

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel by its gate in (0, 1)."""
        means = x.mean(dim=(2, 3), keepdim=True)
        gates: Tensor = self.expand(self.reduce(means).relu()).sigmoid()
        return x * gates


class GlobalPool(nn.Module):
    """The average over the whole map, [n, c, h, w] to [n, c]."""

    def forward(self, x: Tensor) -> Tensor:
        """Average."""
        return x.mean(dim=(2, 3))


def _chain(named: Iterable[tuple[str, Layer]]) -> nn.Sequential:
    """Build layers into nested `nn.Sequential`s, one for each part of their dotted names."""
    root = nn.Sequential()
    for name, layer in named:
        *path, last = name.split(".")
        parent = root
        for part in path:
            if part not in parent._modules:
                parent.add_module(part, nn.Sequential())
            child = parent._modules[part]
            assert isinstance(child, nn.Sequential), f"{name}: {part} is a layer already"
            parent = child
        parent.add_module(last, build_layer(layer))
    return root

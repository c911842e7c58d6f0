"""`Arch`, the description of a network, `layers`, the walk that its readers share, and presets."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from budgetnas.arch._blocks import BLOCKS, Stage, Style, Width, known_block
from budgetnas.arch._layers import Act, Conv, Dropout, Layer, Linear, Norm, Pool, SqueezeExcite
from budgetnas.errors import InputError
from budgetnas.spec import Maybe, Spec, parse_json, printable, read_text, shorten

Norms = Literal["batch", "none"]
Places = Literal["stem", "block"]
Probability = Annotated[float, Field(ge=0, lt=1)]
Reduction = Annotated[int, Field(ge=1, le=1_000_000)]
BlockName = Annotated[str, AfterValidator(known_block)]

MAX_STAGES = 12
"""More stages than halvings of any sensible image."""


class SE(Spec):
    """Squeeze-and-excitation (Hu et al., 2018): where, and how narrow its middle is."""

    where: Places
    """`stem`: one gate on the stem's output; `block`: one on every block's branch."""

    reduction: Reduction = 16
    """The middle has max(1, width // reduction) channels."""


class Arch(Spec):
    """A residual network for images, as data.

    The counter also reads many networks of one kind at once: an `Arch` that `model_copy` or
    `model_construct` gave arrays, int64 [n], for whole numbers. A width that is the very array of
    another equals it in every entry; any other must differ from it in every entry.
    """

    in_channels: Annotated[int, Field(ge=1, le=1_000)] = 3
    """Channels of an image: 1 for grey, 3 for colour."""

    num_classes: Annotated[int, Field(ge=2, le=1_000_000)] = 10
    """Number of classes."""

    block: BlockName
    """The kind of block: basic, bottleneck, preact, or one that is registered."""

    stem_width: Width
    """Channels of the 3x3 convolution at the start."""

    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=MAX_STAGES)]
    """The stages, from the image to the head."""

    se: Maybe[SE] = None
    """Squeeze-and-excitation; null: none."""

    norm: Norms = "batch"
    """`batch`, or `none`: then every convolution has a bias instead."""

    dropout: Probability = 0.0
    """Probability of elementwise dropout after each block and before the linear layer."""

    @model_validator(mode="after")
    def _bottlenecks_divide(self) -> Self:
        if self.block == "bottleneck":
            for number, stage in enumerate(self.stages):
                if stage.width % 4:
                    raise ValueError(
                        "a bottleneck's width must be divisible by 4, "
                        f"got stages.{number}.width={stage.width}"
                    )
        return self

    @classmethod
    def from_json(cls, text: str, source: str = "arch") -> Self:
        """Parse the JSON form; `source` names it in the error."""
        return cls.parse(parse_json(text, source), source)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read the JSON form from a file."""
        return cls.from_json(read_text(path), str(path))

    def to_json(self) -> str:
        """Write the JSON form, on one line, every field spelled out."""
        return self.model_dump_json()

    def adapted(self, in_channels: int, num_classes: int) -> Self:
        return self.changed(in_channels=in_channels, num_classes=num_classes)

    def digest(self) -> str:
        """Identify the network: equal for descriptions that differ only in fields without effect.

        Two descriptions are the same network if and only if they walk through the same layers; an
        unused shortcut kernel, say, appears in none.
        """
        return hashlib.sha256(repr(list(layers(self))).encode()).hexdigest()[:32]

    def __str__(self) -> str:
        """Return a short description: `basic [4,4,3] x (64,128,256)`."""
        depths = ",".join(str(stage.depth) for stage in self.stages)
        widths = ",".join(str(stage.width) for stage in self.stages)
        words = [f"{self.block} [{depths}] x ({widths})"]
        if self.stem_width != self.stages[0].width:
            words.append(f"stem {self.stem_width}")
        for name, field in Stage.model_fields.items():
            given = [getattr(stage, name) for stage in self.stages]
            if not field.is_required() and any(value != field.default for value in given):
                words.append(f"{name.replace('_', ' ')} {','.join(map(str, given))}")
        if self.se:
            words.append(f"SE {self.se.where}/{self.se.reduction}")
        if self.norm != "batch":
            words.append("no norm")
        if self.dropout:
            words.append(f"dropout {self.dropout:g}")
        return ", ".join(words)


def layers(arch: Arch) -> Iterator[tuple[str, Layer]]:
    """Walk a description: yield its layers in order, named as in the model's `state_dict`."""
    for name, layer, times in repeated_layers(arch):
        if times == 1:
            yield name, layer
            continue
        stage, _, first = name.rpartition(".")
        for number in range(int(first), int(first) + times):
            yield f"{stage}.{number}", layer


def repeated_layers(arch: Arch) -> Iterator[tuple[str, Layer, int]]:
    """Walk a description as `layers` does, but yield equal blocks in a row once.

    Yields:
        The layer's name, of several the first one's; the layer; how many there are: of blocks that
        repeat the one before them there may be none.
    """
    for name, layer in _stem(arch):
        yield name, layer, 1
    w_in = arch.stem_width
    for index, stage in enumerate(arch.stages):
        yield from _stage(arch, index, w_in)
        w_in = stage.width
    for name, layer in _head(arch, w_in):
        yield name, layer, 1


def _stem(arch: Arch) -> Iterator[tuple[str, Layer]]:
    normed = arch.norm == "batch"
    yield "stem.conv", Conv(arch.in_channels, arch.stem_width, 3, bias=not normed)
    if arch.block != "preact":  # there the first block begins with norm and ReLU
        if normed:
            yield "stem.norm", Norm(arch.stem_width)
        yield "stem.act", Act()
    if arch.se and arch.se.where == "stem":
        yield "stem.se", SqueezeExcite.reduced(arch.stem_width, arch.se.reduction)


def _stage(arch: Arch, index: int, w_in: int) -> Iterator[tuple[str, Layer, int]]:
    stage = arch.stages[index]
    style = Style(
        stage,
        normed=arch.norm == "batch",
        se_reduction=arch.se.reduction if arch.se and arch.se.where == "block" else None,
        dropout=arch.dropout,
    )
    block = BLOCKS[known_block(arch.block)]  # which another process may not have met yet
    yield f"stages.{index}.0", block(w_in, stage.width, 2 if index > 0 else 1, style), 1
    another = block(stage.width, stage.width, 1, style)
    yield f"stages.{index}.1", another, stage.depth - 1


def _head(arch: Arch, width: int) -> Iterator[tuple[str, Layer]]:
    if arch.block == "preact":
        if arch.norm == "batch":
            yield "head.norm", Norm(width)
        yield "head.act", Act()
    yield "head.pool", Pool()
    if arch.dropout > 0:
        yield "head.dropout", Dropout(arch.dropout)
    yield "head.linear", Linear(width, arch.num_classes)


def _resnet(
    depths: Sequence[int],
    widths: Sequence[int],
    *,
    block: str = "basic",
    stem_width: int | None = None,
    se: SE | None = None,
) -> Arch:
    stages = tuple(Stage(width=w, depth=d) for w, d in zip(widths, depths, strict=True))
    return Arch(block=block, stem_width=stem_width or widths[0], stages=stages, se=se)


# add yours here, and its published count in tests/arch/test_counts.py, with the source
PRESETS: dict[str, Arch] = {
    # Thakur, Chauhan and Gupta, Efficient ResNets, table 1
    "efficient-resnet": _resnet([4, 4, 3], [64, 128, 256], se=SE(where="stem")),
    "resnet18": _resnet([2, 2, 2, 2], [64, 128, 256, 512]),
    # Vora, Abdali and Tibrewal, Modified ResNet
    "modified-resnet-small": _resnet([1, 1, 1], [16, 32, 64]),
    "modified-resnet-medium": _resnet([1, 1, 1, 1], [32, 64, 128, 256]),
    "modified-resnet-large": _resnet([1, 1, 1, 1], [64, 128, 256, 512]),
    # He et al., 2015, section 4.2, with projection shortcuts
    "resnet56": _resnet([9, 9, 9], [16, 32, 64]),
    "resnet110": _resnet([18, 18, 18], [16, 32, 64]),
    # Zagoruyko and Komodakis, 2016
    "wrn-16-4": _resnet([2, 2, 2], [64, 128, 256], block="preact", stem_width=16),
}


def find_arch(name: str, also: str = "") -> Arch:
    """Look up a preset, or read an arch file.

    Args:
        name: What the user typed.
        also: What else is known where this is asked, for the message.

    Raises:
        InputError: If it is neither, with what is known.
    """
    if name in PRESETS:
        return PRESETS[name]
    path = Path(name)
    if path.suffix == ".json" or os.path.exists(name):  # noqa: PTH110  # says no, where Path raises
        return Arch.from_file(path)
    known = ", ".join([*([also] if also else []), *PRESETS])
    raise InputError(f"unknown arch {shorten(name)}, known: an arch file (.json), {known}")


def fit_arch(arch: Arch, name: str, in_channels: int, num_classes: int) -> tuple[Arch, str]:
    """Fit an architecture to images and classes: a preset adapts, anything else must fit already.

    Returns:
        The architecture, and a notice if it had to change, else an empty one.

    Raises:
        InputError: If it is not a preset and differs from the data.
    """
    words = "in_channels={}, num_classes={}"
    has = words.format(arch.in_channels, arch.num_classes)
    needs = words.format(in_channels, num_classes)
    if has == needs:
        return arch, ""
    if name not in PRESETS:
        raise InputError(
            f"{printable(name)}: the arch must fit the data, which needs {needs}, got {has}"
        )
    notice = f"{name} adapted to the data: {needs}, not {has}"
    return arch.adapted(in_channels, num_classes), notice

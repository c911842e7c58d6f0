"""How pictures of any shape, depth and transparency become images of one size and of 8 bits.

No torch and no numpy here: what a study or a run keeps of this is part of its description.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, cast, get_args

from pydantic import AfterValidator, Field

from budgetnas.errors import InputError
from budgetnas.spec import Spec, shorten

Fit: TypeAlias = Literal["crop", "pad", "squash"]
"""crop: the short side resized, the centre cropped. pad: the long side resized, the rest filled
with the background. squash: both sides resized, whatever the proportions."""

COLOURS = {"white": "#ffffff", "black": "#000000", "grey": "#808080"}
"""The colours that have names."""

BITS = 16
"""Whole numbers and floats above 1 are read up to 2 ** 16 - 1."""

Kind: TypeAlias = Literal["integer", "float"]
KINDS: dict[Kind, str] = {"integer": "whole numbers", "float": "floats"}


def check_fit(fit: str) -> Fit:
    """Return what a user calls a fit.

    Raises:
        InputError: If there is no such.
    """
    if fit not in get_args(Fit):
        raise InputError(f"--fit must be crop, pad or squash, got {shorten(fit)}")
    return cast(Fit, fit)


def check_background(colour: str) -> str:
    """Return the one way to write a colour: its name if it has one, else `#rrggbb`.

    Raises:
        InputError: If it is no colour.
    """
    lower = COLOURS.get(colour.lower(), colour.lower())
    if not re.fullmatch("#[0-9a-f]{6}", lower):
        known = ", ".join(COLOURS)
        raise InputError(f"--background must be {known} or #rrggbb, got {shorten(colour)}")
    return next((name for name, code in COLOURS.items() if code == lower), lower)


def _background(colour: str) -> str:
    try:
        return check_background(colour)
    except InputError as error:
        raise ValueError(str(error).removeprefix("--background ")) from None


Background = Annotated[str, AfterValidator(_background)]
Side = Annotated[int, Field(ge=1, le=4096)]


@dataclass(frozen=True)
class View:
    """How a picture is brought to its image."""

    size: int
    """Side of an image in pixels."""
    fit: Fit = "crop"
    """How other shapes become square."""
    background: str = "white"
    """What is behind transparent pixels, and around padded pictures."""

    @property
    def colour(self) -> tuple[int, int, int]:
        """Red, green and blue of the background."""
        code = COLOURS.get(self.background, self.background)
        return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


class Depth(Spec):
    """How pixels of more than 8 bits become 8: 0 stays black, `white` becomes 255.

    One rule for a set. The files say whether they hold bytes, whole numbers or floats; bytes stay
    as they are. Of whole numbers white is the largest number of the fewest bits (1, 3, 7, ...,
    65535) that hold the largest value of the training part; of floats, too, but for those up to 1,
    where it is the smallest of 1, 1/2, 1/4, ... that is not below the largest. Beside pictures of
    bytes it is at least 255 (1 for floats up to 1). So it follows what the set uses, whatever the
    files could hold, and one more picture seldom changes it. Larger values in later
    pictures are white. What can't be known is refused: negative values, NaN, infinity, more than
    65,535, whole numbers beside floats, and depth in a later picture where training had none.
    """

    kind: Kind
    """Whole numbers or floats."""
    white: Annotated[float, Field(gt=0)]
    """The value that becomes 255."""

    def __str__(self) -> str:
        return f"{KINDS[self.kind]}, white at {self.white:,.5g}"


@dataclass(frozen=True)
class ImageFormat:
    """What the training part is like, so that other images are made like it."""

    channels: int
    """1 for grey, 3 for colour."""
    depth: Depth | None = None
    """How pixels of more than 8 bits become 8; None where the training part had none."""


def white_level(kind: Kind, peak: float, beside_bytes: bool = False) -> float:
    """Return the value that becomes white, by the rule of `Depth`.

    Args:
        kind: What the files hold.
        peak: Their largest value.
        beside_bytes: Whether the set has pictures of 8 bits, too.
    """
    if kind == "float" and peak <= 1:
        mantissa, exponent = math.frexp(peak)
        least = exponent - (mantissa == 0.5)  # of all powers of 2 the first that is not below
        return 1.0 if beside_bytes or not peak else math.ldexp(1.0, least)
    bits = max(1, math.ceil(peak).bit_length(), 8 * beside_bytes)
    return float(2**bits - 1)


def depth_problem(kind: Kind, depth: Depth | None) -> str | None:
    """Return why values can't be read as the training part's were; None if they can."""
    if depth and depth.kind == kind:
        return None
    return (
        f"it holds {KINDS[kind]} of more than 8 bits, the training images "
        f"{KINDS[depth.kind] if depth else 'have 8 bits'}: which value is white can't be known, "
        "save it as those are"
    )


def decide_depth(facts: Iterable[tuple[str, Kind | None, float]]) -> Depth | None:
    """Decide how the pictures of a training part become 8 bits.

    Args:
        facts: Of each picture: its name, what it holds (None: bytes), its largest value.

    Raises:
        InputError: If some hold whole numbers and others floats.
    """
    first: dict[Kind, str] = {}
    peak, beside_bytes = 0.0, False
    for name, kind, largest in facts:
        if kind is None:
            beside_bytes = True
        else:
            first.setdefault(kind, name)
            peak = max(peak, largest)
    if not first:
        return None
    if len(first) > 1:
        raise InputError(
            f"{first['integer']} holds whole numbers of more than 8 bits, {first['float']} floats:"
            " which values are equally bright can't be known, save all in one way"
        )
    (kind,) = first
    return Depth(kind=kind, white=white_level(kind, peak, beside_bytes))

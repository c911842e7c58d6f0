"""Finding an architecture by what a user types, and fitting it to data."""

import os
from pathlib import Path

from budgetnas.arch._arch import Arch
from budgetnas.arch._presets import PRESETS
from budgetnas.errors import InputError
from budgetnas.spec import printable, shorten


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

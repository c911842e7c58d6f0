"""Published networks to compare with, as they are or scaled until they fill the limits."""

from collections.abc import Callable
from functools import partial

import numpy as np

from budgetnas.analysis import FILLED
from budgetnas.arch import PRESETS, Arch, describe_limits
from budgetnas.study import StudyConfig
from budgetnas.trials import Counts, Limits, Shares, with_widths

WIDEST = 1_000_000
"""The most channels that an architecture may have."""


def scaled(arch: Arch, limits: Limits) -> Arch | None:
    """Scale all widths of a network by the factor with which it fills its limits most.

    Widths are rounded: to multiples of 8 where the narrowest stage has 32 channels or more, so
    that none is off by more than an eighth; else to whole numbers. A stem of its own width, as a
    Wide ResNet's, keeps it; any other follows the first stage.

    Returns:
        The network; None where not even one channel in the narrowest stage fits.
    """
    finest = 4 if arch.block == "bottleneck" else 1
    # coarse multiples, with the narrowest width that is rounded to them, then fine ones
    for step, narrowest in ((8, 32), (finest, finest)):
        widths = _family(arch, step, narrowest, limits)
        shares = limits.loads(arch, widths, stem_follows=_follows(arch))
        fitting = np.flatnonzero(shares <= 1)
        if len(fitting):
            return _with(arch, widths[fitting[shares[fitting].argmax()]])
    return None


def _family(arch: Arch, step: int, narrowest: int, limits: Limits) -> Counts:
    """Return all roundings of the scaled widths, int64 [n, stages], up to one that is too wide."""
    own = np.array([stage.width for stage in arch.stages], dtype=np.int64)
    low = narrowest / own.min()
    high = low
    while 2 * high * own.max() <= WIDEST and limits.fit(
        _with(arch, _rounded(own, np.array([high]), step)[0])
    ):
        high *= 2
    # where a width is rounded up from; between two such factors nothing changes
    turns = [
        (np.arange(low * width // step, high * width // step + 1) + 0.5) * step / width
        for width in own
    ]
    inner = np.concatenate(turns)
    edges = np.unique(np.array([low, *inner[(low < inner) & (inner < high)], high]))
    factors = np.array([low, *(edges[1:] + edges[:-1]) / 2])
    return np.unique(_rounded(own, factors, step), axis=0)


def _rounded(own: Counts, factors: Shares, step: int) -> Counts:
    """Scale widths [stages] by factors [n], to multiples of a step: int64 [n, stages]."""
    return (step * np.floor(factors[:, None] * own / step + 0.5)).astype(np.int64)


def _follows(arch: Arch) -> bool:
    return arch.stem_width == arch.stages[0].width


def _with(arch: Arch, widths: Counts) -> Arch:
    return with_widths(arch, widths, stem_follows=_follows(arch))


def _published(name: str, config: StudyConfig) -> Arch:
    """Fit a published network to a study's images."""
    return PRESETS[name].adapted(config.facts.channels, len(config.facts.classes))


def _at_the_budget(name: str, config: StudyConfig) -> Arch | None:
    """Scale a published network until it fills a study's limits; None if it never fits."""
    return scaled(_published(name, config), Limits.of(config))


# add yours here
BASELINES: dict[str, Callable[[StudyConfig], Arch | None]] = {
    **{
        name: partial(_published, name)
        for name in (
            "efficient-resnet",
            "modified-resnet-small",
            "modified-resnet-medium",
            "modified-resnet-large",
        )
    },
    "wrn-16 at the budget": partial(_at_the_budget, "wrn-16-4"),
    FILLED: partial(_at_the_budget, "efficient-resnet"),
}
"""Networks for a study's images by name; None where there is none within its limits.

A published one that is over a limit is listed as that, and never trained.
"""


def baselines(config: StudyConfig) -> tuple[dict[str, Arch], list[str]]:
    """Return the baselines of a study by name, with a notice for each that it can't have."""
    made = {name: make(config) for name, make in BASELINES.items()}
    limits = describe_limits(config.all_limits)
    missing = [
        f"no {name}: not even its narrowest network has at most {limits}"
        for name, arch in made.items()
        if arch is None
    ]
    return {name: arch for name, arch in made.items() if arch is not None}, missing

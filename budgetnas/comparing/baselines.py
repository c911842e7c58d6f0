"""What a search's winner is compared with."""

from collections.abc import Callable
from functools import partial

from budgetnas.analysis import FILLED
from budgetnas.arch import PRESETS, Arch, describe_limits
from budgetnas.comparing.scaling import scaled
from budgetnas.study import StudyConfig


def _published(name: str, config: StudyConfig) -> Arch:
    """Fit a published network to a study's images."""
    return PRESETS[name].adapted(config.facts.channels, len(config.facts.classes))


def _at_the_budget(name: str, config: StudyConfig) -> Arch | None:
    """Scale a published network until it fills a study's limits; None if it never fits."""
    return scaled(_published(name, config), config.all_limits, config.data.image_size)


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

"""Architectures spread over a study's space, from small to large."""

import math

from budgetnas.arch import Arch, count_params, describe_limits, fits
from budgetnas.errors import InputError
from budgetnas.seeds import derive_seed
from budgetnas.space import RandomSuggester, Space
from budgetnas.study import StudyConfig

MOST_DRAWS = 20_000
"""Random draws after which no more are looked for."""
ENOUGH = 50
"""Feasible draws to choose each architecture from."""
TRIMMED = 0.025
"""Share of draws at each end that is left out: a lone tiny network would be ranked by anything."""


def spread_archs(config: StudyConfig, space: Space, count: int) -> list[Arch]:
    """Choose different feasible architectures, evenly by ratio over the parameters of all.

    The range is that of random draws within the budget, but for the outermost. The same study has
    the same ones each time.

    Args:
        config: The study's definition: its seed, limits and images.
        space: What it draws from.
        count: How many.

    Returns:
        So many, the smallest first.

    Raises:
        InputError: If so many are not found.
    """
    drawn = sorted(_feasible(config, space, ENOUGH * count), key=count_params)
    if len(drawn) < count:
        raise InputError(
            f"--archs must be at most {len(drawn)}, the different networks of at most "
            f"{describe_limits(config.all_limits)} that {MOST_DRAWS:,} draws from the study's "
            f"space have, got {count}"
        )
    cut = math.floor(TRIMMED * len(drawn))
    kept = drawn[cut : len(drawn) - cut] if len(drawn) - 2 * cut >= count else drawn
    sizes = [math.log(count_params(arch)) for arch in kept]
    return [kept[place] for place in sorted(_nearest(sizes, count))]


def _nearest(sizes: list[float], count: int) -> list[int]:
    """Find places whose sizes are nearest to evenly spaced ones, each once."""
    left, chosen = set(range(len(sizes))), []
    for number in range(count):
        target = sizes[0] + (sizes[-1] - sizes[0]) * number / (count - 1)
        nearest = min(left, key=lambda place: (abs(sizes[place] - target), place))
        left.remove(nearest)
        chosen.append(nearest)
    return chosen


def _feasible(config: StudyConfig, space: Space, enough: int) -> list[Arch]:
    """Draw at random until there are enough different ones within the budget, or long enough."""
    suggester = RandomSuggester(derive_seed(config.seed, "calibrate"))
    size, facts = config.data.image_size, config.facts
    found: dict[str, Arch] = {}
    for _ in range(MOST_DRAWS):
        arch = space.draw(suggester, facts.channels, len(facts.classes)).arch
        if fits(config.all_limits, arch, size):
            found.setdefault(arch.digest(), arch)
            if len(found) == enough:
                break
    return list(found.values())

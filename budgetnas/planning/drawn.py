"""What a search that fills its budget will draw: a sample of it, before anything is trained."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median_low
from typing import Any

from budgetnas.arch import COSTS, Arch, Budget, count_macs, count_params, load
from budgetnas.searching.drawing import networks_of
from budgetnas.seeds import derive_seed
from budgetnas.space import Fill, RandomSuggester

DRAWS = 200
"""Networks that are drawn for each budget, in about a second."""


@dataclass(frozen=True)
class Counted:
    """A network, counted."""

    arch: Arch
    params: int
    """Trainable parameters."""
    macs: int
    """Multiply-adds for one image."""

    @classmethod
    def of(cls, arch: Arch, image_size: int) -> "Counted":
        """Count a network."""
        return cls(arch, count_params(arch), count_macs(arch, image_size))

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        arch = self.arch.model_dump(mode="json")
        return {"params": self.params, "macs": self.macs, "arch": arch}


@dataclass(frozen=True)
class Drawn:
    """A sample of what a search draws for one budget, as its random sampler would."""

    budget: Budget
    """What each network was drawn to fill."""
    networks: tuple[Counted, ...]
    """In the order in which they were drawn."""
    different: int
    """How many of them differ."""
    filled: tuple[float, ...]
    """Of each, its share of the budget or of the limit that it fills most."""
    seed: int
    """What the draws are derived from."""

    @property
    def smallest(self) -> Counted:
        """The one that fills least."""
        return self.networks[self.filled.index(min(self.filled))]

    @property
    def largest(self) -> Counted:
        """The one that fills most."""
        return self.networks[self.filled.index(max(self.filled))]

    @property
    def middling(self) -> Counted:
        """The one of median multiply-adds."""
        middle = median_low(each.macs for each in self.networks)
        return next(each for each in self.networks if each.macs == middle)

    def below(self, share: float) -> int:
        """Count those that fill less than a share, as the widths of the space are too narrow."""
        return sum(each < share for each in self.filled)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "budget": self.budget.limit,
            "draws": len(self.networks),
            "different": self.different,
            "seed": self.seed,
            "filled": _ends(self.filled),
            "params": _ends([each.params for each in self.networks]),
            "macs": _ends([each.macs for each in self.networks]),
            "smallest": self.smallest.as_json(),
            "largest": self.largest.as_json(),
        }


def draw_some(
    fill: Fill,
    budget: Budget,
    limits: Sequence[Budget],
    image_size: int,
    in_channels: int,
    num_classes: int,
    seed: int = 0,
) -> Drawn:
    """Draw networks as a search does, with the counter inverted.

    Args:
        fill: How a search draws.
        budget: What it is to fill; the smallest network of the space fits it and all limits.
        limits: What must not be exceeded either.
        image_size: Side of an image in pixels.
        in_channels: Of the images.
        num_classes: Of the data.
        seed: Of the draws.
    """
    suggester = RandomSuggester(derive_seed(seed, "plan", budget.limit))
    networks: Iterator[Arch] = networks_of(
        fill, suggester, budget, limits, image_size, in_channels, num_classes
    )
    archs = list(islice(networks, DRAWS))
    filled = tuple(load((budget, *limits), arch, image_size) for arch in archs)
    counted = tuple(Counted.of(arch, image_size) for arch in archs)
    return Drawn(budget, counted, len({arch.digest() for arch in archs}), filled, seed)


def least_limits(arch: Arch, limits: Sequence[Budget], image_size: int) -> dict[str, int]:
    """Return what each limit that a network exceeds would have to be raised to."""
    return {
        each.cost: COSTS[each.cost](arch, image_size)
        for each in limits
        if each.excess(arch, image_size) > 0
    }


def _ends(values: Sequence[float]) -> dict[str, float]:
    return {"least": min(values), "median": median_low(values), "most": max(values)}

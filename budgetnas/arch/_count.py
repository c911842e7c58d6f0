"""What a network costs, from its description alone, and budgets: no network is built or run.

Under several budgets a network is feasible if it fits each of them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, Field

from budgetnas.arch._arch import Arch, layers, repeated_layers
from budgetnas.arch._layers import Act, Conv, Dropout, Leaf, Linear, Norm, Pool, Shape
from budgetnas.errors import InputError
from budgetnas.spec import Spec, shorten


class Row(NamedTuple):
    """A line of the layer table."""

    name: str
    """The leaf's name, as in the model's `state_dict`."""
    type: str
    """The torch class it becomes."""
    output: Shape
    """Channels, height, width at its output."""
    params: int
    """Trainable parameters."""
    macs: int
    """Multiply-adds for one image."""


TORCH_NAMES: dict[type[Leaf], str] = {
    Conv: "Conv2d",
    Norm: "BatchNorm2d",
    Act: "ReLU",
    Dropout: "Dropout",
    Pool: "AdaptiveAvgPool2d",
    Linear: "Linear",
}


def layer_table(arch: Arch, image_size: int = 32) -> list[Row]:
    """List the leaves that hold weights or change the shape; their rows add up to the totals.

    Activations and dropout do neither and are left out, as in the published listings.
    """
    return [
        Row(name, TORCH_NAMES[type(leaf)], leaf.output(shape), leaf.params(), leaf.macs(shape))
        for name, leaf, shape in _leaves(arch, image_size)
        if not isinstance(leaf, Act | Dropout)
    ]


def _leaves(arch: Arch, image_size: int) -> Iterator[tuple[str, Leaf, Shape]]:
    shape: Shape = (arch.in_channels, image_size, image_size)
    for name, layer in layers(arch):
        yield from layer.leaves(name, shape)
        shape = layer.output(shape)


def count_params(arch: Arch) -> int:
    """Count the trainable parameters, as torch would on the built model."""
    return sum(layer.params() * times for _, layer, times in repeated_layers(arch))


def count_macs(arch: Arch, image_size: int = 32) -> int:
    """Count the multiply-adds of one image's forward pass (1 MAC = 2 FLOPs).

    Convolutions (squeeze-and-excitation's too) and the linear layer count; norms, activations,
    pooling and biases do not.
    """
    total = 0
    shape: Shape = (arch.in_channels, image_size, image_size)
    for _, layer, times in repeated_layers(arch):
        total += layer.macs(shape) * times
        shape = layer.output(shape)
    return total


def _count_bytes(bits: int, arch: Arch, image_size: int) -> int:
    """Count the bytes of the trainable parameters, at N bits each."""
    return -(-count_params(arch) * bits // 8)


BITS = (8, 16, 32)
"""In how many bits a stored weight may be."""

# add yours here: what can be limited, as a function of the description and the image's side
COSTS: dict[str, Callable[[Arch, int], int]] = {
    "params": lambda arch, image_size: count_params(arch),
    "macs": count_macs,
    **{f"bytes-{bits}": partial(_count_bytes, bits) for bits in BITS},
}

COST_NAMES = {
    "params": "parameters",
    "macs": "multiply-adds",
    **{f"bytes-{bits}": f"bytes of weights in {bits} bits" for bits in BITS},
}
"""What is limited, for people."""


def _known_cost(name: str) -> str:
    if name not in COSTS:
        raise ValueError(f"unknown cost {name!r}, known: {', '.join(COSTS)}")
    return name


MAX_LIMIT = 10**15
_POWERS = {"": 0, "k": 3, "m": 6, "g": 9}
_AMOUNT = re.compile(r"(\d+(?:_\d+)*)(\.\d+)?(?:e\+?(\d{1,2})|([kmg]?))", re.ASCII | re.IGNORECASE)


class Budget(Spec):
    """A limit on a cost: what is over it is never trained."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)]
    """The largest cost that is feasible."""

    cost: Annotated[str, AfterValidator(_known_cost)] = "params"
    """What is limited: an entry of `COSTS`."""

    @classmethod
    def from_text(cls, text: str, cost: str = "params") -> Self:
        """Parse `5e6`, `5M`, `500k` or `5_000_000`."""
        match = _AMOUNT.fullmatch(text.strip())
        rule = "a budget is a whole number such as 5e6, 5M, 500k or 5_000_000"
        if not match:
            raise InputError(f"{rule}, got {shorten(text)}")
        whole, fraction, exponent, suffix = match.groups(default="")
        power = exponent or _POWERS[suffix.lower()]
        # written and compared, a Decimal is exact; any arithmetic would round it
        limit = Decimal(f"{whole}{fraction}e{power}")
        if not 1 <= limit <= MAX_LIMIT:
            raise InputError(f"{rule}, from 1 to {MAX_LIMIT:.0e}, got {shorten(text)}")
        if limit != int(limit):
            raise InputError(f"{rule}, got {shorten(text)}")
        return cls(limit=int(limit), cost=cost)

    def excess(self, arch: Arch, image_size: int = 32) -> int:
        """Return cost - limit; feasible means at most 0."""
        return COSTS[self.cost](arch, image_size) - self.limit

    def __str__(self) -> str:
        """The canonical form, with the largest suffix that leaves a whole number: 5M, 78500."""
        for suffix, factor in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
            if self.limit % factor == 0:
                return f"{self.limit // factor}{suffix}"
        return str(self.limit)


def load(limits: Sequence[Budget], arch: Arch, image_size: int) -> float:
    """Return the largest cost over its limit; feasible means at most 1."""
    return max(COSTS[each.cost](arch, image_size) / each.limit for each in limits)


def fits(limits: Sequence[Budget], arch: Arch, image_size: int) -> bool:
    return all(each.excess(arch, image_size) <= 0 for each in limits)


def describe_limits(limits: Sequence[Budget]) -> str:
    """Return the limits in words: `5M parameters and 100M multiply-adds`."""
    return " and ".join(f"{each} {COST_NAMES[each.cost]}" for each in limits)


def describe_costs(limits: Sequence[Budget], arch: Arch, image_size: int) -> str:
    """Return a network's limited costs in words: `97,020 parameters, 67,772,736 ...`."""
    return ", ".join(
        f"{COSTS[each.cost](arch, image_size):,} {COST_NAMES[each.cost]}" for each in limits
    )


def other_limits(
    max_macs: Budget | None, max_bytes: Budget | None, bits: int | None
) -> tuple[Budget, ...]:
    """Return what is limited beside the budget."""
    if bits is not None and max_bytes is None:
        raise InputError(f"--bits says in what --max-bytes is counted, got --bits {bits} alone")
    if bits is not None and bits not in BITS:
        raise InputError(f"--bits: must be one of {', '.join(map(str, BITS))}, got {bits}")
    given = {"macs": max_macs, f"bytes-{bits or BITS[-1]}": max_bytes}
    return tuple(each.changed(cost=cost) for cost, each in given.items() if each is not None)


def smaller_budgets(also: Sequence[Budget], budget: Budget | None) -> tuple[Budget, ...]:
    """Order smaller budgets, the largest first.

    Raises:
        InputError: If one is not smaller than the budget, or is there twice.
    """
    ordered = sorted(also, key=lambda each: -each.limit)
    for before, each in zip([budget, *ordered], ordered, strict=False):
        if before is not None and each.limit >= before.limit:
            raise InputError(
                f"--also: budgets must be smaller than --budget and differ, got {each} "
                f"beside {before}"
            )
    return tuple(ordered)

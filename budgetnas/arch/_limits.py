"""Several budgets at once: a network is feasible if it fits each of them."""

from collections.abc import Sequence

from budgetnas.arch._arch import Arch
from budgetnas.arch._count import BITS, COST_NAMES, COSTS, Budget
from budgetnas.errors import InputError


def load(limits: Sequence[Budget], arch: Arch, image_size: int) -> float:
    """Return the largest cost over its limit; feasible means at most 1."""
    return max(COSTS[each.cost](arch, image_size) / each.limit for each in limits)


def fits(limits: Sequence[Budget], arch: Arch, image_size: int) -> bool:
    """Return whether a network is within every limit."""
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

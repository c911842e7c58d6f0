"""Several budgets at once: a network is feasible if it fits each of them."""

from collections.abc import Sequence

from budgetnas.arch.arch import Arch
from budgetnas.arch.count import BITS, COST_NAMES, COSTS, Budget
from budgetnas.errors import InputError


def load(limits: Sequence[Budget], arch: Arch, image_size: int) -> float:
    """Return the largest cost over its limit; feasible means at most 1."""
    return max(COSTS[each.cost](arch, image_size) / each.limit for each in limits)


def fits(limits: Sequence[Budget], arch: Arch, image_size: int) -> bool:
    """Say whether a network is within every limit."""
    return all(each.excess(arch, image_size) <= 0 for each in limits)


def describe_limits(limits: Sequence[Budget]) -> str:
    """Say them for people: `5M parameters and 100M multiply-adds`."""
    return " and ".join(f"{each} {COST_NAMES[each.cost]}" for each in limits)


def describe_costs(limits: Sequence[Budget], arch: Arch, image_size: int) -> str:
    """Say what a network costs of what is limited: `97,020 parameters, 67,772,736 ...`."""
    return ", ".join(
        f"{COSTS[each.cost](arch, image_size):,} {COST_NAMES[each.cost]}" for each in limits
    )


def as_limits(
    max_macs: Budget | str | int | None, max_bytes: Budget | str | int | None, bits: int | None
) -> tuple[Budget, ...] | None:
    """Read what is limited beside the budget; None where nothing is."""
    if bits is not None and max_bytes is None:
        raise InputError(f"--bits says in what --max-bytes is counted, got --bits {bits} alone")
    if bits is not None and bits not in BITS:
        raise InputError(f"--bits: must be one of {', '.join(map(str, BITS))}, got {bits}")
    given = {"macs": max_macs, f"bytes-{bits or BITS[-1]}": max_bytes}
    return (
        tuple(
            Budget.from_text(str(value), cost)
            for cost, value in given.items()
            if value is not None
        )
        or None
    )


def as_also(
    also: str | Sequence[str | int] | None, budget: Budget | None
) -> tuple[Budget, ...] | None:
    """Read smaller budgets, the largest first; None where none are asked for.

    Raises:
        InputError: If one is not smaller than the budget, or is there twice.
    """
    if also is None:
        return None
    listed = also.split(",") if isinstance(also, str) else [str(each) for each in also]
    read = sorted(map(Budget.from_text, listed), key=lambda each: -each.limit)
    for before, each in zip([budget, *read], read, strict=False):
        if before is not None and each.limit >= before.limit:
            raise InputError(
                f"--also: budgets must be smaller than --budget and differ, got {each} "
                f"beside {before}"
            )
    return tuple(read)

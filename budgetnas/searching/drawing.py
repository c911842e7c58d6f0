"""Drawing networks as a search's proposal says, with or without a trial."""

from collections.abc import Iterator, Sequence

from budgetnas.arch import Arch, Budget
from budgetnas.searching.filling import filled
from budgetnas.space import Draw, Fill, Free, Suggester, draw


def draw_filled(
    fill: Fill,
    trial: Suggester,
    limits: Sequence[Budget],
    image_size: int,
    in_channels: int,
    num_classes: int,
) -> Draw:
    """Draw a shape and a fill of the limits, and solve for the widths."""
    shape, overrides = fill.space.draw(trial, in_channels, num_classes, widths=False)
    ratios = [
        draw(trial, f"ratio_{place}", fill.ratio) for place in range(2, len(shape.stages) + 1)
    ]
    share = draw(trial, "fill", fill.fill)
    arch = filled(fill.space, shape, ratios, share, fill.fill.low, limits, image_size)
    return Draw(arch, overrides)


def networks_of(
    proposal: Free | Fill,
    suggester: Suggester,
    budget: Budget,
    limits: Sequence[Budget],
    image_size: int,
    in_channels: int,
    num_classes: int,
) -> Iterator[Arch]:
    """Draw one network after the other; what `Free` draws may exceed the limits."""
    while True:
        match proposal:
            case Free(space=space):
                yield space.draw(suggester, in_channels, num_classes).arch
            case Fill():
                yield draw_filled(
                    proposal, suggester, (budget, *limits), image_size, in_channels, num_classes
                ).arch

"""`Fill`: a sampler draws a shape and a fill of the budget; the widths are solved for."""

from typing import Annotated, Literal

from pydantic import Field

from budgetnas.space._domains import Range
from budgetnas.space._free import DEFAULT_SAMPLER
from budgetnas.space._space import Space
from budgetnas.spec import Spec

Ratio = Annotated[float, Field(gt=0, le=1_000)]
Share = Annotated[float, Field(gt=0, le=1)]


class Fill(Spec):
    """Every trial is drawn so that it fits, and uses of the budget what it was drawn to use.

    One of Optuna's samplers draws everything but the widths as `Free` does, how many times as
    wide each stage is as the one before, and which share of the budget to fill. The counter is
    then inverted: of the widths in the space, those are taken that come nearest to that share.
    """

    name: Literal["fill"] = "fill"
    sampler: str = DEFAULT_SAMPLER
    """Which of Optuna's samplers draws."""
    space: Space = Space()
    """What it draws from."""
    fill: Range[Share] = Range(low=0.8, high=1.0)
    """Which share of the budget a network has; of several limits, of the one it fills most."""
    ratio: Range[Ratio] = Range(low=0.5, high=4.0, log=True)
    """How many times as wide a stage is as the one before it."""
    presets: bool = True
    """Begin with the published networks that fit."""

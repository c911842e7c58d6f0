"""How the learning rate moves over a run.

`Cosine` is defined on progress in [0, 1), so it fits any number of epochs. The others are torch's
own schedulers under torch's names and arguments; where an argument that says how long the run is
may be left out, it is taken from the run. ``ReduceLROnPlateau`` is not here: it depends on
measurements, so it can't be known before the run, which a schedule here always is.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from budgetnas.recipe._optimizer import Fraction, Rate
from budgetnas.spec import Maybe, Spec

Positive = Annotated[int, Field(ge=1, le=10**9)]
Milestones = Annotated[
    tuple[Positive, ...], Field(min_length=1), AfterValidator(lambda given: _ascending(given))
]
Floor = Annotated[float, Field(ge=0, le=1e6)]


def _ascending(milestones: tuple[int, ...]) -> tuple[int, ...]:
    if list(milestones) != sorted(set(milestones)):
        raise ValueError(f"milestones must ascend, got {list(milestones)}")
    return milestones


class Cosine(Spec):
    """A linear warm-up, then half a cosine down; moves every step."""

    name: Literal["cosine"] = "cosine"
    warmup: Fraction = 0.05
    """Share of the run that the warm-up takes."""
    final: Floor = 0.0
    """Learning rate at the end, as a fraction of the peak."""


class _Torch(Spec):
    per: Literal["epoch", "step"] = "epoch"
    """Whether the scheduler moves once an epoch or once a step."""


class ConstantLR(_Torch):
    """The rate times `factor`, for the first `total_iters`; by default the plain rate."""

    name: Literal["ConstantLR"] = "ConstantLR"
    factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    total_iters: Positive = 5


class LinearLR(_Torch):
    """From `start_factor` to `end_factor` of the rate over `total_iters`."""

    name: Literal["LinearLR"] = "LinearLR"
    start_factor: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    end_factor: Annotated[float, Field(ge=0, le=1)] = 1.0
    total_iters: Positive = 5


class PolynomialLR(_Torch):
    """Down to zero as a power of what is left of `total_iters` (the run, if absent)."""

    name: Literal["PolynomialLR"] = "PolynomialLR"
    total_iters: Maybe[Positive] = None
    power: Rate = 1.0


class LambdaLR(_Torch):
    """The initial rate times factor**t."""

    name: Literal["LambdaLR"] = "LambdaLR"
    factor: Rate = 0.65


class MultiplicativeLR(_Torch):
    """The last rate times factor**t."""

    name: Literal["MultiplicativeLR"] = "MultiplicativeLR"
    factor: Rate = 0.65


class StepLR(_Torch):
    """Times `gamma` every `step_size`."""

    name: Literal["StepLR"] = "StepLR"
    step_size: Positive = 30
    gamma: Rate = 0.1


class MultiStepLR(_Torch):
    """Times `gamma` at each of the milestones."""

    name: Literal["MultiStepLR"] = "MultiStepLR"
    milestones: Milestones
    gamma: Rate = 0.1


class ExponentialLR(_Torch):
    """Times `gamma` every time."""

    name: Literal["ExponentialLR"] = "ExponentialLR"
    gamma: Rate = 0.1


class CosineAnnealingLR(_Torch):
    """A cosine from the rate to `eta_min` in T_max (the run, if absent)."""

    name: Literal["CosineAnnealingLR"] = "CosineAnnealingLR"
    T_max: Maybe[Positive] = None
    eta_min: Floor = 0.0


class CosineAnnealingWarmRestarts(_Torch):
    """A cosine from the rate to `eta_min`, again and again (Loshchilov and Hutter, 2017)."""

    name: Literal["CosineAnnealingWarmRestarts"] = "CosineAnnealingWarmRestarts"
    T_0: Positive = 10
    T_mult: Positive = 1
    eta_min: Floor = 0.0


class CyclicLR(_Torch):
    """Up and down between two rates (Smith, 2017); the momentum moves the other way."""

    name: Literal["CyclicLR"] = "CyclicLR"
    base_lr: Rate
    max_lr: Rate
    step_size_up: Positive = 2000
    step_size_down: Maybe[Positive] = None
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular"
    gamma: Rate = 1.0
    cycle_momentum: bool = True
    base_momentum: Fraction = 0.8
    max_momentum: Fraction = 0.9

    @model_validator(mode="after")
    def _base_below_max(self) -> Self:
        if self.base_lr > self.max_lr:
            raise ValueError(
                f"base_lr <= max_lr must hold, got base_lr={self.base_lr}, max_lr={self.max_lr}"
            )
        return self


class OneCycleLR(_Torch):
    """Once up and down (Smith and Topin, 2018); the momentum moves the other way."""

    name: Literal["OneCycleLR"] = "OneCycleLR"
    max_lr: Rate
    total_steps: Maybe[Positive] = None
    """The cycle's length; if absent, the run's."""
    pct_start: Annotated[float, Field(ge=0, le=1)] = 0.3
    anneal_strategy: Literal["cos", "linear"] = "cos"
    cycle_momentum: bool = True
    base_momentum: Fraction = 0.85
    max_momentum: Fraction = 0.95
    div_factor: Rate = 25.0
    final_div_factor: Rate = 1e4
    three_phase: bool = False


class SequentialLR(_Torch):
    """One schedule after another, the next beginning at each milestone."""

    name: Literal["SequentialLR"] = "SequentialLR"
    schedulers: "Annotated[tuple[TorchSchedule, ...], Field(min_length=2)]"
    milestones: Milestones


class ChainedScheduler(_Torch):
    """Several schedules at once, their factors multiplied."""

    name: Literal["ChainedScheduler"] = "ChainedScheduler"
    schedulers: "Annotated[tuple[TorchSchedule, ...], Field(min_length=1)]"


# add yours here, and a case in budgetnas.train._optim.build_scheduler
TorchSchedule = Annotated[
    ConstantLR
    | LinearLR
    | PolynomialLR
    | LambdaLR
    | MultiplicativeLR
    | StepLR
    | MultiStepLR
    | ExponentialLR
    | CosineAnnealingLR
    | CosineAnnealingWarmRestarts
    | CyclicLR
    | OneCycleLR
    | SequentialLR
    | ChainedScheduler,
    Field(discriminator="name"),
]
Schedule = Annotated[Cosine | TorchSchedule, Field(discriminator="name")]

SequentialLR.model_rebuild()
ChainedScheduler.model_rebuild()

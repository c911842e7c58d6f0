"""From a schedule's description to the table of every step's learning rate and momentum.

Torch's own scheduler runs once, on a dummy optimizer with one weight; the engine only looks the
values up. So every scheduler costs nothing in training, and what it will do is known before.
"""

import math
import warnings
from dataclasses import dataclass
from typing import assert_never

import torch
from torch.optim import Optimizer, lr_scheduler

from budgetnas.errors import InputError
from budgetnas.recipe import (
    ChainedScheduler,
    ConstantLR,
    Cosine,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    Recipe,
    SequentialLR,
    StepLR,
    TorchSchedule,
)
from budgetnas.train._optim import build_optimizer


@dataclass(frozen=True)
class ScheduleTable:
    """The schedule of a whole run."""

    lr: list[float]
    """Learning rate of every step."""
    momentum: list[float] | None
    """Momentum (beta 1 for Adam) of every step; None where the schedule leaves it alone."""


MOST_STEPS = 20_000_000
"""What is tabulated in seconds: 400 epochs of 50,000 images one by one."""


def schedule_table(recipe: Recipe, steps_per_epoch: int) -> ScheduleTable:
    """Tabulate a recipe's schedule.

    Args:
        recipe: With its schedule, optimizer and number of epochs.
        steps_per_epoch: Optimizer steps in an epoch.

    Raises:
        InputError: If the schedule cannot run for that long, with the scheduler's own reason.
    """
    schedule, steps = recipe.schedule, recipe.epochs * steps_per_epoch
    if steps > MOST_STEPS:
        raise InputError(
            f"a training can have at most {MOST_STEPS:,} steps, got {recipe.epochs:,} epochs of "
            f"{steps_per_epoch:,}: {steps:,}"
        )
    if isinstance(schedule, Cosine):
        peak = recipe.optimizer.lr
        # Each step stands in the middle of its share of the run: none has a rate of zero.
        halfway = ((step + 0.5) / steps for step in range(steps))
        return ScheduleTable([peak * _cosine(schedule, progress) for progress in halfway], None)
    moves = recipe.epochs if schedule.per == "epoch" else steps
    try:
        lr, momentum = _run(recipe, schedule, moves)
    except (ValueError, ArithmeticError, NotImplementedError) as error:
        raise InputError(
            f"the schedule {schedule.name} can't run for {recipe.epochs} epochs "
            f"({moves} moves): {error}"
        ) from None
    each = 1 if schedule.per == "step" else steps_per_epoch
    cycled = any(value != momentum[0] for value in momentum) or (
        momentum[0] != recipe.optimizer.momentum
    )
    return ScheduleTable(_repeat(lr, each), _repeat(momentum, each) if cycled else None)


def _cosine(schedule: Cosine, progress: float) -> float:
    if progress < schedule.warmup:
        return progress / schedule.warmup
    rest = (progress - schedule.warmup) / (1 - schedule.warmup)
    return schedule.final + (1 - schedule.final) * (1 + math.cos(math.pi * rest)) / 2


def _repeat(values: list[float], times: int) -> list[float]:
    return [value for value in values for _ in range(times)]


def _run(recipe: Recipe, schedule: TorchSchedule, moves: int) -> tuple[list[float], list[float]]:
    """Run the scheduler on a dummy; record learning rate and momentum before each move."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = build_optimizer([("weight", weight)], recipe.optimizer, fused=False)
    lr, momentum = [], []
    with warnings.catch_warnings():
        # The dummy never steps, which torch would warn of at every move.
        warnings.simplefilter("ignore")
        scheduler = build_scheduler(schedule, optimizer, moves)
        for _ in range(moves):
            group = optimizer.param_groups[0]
            lr.append(float(group["lr"]))
            momentum.append(float(group["momentum"] if "momentum" in group else group["betas"][0]))
            scheduler.step()
    return lr, momentum


def build_scheduler(
    schedule: TorchSchedule, optimizer: Optimizer, moves: int
) -> lr_scheduler.LRScheduler:
    """Build torch's scheduler for a run of N moves."""
    match schedule:
        case ConstantLR(factor=factor, total_iters=total):
            return lr_scheduler.ConstantLR(optimizer, factor, total)
        case LinearLR(start_factor=start, end_factor=end, total_iters=total):
            return lr_scheduler.LinearLR(optimizer, start, end, total)
        case PolynomialLR(total_iters=length, power=power):
            return lr_scheduler.PolynomialLR(optimizer, length or moves, power)
        case LambdaLR(factor=factor):
            return lr_scheduler.LambdaLR(optimizer, lambda t: factor**t)
        case MultiplicativeLR(factor=factor):
            return lr_scheduler.MultiplicativeLR(optimizer, lambda t: factor**t)
        case StepLR(step_size=size, gamma=gamma):
            return lr_scheduler.StepLR(optimizer, size, gamma)
        case MultiStepLR(milestones=milestones, gamma=gamma):
            return lr_scheduler.MultiStepLR(optimizer, milestones, gamma)
        case ExponentialLR(gamma=gamma):
            return lr_scheduler.ExponentialLR(optimizer, gamma)
        case CosineAnnealingLR(T_max=length, eta_min=floor):
            return lr_scheduler.CosineAnnealingLR(optimizer, length or moves, floor)
        case CosineAnnealingWarmRestarts(T_0=first, T_mult=growth, eta_min=floor):
            return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, first, growth, floor)
        case CyclicLR():
            return lr_scheduler.CyclicLR(optimizer, **schedule.model_dump(exclude={"name", "per"}))
        case OneCycleLR():
            arguments = schedule.model_dump(exclude={"name", "per", "total_steps"})
            length = schedule.total_steps or moves
            return lr_scheduler.OneCycleLR(optimizer, total_steps=length, **arguments)
        case SequentialLR(schedulers=parts, milestones=milestones):
            built = [build_scheduler(part, optimizer, moves) for part in parts]
            return lr_scheduler.SequentialLR(optimizer, built, list(milestones))
        case ChainedScheduler(schedulers=parts):
            built = [build_scheduler(part, optimizer, moves) for part in parts]
            return lr_scheduler.ChainedScheduler(built, optimizer)
        case _:
            assert_never(schedule)

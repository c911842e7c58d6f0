"""From a recipe's descriptions to torch: initial weights, the optimizer, and every step's rates.

A schedule becomes a table: torch's own scheduler runs once, on a dummy optimizer with one weight;
the engine only looks the values up. So every scheduler costs nothing in training, and what it
will do is known before.
"""

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Optimizer, lr_scheduler

from budgetnas import recipe as specs
from budgetnas.arch import Arch
from budgetnas.errors import InputError
from budgetnas.model import build_model
from budgetnas.recipe import Recipe


def initial_model(arch: Arch, init: specs.Init, seed: int) -> nn.Module:
    """Build a network with the initial weights that the recipe asks for.

    Layers draw from torch's global generator of the CPU, so it is seeded, inside a fork that
    gives it back untouched.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = build_model(arch)
        initialize(model, init)
    return model


@torch.no_grad()
def initialize(model: nn.Module, init: specs.Init) -> None:
    """Redraw the weights of convolutions and linear layers, and zero their biases."""
    if isinstance(init, specs.Default):
        return
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            _draw(module.weight, init)
            if module.bias is not None:
                module.bias.zero_()


def _draw(weight: torch.Tensor, init: specs.Init) -> None:
    match init:
        case specs.Default():
            pass
        case specs.XavierUniform(gain=gain):
            nn.init.xavier_uniform_(weight, gain=gain)
        case specs.XavierNormal(gain=gain):
            nn.init.xavier_normal_(weight, gain=gain)
        case specs.KaimingNormal():
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
        case specs.Normal(std=std):
            nn.init.normal_(weight, std=std)
        case specs.Orthogonal():
            nn.init.orthogonal_(weight)
        case _:
            assert_never(init)


def build_optimizer(
    named: Iterable[tuple[str, Parameter]],
    spec: specs.Optimizer,
    *,
    fused: bool,
    lr: Tensor | None = None,
) -> torch.optim.Optimizer:
    """Build the optimizer over named parameters, as one or two groups.

    Weight decay applies to the weights of convolutions and linear layers; to norms and biases,
    which are vectors, only if the recipe asks for it. A learning rate that changes within a CUDA
    graph is read from `lr`, on its device.
    """
    parameters = [parameter for _, parameter in named]
    decayed = [p for p in parameters if spec.decay_norm_and_bias or p.ndim > 1]
    plain = [p for p in parameters if not (spec.decay_norm_and_bias or p.ndim > 1)]
    groups = [
        {"params": params, "weight_decay": decay}
        for params, decay in ((decayed, spec.weight_decay), (plain, 0.0))
        if params
    ]
    rate: float | Tensor = spec.lr if lr is None else lr
    match spec:
        case specs.SGD():
            # Nesterov's form of no momentum at all is plain descent, which torch wants said.
            nesterov = spec.nesterov and spec.momentum > 0
            return torch.optim.SGD(
                groups, lr=rate, momentum=spec.momentum, nesterov=nesterov, fused=fused
            )
        case specs.Adam() | specs.AdamW():
            kind = torch.optim.Adam if isinstance(spec, specs.Adam) else torch.optim.AdamW
            betas = (spec.momentum, spec.beta2)
            return kind(groups, lr=rate, betas=betas, fused=fused, capturable=lr is not None)
        case _:
            assert_never(spec)


def set_rates(optimizer: torch.optim.Optimizer, lr: float | None, momentum: float | None) -> None:
    """Set the learning rate and the momentum (beta 1 for Adam), where they are given."""
    for group in optimizer.param_groups:
        if lr is not None:
            group["lr"] = lr
        if momentum is not None and "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        elif momentum is not None:
            group["momentum"] = momentum


def clip_gradients(parameters: list[Parameter], clip: specs.Clip | None) -> None:
    match clip:
        case None:
            pass
        case specs.ClipNorm(limit=limit):
            nn.utils.clip_grad_norm_(parameters, limit)
        case specs.ClipValue(limit=limit):
            nn.utils.clip_grad_value_(parameters, limit)
        case _:
            assert_never(clip)


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
    """Tabulate a recipe's schedule, a step a row.

    Raises:
        InputError: If the schedule cannot run for that long, with the scheduler's own reason.
    """
    schedule, steps = recipe.schedule, recipe.epochs * steps_per_epoch
    if steps > MOST_STEPS:
        raise InputError(
            f"a training can have at most {MOST_STEPS:,} steps, got {recipe.epochs:,} epochs of "
            f"{steps_per_epoch:,}: {steps:,}"
        )
    if isinstance(schedule, specs.Cosine):
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


def _cosine(schedule: specs.Cosine, progress: float) -> float:
    if progress < schedule.warmup:
        return progress / schedule.warmup
    rest = (progress - schedule.warmup) / (1 - schedule.warmup)
    return schedule.final + (1 - schedule.final) * (1 + math.cos(math.pi * rest)) / 2


def _repeat(values: list[float], times: int) -> list[float]:
    return [value for value in values for _ in range(times)]


def _run(
    recipe: Recipe, schedule: specs.TorchSchedule, moves: int
) -> tuple[list[float], list[float]]:
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
    schedule: specs.TorchSchedule, optimizer: Optimizer, moves: int
) -> lr_scheduler.LRScheduler:
    match schedule:
        case specs.ConstantLR(factor=factor, total_iters=total):
            return lr_scheduler.ConstantLR(optimizer, factor, total)
        case specs.LinearLR(start_factor=start, end_factor=end, total_iters=total):
            return lr_scheduler.LinearLR(optimizer, start, end, total)
        case specs.PolynomialLR(total_iters=length, power=power):
            return lr_scheduler.PolynomialLR(optimizer, length or moves, power)
        case specs.LambdaLR(factor=factor):
            return lr_scheduler.LambdaLR(optimizer, lambda t: factor**t)
        case specs.MultiplicativeLR(factor=factor):
            return lr_scheduler.MultiplicativeLR(optimizer, lambda t: factor**t)
        case specs.StepLR(step_size=size, gamma=gamma):
            return lr_scheduler.StepLR(optimizer, size, gamma)
        case specs.MultiStepLR(milestones=milestones, gamma=gamma):
            return lr_scheduler.MultiStepLR(optimizer, milestones, gamma)
        case specs.ExponentialLR(gamma=gamma):
            return lr_scheduler.ExponentialLR(optimizer, gamma)
        case specs.CosineAnnealingLR(T_max=length, eta_min=floor):
            return lr_scheduler.CosineAnnealingLR(optimizer, length or moves, floor)
        case specs.CosineAnnealingWarmRestarts(T_0=first, T_mult=growth, eta_min=floor):
            return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, first, growth, floor)
        case specs.CyclicLR():
            return lr_scheduler.CyclicLR(optimizer, **schedule.model_dump(exclude={"name", "per"}))
        case specs.OneCycleLR():
            arguments = schedule.model_dump(exclude={"name", "per", "total_steps"})
            length = schedule.total_steps or moves
            return lr_scheduler.OneCycleLR(optimizer, total_steps=length, **arguments)
        case specs.SequentialLR(schedulers=parts, milestones=milestones):
            built = [build_scheduler(part, optimizer, moves) for part in parts]
            return lr_scheduler.SequentialLR(optimizer, built, list(milestones))
        case specs.ChainedScheduler(schedulers=parts):
            built = [build_scheduler(part, optimizer, moves) for part in parts]
            return lr_scheduler.ChainedScheduler(built, optimizer)
        case _:
            assert_never(schedule)


class Rates:
    """The learning rate and momentum of every step, put into an optimizer step by step.

    On a GPU the learning rates lie in a table there, and the optimizer reads from a tensor.
    """

    def __init__(
        self,
        named: Sequence[tuple[str, Parameter]],
        recipe: Recipe,
        steps: int,
        device: torch.device,
    ) -> None:
        self.table = schedule_table(recipe, steps)
        self._lr: Tensor | None = None
        if device.type == "cuda":
            self._lr = torch.tensor(recipe.optimizer.lr, device=device)
            self._on_device = torch.tensor(self.table.lr, device=device)
        self.optimizer = build_optimizer(named, recipe.optimizer, fused=True, lr=self._lr)

    def set(self, step: int, position: Tensor) -> None:
        """Set what a step needs, counted from 0; `position` is that, int64 [1] on the device."""
        momentum = self.table.momentum[step] if self.table.momentum else None
        if self._lr is None:
            set_rates(self.optimizer, self.table.lr[step], momentum)
            return
        self._lr.copy_(self._on_device.index_select(0, position).squeeze(0))
        set_rates(self.optimizer, None, momentum)

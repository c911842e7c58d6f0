"""How weights begin and are updated: initial weights, the optimizer, its wrappers, clipping."""

import math
from typing import Annotated, Literal

from pydantic import Field

from budgetnas.spec import Maybe, Spec

Rate = Annotated[float, Field(gt=0, le=1e6)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Decay = Annotated[float, Field(ge=0, le=1e6)]


class _Optimizer(Spec):
    lr: Rate
    """Learning rate: the peak that the schedule starts from or rises to."""

    weight_decay: Decay = 0.0
    """Weight decay; see `decay_norm_and_bias` for what it applies to."""

    decay_norm_and_bias: bool = False
    """Decay norms and biases too, as torch does by default and the papers' programs did."""


class SGD(_Optimizer):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"] = "sgd"
    momentum: Fraction = 0.9
    """Momentum, in [0, 1)."""
    nesterov: bool = True
    """Nesterov's form of the momentum."""


class Adam(_Optimizer):
    """Adam (Kingma and Ba, 2015); its weight decay is added to the gradient."""

    name: Literal["adam"] = "adam"
    momentum: Fraction = 0.9
    """Decay of the first moment (beta 1)."""
    beta2: Fraction = 0.999
    """Decay of the second moment."""


class AdamW(_Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    name: Literal["adamw"] = "adamw"
    momentum: Fraction = 0.9
    """Decay of the first moment (beta 1)."""
    beta2: Fraction = 0.999
    """Decay of the second moment."""


# add yours here, and a case in budgetnas.train._optim.build_optimizer
Optimizer = Annotated[SGD | Adam | AdamW, Field(discriminator="name")]


LookaheadSteps = Annotated[int, Field(ge=1, le=1_000_000)]
LookaheadShare = Annotated[float, Field(gt=0, le=1)]


class Lookahead(Spec):
    """Slow weights that follow the optimizer's fast ones (Zhang et al., 2019)."""

    k: LookaheadSteps = 5
    """Steps between two synchronisations."""

    alpha: LookaheadShare = 0.5
    """How far the slow weights move towards the fast ones."""

    evaluate: Literal["slow", "fast"] = "slow"
    """Which weights are evaluated and kept in the end. `slow`: the fast ones until the first
    synchronisation that mixes weights (k steps, in a run of at least k); the last step of the
    run also synchronises, so that the slow ones contain all of it. `fast`: always those, and
    nothing is synchronised but by `phase`."""

    phase: Literal["paper", "efficient-resnets"] = "paper"
    """`paper`: after steps k, 2k, ... from the initial weights. `efficient-resnets`: as that
    program did, after steps 1, k + 1, 2k + 1, ..., slow weights starting as the fast ones after
    the first step."""


class Average(Spec):
    """A running average of weights and norms' statistics (Polyak and Juditsky, 1992).

    It is evaluated and kept in their place, and forgets exponentially.
    """

    horizon: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Over which share of the run the average reaches back."""

    every: LookaheadSteps = 5
    """Steps between two of its updates; the last step of the run is also one."""


class SAM(Spec):
    """Sharpness-aware steps (Foret et al., 2021): by the gradient of the worst weights nearby.

    Each takes two passes, and so about twice as long.
    """

    adaptive: bool = False
    """Measure how near weights are in multiples of each weight (ASAM; Kwon et al., 2021)."""

    rho: Maybe[Rate] = None
    """How far "nearby" reaches; if absent, 0.05, adaptive 0.5."""

    last: Annotated[float, Field(gt=0, le=1)] = 0.125
    """Share of the run's steps, at its end, that are such steps."""


class ClipNorm(Spec):
    """Scale all gradients together so that their norm is at most `limit`."""

    name: Literal["norm"] = "norm"
    limit: Rate = 1.0
    """The largest 2-norm of all gradients together."""


class ClipValue(Spec):
    """Clamp every component of every gradient to [-limit, limit]."""

    name: Literal["value"] = "value"
    limit: Rate = 0.1
    """The largest absolute value of a component."""


Clip = Annotated[ClipNorm | ClipValue, Field(discriminator="name")]


class Default(Spec):
    """Torch's own, layer by layer."""

    name: Literal["default"] = "default"


class XavierUniform(Spec):
    """Uniform with a variance of gain**2 * 2 / (fan in + fan out) (Glorot and Bengio, 2010)."""

    name: Literal["xavier_uniform"] = "xavier_uniform"
    gain: Rate = math.sqrt(2)


class XavierNormal(Spec):
    """Normal with a variance of gain**2 * 2 / (fan in + fan out) (Glorot and Bengio, 2010)."""

    name: Literal["xavier_normal"] = "xavier_normal"
    gain: Rate = math.sqrt(2)


class KaimingNormal(Spec):
    """Normal with a variance of 2 / fan in (He et al., 2015)."""

    name: Literal["kaiming_normal"] = "kaiming_normal"


class Normal(Spec):
    """Normal with a fixed standard deviation."""

    name: Literal["normal"] = "normal"
    std: Rate = 0.02


class Orthogonal(Spec):
    """Orthogonal matrices (Saxe et al., 2014)."""

    name: Literal["orthogonal"] = "orthogonal"


# add yours here, and a case in budgetnas.train._optim.initialize
Init = Annotated[
    Default | XavierUniform | XavierNormal | KaimingNormal | Normal | Orthogonal,
    Field(discriminator="name"),
]

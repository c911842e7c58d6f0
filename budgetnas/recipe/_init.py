"""How weights begin: the six that the first paper compared."""

import math
from typing import Annotated, Literal

from pydantic import Field

from budgetnas.recipe._optimizer import Rate
from budgetnas.spec import Spec


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

"""What a network is and what it costs: descriptions, never modules. No torch in this room."""

from budgetnas.arch.arch import SE, Arch, layers
from budgetnas.arch.blocks import BLOCKS, Stage, Style, blocks_from, projection, register_block
from budgetnas.arch.count import (
    BITS,
    COST_NAMES,
    COSTS,
    Budget,
    Row,
    count_macs,
    count_params,
    layer_table,
)
from budgetnas.arch.find import find_arch, fit_arch
from budgetnas.arch.layers import Act, Conv, Norm, Residual
from budgetnas.arch.limits import (
    describe_costs,
    describe_limits,
    fits,
    load,
    other_limits,
    smaller_budgets,
)
from budgetnas.arch.presets import PRESETS

__all__ = [
    "BITS",
    "BLOCKS",
    "COSTS",
    "COST_NAMES",
    "PRESETS",
    "SE",
    "Act",
    "Arch",
    "Budget",
    "Conv",
    "Norm",
    "Residual",
    "Row",
    "Stage",
    "Style",
    "blocks_from",
    "count_macs",
    "count_params",
    "describe_costs",
    "describe_limits",
    "find_arch",
    "fit_arch",
    "fits",
    "layer_table",
    "layers",
    "load",
    "other_limits",
    "projection",
    "register_block",
    "smaller_budgets",
]

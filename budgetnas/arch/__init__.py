"""What a network is and what it costs: descriptions, never modules. No torch in this room."""

from budgetnas.arch.arch import SE, Arch, Stage, layers
from budgetnas.arch.blocks import BLOCKS
from budgetnas.arch.count import COSTS, Budget, Row, count_macs, count_params, layer_table
from budgetnas.arch.find import find_arch, fit_arch
from budgetnas.arch.presets import PRESETS

__all__ = [
    "BLOCKS",
    "COSTS",
    "PRESETS",
    "SE",
    "Arch",
    "Budget",
    "Row",
    "Stage",
    "count_macs",
    "count_params",
    "find_arch",
    "fit_arch",
    "layer_table",
    "layers",
]

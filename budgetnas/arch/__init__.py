"""What a network is and what it costs: descriptions, never modules. No torch in this room."""

from budgetnas.arch._arch import (
    MAX_STAGES,
    PRESETS,
    SE,
    Arch,
    BlockName,
    Norms,
    Probability,
    Reduction,
    find_arch,
    fit_arch,
    layers,
)
from budgetnas.arch._blocks import (
    BLOCKS,
    Depth,
    Kernel,
    Stage,
    Style,
    Width,
    blocks_from,
    odd,
    projection,
    register_block,
)
from budgetnas.arch._count import (
    BITS,
    COST_NAMES,
    COSTS,
    Budget,
    Row,
    count_macs,
    count_params,
    describe_costs,
    describe_limits,
    fits,
    layer_table,
    load,
    other_limits,
    smaller_budgets,
)
from budgetnas.arch._layers import (
    Act,
    Conv,
    Dropout,
    Layer,
    Linear,
    Norm,
    Pool,
    Residual,
    SqueezeExcite,
)

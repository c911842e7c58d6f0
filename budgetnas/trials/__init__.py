"""The loop that asks Optuna, enforces the budget, prunes and stores; samplers and pruners."""

from budgetnas.trials._drawing import (
    AT_ONCE,
    Counts,
    Limits,
    Shares,
    archs_at,
    loads,
    networks_of,
    with_widths,
)
from budgetnas.trials._loop import Loop, Stopped, crash_noted
from budgetnas.trials._proposers import published, require_usable
from budgetnas.trials._record import Record
from budgetnas.trials._samplers import PRUNERS, SAMPLERS, make_pruner

"""Executors that train trials: in this process or in a pool of processes; their number."""

from budgetnas.executors._executor import Executor, InProcessExecutor, process_pool
from budgetnas.executors._sizing import (
    Workers,
    WorkersChoice,
    choose_workers,
    devices_of,
    measure_workers,
)
from budgetnas.executors._trial import (
    Broke,
    CheckpointDamaged,
    Decision,
    EpochResult,
    Failed,
    ProcessExited,
    Suspended,
    TrialEvent,
    TrialHistory,
    TrialJob,
    TrialSettings,
    describe_training,
    forget_ended,
)

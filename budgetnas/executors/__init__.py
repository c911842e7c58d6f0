"""Who trains the trials: this process or a pool of processes, and how many of them."""

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

"""A retraining: its folder, its epochs, its test; `load_run` reads a finished one."""

from budgetnas.runs._run import (
    RESULT,
    Preprocess,
    RunConfig,
    RunResult,
    first_of,
    hold_out,
    load_again,
    load_images,
    load_run,
    member,
    new_folder,
    reseeded,
    runs_of,
    unfinished,
)
from budgetnas.runs._training import Retraining

"""The engine: training and measuring one model. It knows no study and prints nothing."""

from budgetnas.train._augment import Draws, augment, crop_padding
from budgetnas.train._checkpoint import (
    BackgroundCheckpoint,
    Checkpoints,
    epochs_done,
    read_tensors,
    write_tensors,
)
from budgetnas.train._compiled import worth_compiling
from budgetnas.train._device import (
    choose_device,
    cores,
    device_title,
    hardware,
    threads_title,
    use_device,
    use_threads,
)
from budgetnas.train._engine import Epoch, State, check_schedule, recipe_statistics, train
from budgetnas.train._evaluate import Evaluation, Evaluator, Normalizer, evaluate
from budgetnas.train._fit import Fit, TrainingData
from budgetnas.train._history import History, named
from budgetnas.train._init import initial_model
from budgetnas.train._memory import attempt, give_memory_back, memory_guard
from budgetnas.train._numerics import choose_numerics
from budgetnas.train._place import place
from budgetnas.train._process import unchanged_process
from budgetnas.train._schedule import schedule_table
from budgetnas.train._step import Steps, batch_bounds, check_finite

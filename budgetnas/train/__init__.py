"""The engine: training and measuring one model. It knows no study and prints nothing."""

from budgetnas.train._augment import Draws, augment, crop_padding
from budgetnas.train._checkpoint import (
    BackgroundCheckpoint,
    Checkpoints,
    epochs_done,
    read_tensors,
    write_tensors,
)
from budgetnas.train._device import (
    attempt,
    choose_device,
    cores,
    device_title,
    give_memory_back,
    hardware,
    memory_guard,
    place,
    unchanged_process,
    use_device,
    use_threads,
)
from budgetnas.train._engine import Epoch, State, check_schedule, recipe_statistics, train
from budgetnas.train._evaluate import Evaluation, Evaluator, Normalizer, evaluate
from budgetnas.train._fit import Fit, History, TrainingData, named
from budgetnas.train._numerics import choose_numerics, worth_compiling
from budgetnas.train._optim import initial_model, schedule_table
from budgetnas.train._step import Steps, batch_bounds, check_finite

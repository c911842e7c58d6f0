"""A search, a retraining and a report leave the process as they found it."""

import logging
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import plotly.io
import pytest
import torch

from budgetnas.report import write_report
from budgetnas.runs import load_run
from budgetnas.train import unchanged_process
from budgetnas.workflows.plan import plan
from budgetnas.workflows.retrain import retrain
from tests.trials.small import SMALL, run


def everything() -> dict[str, Any]:
    """What is the whole process's."""
    return {
        "Optuna's verbosity": optuna.logging.get_verbosity(),
        "torch's generator": torch.get_rng_state().tolist(),
        "Python's generator": random.getstate(),
        "numpy's generator": str(np.random.get_state()),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "cuDNN": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "TF32": (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32),
        "matmul precision": torch.get_float32_matmul_precision(),
        "dtype": torch.get_default_dtype(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "gradients": torch.is_grad_enabled(),
        "warnings": list(warnings.filters),
        "signals": {n: signal.getsignal(n) for n in (*signals(), signal.SIGALRM)},
        "hooks": (sys.excepthook, sys.unraisablehook),
        "log handlers": list(logging.root.handlers),
        "plotly's template": plotly.io.templates.default,
        "folder": os.getcwd(),  # noqa: PTH109
        "environment": {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
    }


def signals() -> tuple[signal.Signals, ...]:
    return signal.SIGINT, signal.SIGTERM


def work(name: str) -> dict[str, Callable[[], object]]:
    return {
        "plan": lambda: plan("12k", dataset="digits", space=SMALL, epochs=1),
        "search": lambda: run(2, study=name, epochs=2, pruner="halving"),
        "retrain": lambda: retrain(
            "best", study=name, recipe="short", epochs=1, out=f"{name}-run"
        ),
        "load": lambda: load_run(f"{name}-run"),
        "report": lambda: write_report(name),
    }


def test_all_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in work("first").values():  # libraries that are imported set what they like, once
        each()
    torch.set_num_threads(2)  # unlike the study's
    optuna.logging.set_verbosity(optuna.logging.DEBUG)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    try:
        for name, each in work("second").items():
            before = everything()
            each()
            after = everything()
            changed = [what for what in before if before[what] != after[what]]
            assert changed == [], name
    finally:
        torch.set_num_threads(1)
        optuna.logging.set_verbosity(optuna.logging.ERROR)


@unchanged_process()
def break_off() -> None:
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
    torch.set_num_threads(3)
    raise KeyboardInterrupt


def test_even_if_it_breaks() -> None:
    before = everything()
    with pytest.raises(KeyboardInterrupt):
        break_off()
    after = everything()
    assert [what for what in before if before[what] != after[what]] == []

"""Small retrainings on digits to test with, and what they say and leave."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from budgetnas.events import Event, Notice, RunEpochEnded
from budgetnas.runs import RunResult
from budgetnas.space import Space
from budgetnas.workflows.retrain import retrain

SMALL = Space.parse(
    {"arch": {"stages": 2, "width": [8, 16], "depth": 1}, "recipe": {"lr": [0.05, 0.1]}}, "test"
)


def preset(**options: Any) -> RunResult:
    return retrain("modified-resnet-small", dataset="digits", **{"epochs": 2, **options})


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def notices_of(action: Callable[..., RunResult], **options: Any) -> tuple[RunResult, list[str]]:
    notices: list[str] = []

    def watch(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)

    return action(**options, watch=watch), notices


def weights(folder: str | Path) -> dict[str, torch.Tensor]:
    return load_file(Path(folder) / "weights.safetensors")


def interrupted_after(epoch: int, **options: Any) -> None:
    def watch(event: Event) -> None:
        if isinstance(event, RunEpochEnded) and event.epoch == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        preset(**options, watch=watch)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))

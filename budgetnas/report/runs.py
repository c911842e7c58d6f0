"""Retrainings of a study: what its report lists, but never chooses by."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from budgetnas.analysis import Counts
from budgetnas.errors import InputError
from budgetnas.spec import parse_json, read_text


@dataclass(frozen=True)
class TestedRun:
    """What a report says of a finished retraining, from its result.json."""

    target: str
    """What was asked to be retrained."""
    params: int
    """Trainable parameters."""
    epochs: int
    """Epochs trained."""
    test_accuracy: float
    """Share right on the test part, in [0, 1]."""
    test_images: int
    """Size of the test part."""
    test_balanced_accuracy: float | None = None
    """Mean over classes of the share right on the test part, in [0, 1]."""
    largest_class: float | None = None
    """The share of the test images that the largest class has; None of equal classes."""
    trial: int | None = None
    """The study's trial it comes from."""
    test_selected: bool = False
    """Whether the test part was seen after every epoch, as some papers do."""
    select: str = "last"
    """Whose weights are tested: last, best-val or best-test."""
    last_test_accuracy: float | None = None
    """As `test_accuracy`, after the last epoch; None where its weights were never tested."""


def run_table(folder: Path) -> pd.DataFrame:
    """List the finished retrainings in a study's folder.

    Returns:
        A row a run, by name: `run`, and the fields of `TestedRun`.

    Raises:
        InputError: If a result can't be read.
    """
    paths = sorted(folder.glob("runs/*/result.json"))
    rows = [{"run": path.parent.name, **asdict(_read(path))} for path in paths]
    return pd.DataFrame(rows, columns=["run", *TestedRun.__dataclass_fields__])


def read_confusion(run: Path) -> Counts | None:
    """Read a run's test images [true class, predicted class]; None where that is not there.

    Raises:
        InputError: If it is damaged.
    """
    path = run / "confusion.csv"
    if not path.is_file():
        return None
    try:
        matrix: Counts = pd.read_csv(path, index_col=0).to_numpy().astype(np.int64)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: damaged: {str(error).splitlines()[0]}") from None
    if matrix.shape != (len(matrix), len(matrix)) or not matrix.sum():
        raise InputError(f"{path}: damaged: it must have a row and a column a class, and images")
    return matrix


def _read(path: Path) -> TestedRun:
    try:
        return TypeAdapter(TestedRun).validate_python(parse_json(read_text(path), str(path)))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise InputError(f"{path}: damaged: {where}: {problem['msg']}") from None

"""A small study to retrain from."""

import pytest

from budgetnas.workflows.search import search
from tests.runs.runs import SMALL


@pytest.fixture
def study() -> str:
    return search(
        "20k", trials=2, dataset="digits", epochs=1, space=SMALL, train_samples=300
    ).study

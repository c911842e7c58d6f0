"""Choosing the arithmetic: measured once, then remembered."""

import json
import os
from pathlib import Path

import pytest
import torch

from budgetnas.files import cache_folder
from budgetnas.recipe import Numerics
from budgetnas.train import _numerics as module
from budgetnas.train import choose_numerics
from budgetnas.train._numerics import cpu_candidates, measured_numerics

CPU = torch.device("cpu")


@pytest.fixture
def _nothing_is_known() -> None:
    (cache_folder() / "numerics.json").unlink(missing_ok=True)


@pytest.mark.usefixtures("_nothing_is_known")
def test_the_answer_is_one_of_the_candidates_and_stays() -> None:
    chosen = choose_numerics(CPU)
    assert chosen in cpu_candidates()
    assert not chosen.captured
    assert chosen.threads == torch.get_num_threads()
    kept = json.loads((cache_folder() / "numerics.json").read_text())
    assert [Numerics.model_validate(value) for value in kept.values()] == [chosen]
    assert choose_numerics(CPU) == chosen


@pytest.mark.usefixtures("_nothing_is_known")
def test_another_number_of_threads_is_measured_for_itself() -> None:
    one = choose_numerics(CPU)
    torch.set_num_threads(2)
    try:
        assert choose_numerics(CPU).threads == 2
    finally:
        torch.set_num_threads(1)
    assert choose_numerics(CPU) == one
    assert len(json.loads((cache_folder() / "numerics.json").read_text())) == 2


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"x": 1}', "\udcff", "[" * 10**5])
def test_a_damaged_file_is_measured_anew(damage: str) -> None:
    path = cache_folder() / "numerics.json"
    path.write_bytes(os.fsencode(damage))
    chosen = choose_numerics(CPU)
    assert chosen in cpu_candidates()
    assert chosen.model_dump(mode="json") in json.loads(path.read_text()).values()


@pytest.mark.usefixtures("_nothing_is_known")
def test_without_a_place_to_keep_it_it_is_measured_each_time() -> None:
    cache_folder().rename(Path("elsewhere"))
    cache_folder().parent.joinpath("budgetnas").write_text("in the way")
    assert choose_numerics(CPU) in cpu_candidates()


@pytest.mark.parametrize(
    ("seconds", "chosen"), [([1.0, 0.95, 2.0], 0), ([1.0, 0.5, 0.4], 2), ([1.0, 0.8, 0.9], 1)]
)
def test_only_what_is_clearly_faster_displaces_the_usual(
    seconds: list[float], chosen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the noise the answer must not depend on the noise."""
    monkeypatch.setattr(module, "_timed", lambda candidates: seconds)
    candidates = [Numerics(threads=n) for n in (1, 2, 3)]
    assert measured_numerics(candidates) == candidates[chosen]

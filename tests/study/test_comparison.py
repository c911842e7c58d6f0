"""What a comparison says, and keeps."""

from pathlib import Path
from typing import Any

import pytest

from budgetnas.errors import InputError
from budgetnas.study import Compared, Comparison, Luck, Part

ROW = Compared(
    network="winner", arch="basic [1] x (8)", recipe="full", params=900, macs=5_000, n=2,
    mean=0.9, margin=0.01, difference=0.0, noise=0.02, verdict="best", seconds=3.0, failures=0,
)  # fmt: skip
PART = Part(name="search", this="winner", other="best random", gain=0.03, noise=0.02, same=False)
LUCK = Luck(sd=0.01, df=4, trials=20, gain=0.0187)


def comparison(**fields: Any) -> Comparison:
    given = {
        "study": "made", "version": "0", "command": "budgetnas compare --study made",
        "finished": True, "winner": 7, "trials": 20, "random": 20, "seeds": 2, "epochs": 30,
        "recipe": "full", "notes": ("winner is trained as drawn by trial 7: lr 0.1",),
        "rows": (ROW,), "parts": (PART,), "luck": LUCK, **fields,
    }  # fmt: skip
    return Comparison(**given)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "search: +3.00 points (noise 2.00): winner less best random"),
        (
            {"gain": -0.01},
            "search: -1.00 points (noise 2.00, not distinguished from 0): winner less best",
        ),
        ({"gain": -0.02}, "search: -2.00 points (noise 2.00, not distinguished from 0)"),
        ({"gain": None, "noise": None}, "search: not known: winner less best random"),
        ({"same": True}, "search: nothing: winner and best random are the same training"),
    ],
)
def test_a_part_in_words(fields: dict[str, Any], says: str) -> None:
    assert PART.changed(**fields).words.startswith(says)


def test_luck_in_words() -> None:
    assert LUCK.words == (
        "luck: one seed's standard deviation is 1.00 points; picking the luckiest of 20 equal "
        "networks would gain 1.87 points"
    )
    unknown = LUCK.changed(sd=None, df=0, gain=None)
    assert unknown.words == "luck: not known: nothing was trained with two seeds"


def test_its_lines() -> None:
    made = comparison()
    assert made.lines == [PART.words, LUCK.words, *made.notes]
    begun = comparison(finished=False, rows=(), parts=(), luck=None, notes=())
    assert begun.lines == [
        "Comparison is not finished. To continue: budgetnas compare --study made"
    ]


def test_it_is_kept() -> None:
    folder = Path("studies/made")
    assert Comparison.read(folder) is None
    comparison().write(folder)
    assert Comparison.read(folder) == comparison()
    (folder / "comparison.json").write_text('{"study": 1}')
    with pytest.raises(InputError, match=r"comparison.json: study: must be text, got 1"):
        Comparison.read(folder)

"""What a measurement of fidelity recommends, says, and keeps."""

from pathlib import Path
from typing import Any

import pytest

from budgetnas.errors import InputError
from budgetnas.study import SEARCHES_BY, Estimate, Fidelity, Row

KNOWN = Estimate(value=0.02, low=0.0, high=0.05)


def tau(value: float | None, low: float | None = None) -> Estimate:
    return Estimate(value=value, low=low, high=None if low is None else 0.95)


def fidelity(taus: dict[int, Estimate], **fields: Any) -> Fidelity:
    """One by these taus of validation accuracy; by loss all would be perfect."""
    perfect = Estimate(value=1.0, low=0.9, high=1.0)
    rows = [
        Row(epochs=epochs, cost=epochs / 20, criterion=criterion, tau=found, regret=KNOWN)
        for epochs, by_accuracy in taus.items()
        for criterion, found in ((SEARCHES_BY, by_accuracy), ("validation loss", perfect))
    ]
    given = {
        "study": "made", "version": "0", "command": "budgetnas fidelity", "finished": True,
        "archs": 8, "n": 8, "params": (100, 900), "seeds": 1, "short": tuple(taus), "epochs": 20,
        "recipe": "full", "top": 3, "rows": tuple(rows), "recommended": None, **fields,
    }  # fmt: skip
    made = Fidelity(**given)
    return made.changed(recommended=made.choose())


@pytest.mark.parametrize(
    ("taus", "recommended"),
    [
        ({1: tau(0.2, 0.0), 3: tau(0.6, 0.4), 9: tau(0.7, 0.5)}, 3),
        ({1: tau(0.5, -0.2), 3: tau(0.6, 0.4), 9: tau(0.7, 0.5)}, 3),  # 1 may be chance
        ({1: tau(0.49, 0.4), 3: tau(0.4, 0.3), 9: tau(0.7, 0.5)}, 9),
        ({1: tau(0.7, 0.5), 3: tau(0.7, 0.6)}, 1),
        ({1: tau(0.9, 0.5), 3: tau(0.4, 0.1)}, 1),
        ({1: tau(None), 3: tau(0.6, 0.4)}, 3),
        ({1: tau(0.2, 0.1), 3: tau(0.4, 0.0)}, None),
        ({1: tau(-0.5, -0.9)}, None),
        ({1: tau(0.5)}, None),
        ({1: tau(None)}, None),
    ],
)
def test_the_fewest_epochs_that_are_not_below_the_bests_interval(
    taus: dict[int, Estimate], recommended: int | None
) -> None:
    assert fidelity(taus).recommended == recommended
    assert fidelity(taus, finished=False).recommended is None


def test_it_says_what_it_recommends_and_why() -> None:
    some = {1: tau(0.2, 0.0), 3: tau(0.6, 0.4), 9: tau(0.7, 0.5)}
    assert fidelity(some).advice == (
        "Recommended: trials of 3 epochs, 15.0% of a full training's: tau 0.60 (0.40 to 0.95), "
        "the best, 9 epochs, 0.70 (0.50 to 0.95), of 8 architectures."
    )
    assert fidelity({1: tau(0.7, 0.5)}).advice == (
        "Recommended: trials of 1 epoch, 5.0% of a full training's: tau 0.70 (0.50 to 0.95), "
        "of 8 architectures."
    )
    assert fidelity({1: tau(0.2, -0.1)}).advice == (
        "No trial length can be recommended: of 8 architectures, even after 1 epoch tau is "
        "0.20 (-0.10 to 0.95), which may be chance."
    )
    assert fidelity({1: tau(None)}).advice.endswith("were measured, by it all are equal.")
    assert fidelity({}, n=4, short=(1,)).advice == (
        "No trial length can be recommended: 4 of 8 architectures were measured, at least 5 are "
        "needed."
    )
    assert fidelity(some, finished=False, n=7).advice == (
        "Fidelity is measured for 7 of 8 architectures so far. budgetnas fidelity"
    )


def test_what_is_not_known_is_said_to_be() -> None:
    assert tau(None).words() == "not known"
    assert tau(0.5).words() == "0.50"
    assert KNOWN.words(100) == "2.00 (0.00 to 5.00)"


def test_it_is_kept_and_damage_is_noticed() -> None:
    folder = Path("made")
    assert Fidelity.read(folder) is None
    made = fidelity({1: tau(0.7, 0.5), 3: tau(None)})
    made.write(folder)
    assert Fidelity.read(folder) == made
    path = folder / "fidelity.json"
    path.write_text(path.read_text().replace('"n": 8', '"n": -8'))
    with pytest.raises(InputError, match=r"fidelity.json: n: must be greater than or equal"):
        Fidelity.read(folder)
    path.write_text("{")
    with pytest.raises(InputError, match=r"made/fidelity.json: not valid JSON"):
        Fidelity.read(folder)

"""The epoch whose weights a run keeps, by name; without torch, to be refused at once.

=========  ===========================  ============================  =======================
select     trains on                    keeps the weights of          the test part is opened
=========  ===========================  ============================  =======================
last       all training images          the last epoch                once, after all epochs
best-val   nine in ten of each class    the best epoch on the tenth   once, after all epochs
best-test  all training images          the best epoch on the test    before the first epoch
=========  ===========================  ============================  =======================

Where the data has a validation part of its own, best-val holds that out instead of the tenth, and
the others train on it, too.

The best epoch is the one of the highest accuracy, or balanced accuracy (--metric); of several, the
one of the lowest loss, then the earliest. `best-test` is what some papers do. What it finds is
*test-selected*, and so is every result whose curves on the test part were seen: an upper bound,
labelled so wherever it is shown.
"""

from typing import Literal, TypeAlias

Part: TypeAlias = Literal["val", "test"]
"""What is evaluated after every epoch."""

# add yours here
SELECTIONS: dict[str, Part | None] = {"last": None, "best-val": "val", "best-test": "test"}
"""On which part epochs are compared; None where they are not."""

UPPER_BOUND = (
    "test-selected: the test set is looked at after every epoch; what is chosen by that is "
    "an upper bound, not an estimate, of the accuracy on new images"
)


def selection_problem(select: str, test_curves: bool) -> str | None:
    """Return what is wrong with these options, if anything is."""
    if select not in SELECTIONS:
        return f"--select: unknown selection {select!r}, known: {', '.join(SELECTIONS)}"
    if test_curves and SELECTIONS[select] == "val":
        return (
            "--test-curves looks at the test set after every epoch, so it needs --select last "
            f"or best-test, got {select}"
        )
    return None


def evaluated_part(select: str, test_curves: bool) -> Part | None:
    """Return what is evaluated after every epoch, if anything is."""
    return "test" if test_curves else SELECTIONS[select]

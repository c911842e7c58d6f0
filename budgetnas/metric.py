"""What a training measures, by which number networks are compared, and what guessing reaches."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

from budgetnas.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Metric: TypeAlias = Literal["accuracy", "balanced"]

DEFAULT_METRIC: Metric = "accuracy"

UNEQUAL = 0.05
"""Classes are unequal where guessing the largest is right so much more often than guessing any."""


@dataclass(frozen=True)
class Meaning:
    """What a metric is called."""

    attribute: str
    """The attribute of a trial that has it, and a column of its curves."""
    title: str
    """For people."""


# add yours here
METRICS: dict[Metric, Meaning] = {
    # the share of the images that is right
    "accuracy": Meaning("val_accuracy", "validation accuracy"),
    # the mean over classes of the share that is right: each counts alike, however few its images
    "balanced": Meaning("val_balanced_accuracy", "balanced validation accuracy"),
}


def attribute_of(metric: Metric) -> str:
    """Name the attribute of a trial that has a metric."""
    return METRICS[metric].attribute


def title_of(metric: Metric) -> str:
    """Name a metric for people."""
    return METRICS[metric].title


def as_metric(name: str | None) -> Metric | None:
    """Look up a metric by its name.

    Raises:
        InputError: With the names that are known.
    """
    if name is None:
        return None
    for known in METRICS:
        if name == known:
            return known
    raise InputError(f"--metric: unknown metric {name!r}, known: {', '.join(METRICS)}")


def majority_share(counts: Sequence[int]) -> float:
    """Return the share of the largest class: what is right if nothing else is ever guessed.

    Args:
        counts: Images of each class.
    """
    return max(counts) / sum(counts)


def unequal_share(counts: Sequence[int]) -> float | None:
    """Return the largest class's share where classes are unequal, so that it should be known.

    Args:
        counts: Images of each class.
    """
    share = majority_share(counts)
    return share if share - 1 / len(counts) >= UNEQUAL else None


def beside_accuracy(share: float | None, metric: Metric = "accuracy") -> str:
    """Say beside an accuracy what guessing the largest class reaches, where classes are unequal.

    Args:
        share: From `unequal_share`.
        metric: What is beside it: by `balanced` guessing reaches no more of unequal classes.
    """
    return f" (largest class: {share:.2%})" if share and metric == "accuracy" else ""


def largest_notices(part: str, share: float | None, advice: Sequence[str]) -> list[str]:
    """Say when work begins that classes are unequal; nothing of equal ones.

    Args:
        part: Of which images: validation.
        share: From `unequal_share`.
        advice: What would count classes alike, and is not used.
    """
    if share is None:
        return []
    alike = f": to count classes alike, {' and '.join(advice)}" if advice else ""
    return [
        f"the largest class is {share:.2%} of the {part} images, the accuracy of guessing nothing "
        f"else{alike}"
    ]


WEIGHTED = 'class_weights = "balanced" in the recipe'
"""What weights the loss by class."""


CURVES = (
    "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_balanced_accuracy",
)  # fmt: skip
"""What is kept of every epoch, in the attribute `curves`."""
CORRECT = "right"
"""The attribute with the validation images that were classified correctly."""


class Measurements(TypedDict, total=False):
    """What a training measured, as it is stored: fractions are in [0, 1]."""

    val_accuracy: float
    val_balanced_accuracy: float
    val_loss: float
    epochs: int
    selected_epoch: int
    """The epoch that the three are of, from 1."""
    curves: dict[str, list[float]]
    """Each epoch's, under the names in `CURVES`."""
    right: str
    """Which validation images were correct, from `pack`."""
    confusion: list[list[int]]
    """Validation images [true class, predicted class]."""


def pack(correct: "NDArray[np.bool_]") -> str:
    """Write one bit an image as base64: by class, in each in the order of validation images."""
    import numpy as np  # the command line needs none of it

    return base64.b64encode(np.packbits(correct).tobytes()).decode("ascii")


def unpack(text: object, images: int) -> "NDArray[np.bool_] | None":
    """Read what `pack` wrote: [images]; None if it is nothing of that kind or length.

    It only makes a comparison sharper: without it, or if it is damaged, a wider bound holds.
    """
    import numpy as np

    if not isinstance(text, str):
        return None
    try:
        bits = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except (binascii.Error, ValueError):
        return None
    if len(bits) != (images + 7) // 8:
        return None
    return np.unpackbits(bits, count=images).astype(bool)


Part: TypeAlias = Literal["val", "test"]
"""What is evaluated after every epoch."""

# add yours here
SELECTIONS: dict[str, Part | None] = {"last": None, "best-val": "val", "best-test": "test"}
"""The epoch whose weights a run keeps: on which part epochs are compared; None where they are not.

=========  ===========================  ============================  =======================
select     trains on                    keeps the weights of          the test part is opened
=========  ===========================  ============================  =======================
last       all training images          the last epoch                once, after all epochs
best-val   nine in ten of each class    the best epoch on the tenth   once, after all epochs
best-test  all training images          the best epoch on the test    before the first epoch
=========  ===========================  ============================  =======================

Where the data has a validation part of its own, best-val holds that out instead of the tenth, and
the others train on it as well.

The best epoch is the one of the highest accuracy, or balanced accuracy (--metric); of several, the
one of the lowest loss, then the earliest. `best-test` is what some papers do. What it finds is
*test-selected*, and so is every result whose curves on the test part were seen: an upper bound,
labelled so wherever it is shown.
"""

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

"""What a training measures, by which number networks are compared, and what guessing reaches."""

import base64
import binascii
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import (
    TYPE_CHECKING,
    Annotated,
    Literal,
    TypeAlias,
    TypedDict,
)

from pydantic import AfterValidator

from budgetnas.errors import InputError
from budgetnas.plugins import Registry, called

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Confusion: TypeAlias = NDArray[np.int64]
    """Images [true class, predicted class]."""

Objective: TypeAlias = "Callable[[Confusion], float]"
"""From images [true class, predicted class] to a number in [0, 1], larger where more are right."""

UNEQUAL = 0.05
"""Classes are unequal where the largest exceeds an equal share by this much."""


@dataclass(frozen=True)
class Meaning:
    """Names of a metric."""

    attribute: str
    """The attribute of a trial that has it, and a column of its curves."""
    title: str
    """For people."""
    measure: Objective
    """What it is."""


def _accuracy(confusion: "Confusion") -> float:
    """Return the share of the images that is right."""
    return float(confusion.trace() / confusion.sum())


def _balanced(confusion: "Confusion") -> float:
    """Return the mean over classes of the share that is right, however few images one has."""
    images = confusion.sum(axis=1)
    return float((confusion.diagonal()[images > 0] / images[images > 0]).mean())


# add yours here
METRICS: dict[str, Meaning] = {
    "accuracy": Meaning("val_accuracy", "validation accuracy", _accuracy),
    "balanced": Meaning("val_balanced_accuracy", "balanced validation accuracy", _balanced),
}


def _add(name: str, function: Objective) -> None:
    """Add an objective that is in [0, 1], and larger for better predictions."""
    import numpy as np

    examples = ([[0, 4], [4, 0]], [[4, 0], [4, 0]], [[4, 0], [0, 4]])  # wrong, of one class, right
    wrong, _, right = (_valid(name, function, np.array(example)) for example in examples)
    if f"val_{name}" in CURVES:
        raise InputError(f"metric {name!r} is measured already: another name is needed")
    if wrong >= right:
        raise InputError(f"metric {name!r}: that all is right must be more, got {right}")
    METRICS[name] = Meaning(f"val_{name}", f"validation {name}", function)


def _valid(name: str, function: Objective, confusion: "Confusion") -> float:
    given = called(f"metric {name!r}", function, confusion)
    try:
        value = float(given)  # type: ignore[arg-type]  # as it may be
    except (TypeError, ValueError):
        value = math.nan
    if not 0 <= value <= 1:
        raise InputError(
            f"metric {name!r} must return a number in [0, 1], got {given} for the images "
            f"[true class, predicted class] {confusion.tolist()}"
        )
    return value


_REGISTERED = Registry("metric", METRICS, _add)
register_objective = _REGISTERED.register
known_metric, metrics_from = _REGISTERED.require, _REGISTERED.modules
Metric: TypeAlias = Annotated[str, AfterValidator(known_metric)]

DEFAULT_METRIC = "accuracy"


def measure(metric: Metric, confusion: "Confusion") -> float:
    """Measure a metric.

    Raises:
        InputError: If it is not in [0, 1].
    """
    return _valid(metric, METRICS[known_metric(metric)].measure, confusion)


BUILT_IN = tuple(METRICS)
"""The metrics that every training measures."""


DRAWS = 200
"""Samples from which the chance in a registered metric is estimated."""


def _sampled(metric: Metric, counts: Sequence[int], shares: "NDArray[np.float64]") -> list[float]:
    """Measure samples of predictions, always the same ones.

    Args:
        metric: What is measured.
        counts: Images of each class.
        shares: How likely each class is predicted, [true class, predicted class].
    """
    import numpy as np

    rng = np.random.default_rng(0)
    rows = [rng.multinomial(n, share, DRAWS) for n, share in zip(counts, shares, strict=True)]
    return [measure(metric, each) for each in np.stack(rows, axis=1)]


@cache
def _spread(metric: Metric, confusion: tuple[tuple[int, ...], ...]) -> float:
    import numpy as np

    counts = np.array(confusion)
    images = counts.sum(axis=1)
    # one image more a class, spread evenly: none right of a few is no certainty
    shares = (counts + 1 / len(counts)) / (images[:, None] + 1)
    return float(np.std(_sampled(metric, images.tolist(), shares), ddof=1))


def spread_of(metric: Metric, confusion: Sequence[Sequence[int]] | None) -> float | None:
    """Return how far a measured value would differ on other images, a standard deviation.

    Of the package's own metrics, means over images, that follows from which were correct: None.

    Args:
        metric: What was measured.
        confusion: Images [true class, predicted class], from which others are drawn.

    Raises:
        InputError: If the counts are not known.
    """
    if metric in BUILT_IN:
        return None
    if confusion is None:
        raise InputError(f"the confusion of a trial must be known to compare it by {metric}")
    return _spread(metric, tuple(map(tuple, confusion)))


def guessed(metric: Metric, counts: Sequence[int]) -> tuple[float, float, float]:
    """Return what guesses reach of a registered metric: the best single class, mean and deviation.

    Args:
        metric: What is measured.
        counts: Images of each class.
    """
    import numpy as np

    n = len(counts)
    always = max(measure(metric, np.outer(counts, row)) for row in np.eye(n, dtype=int))
    values = _sampled(metric, counts, np.full((n, n), 1 / n))
    return always, float(np.mean(values)), float(np.std(values, ddof=1))


def attribute_of(metric: Metric) -> str:
    """Name the attribute of a trial that has a metric."""
    return METRICS[known_metric(metric)].attribute


def title_of(metric: Metric) -> str:
    """Name a metric for people."""
    return METRICS[known_metric(metric)].title


def as_metric(name: str | None) -> Metric | None:
    """Look up a metric by its name.

    Raises:
        InputError: With the names that are known.
    """
    try:
        return None if name is None else known_metric(name)
    except ValueError as error:
        raise InputError(f"--metric: {error}") from None


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
    """Return what guessing the largest class reaches, to stand beside an accuracy.

    Args:
        share: From `unequal_share`.
        metric: What is beside it: by `balanced` guessing reaches no more of unequal classes.
    """
    return f" (largest class: {share:.2%})" if share and metric == "accuracy" else ""


def largest_notices(part: str, share: float | None, advice: Sequence[str]) -> list[str]:
    """Return a notice that classes are unequal; nothing of equal ones.

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
"""The recipe's field that weights the loss by class."""


CURVES = (
    "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_balanced_accuracy",
)  # fmt: skip
"""Measurements of every epoch, in the attribute `curves`."""
CORRECT = "right"
"""The attribute with the validation images that were classified correctly."""


class Measurements(TypedDict, total=False):
    """Measurements of a training, as they are stored: fractions are in [0, 1]."""

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
"""The part that is evaluated after every epoch."""

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

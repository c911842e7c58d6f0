"""The error tree.

::

    BudgetnasError            everything this package raises on purpose
    ├── InputError            what the user gave can't be: exit status 2
    ├── TrialFailed           one training ended for a known reason; a study goes on
    │   ├── Diverged          the loss is NaN or infinite
    │   └── OutOfMemory       the device or the host has no memory for this batch
    └── SearchFailed          the search itself can't go on: exit status 1

A message states the rule and shows the value, on one line.
"""


class BudgetnasError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 1


class InputError(BudgetnasError):
    """What the user gave (an option, a file, a folder) can't be."""

    exit_code = 2


class TrialFailed(BudgetnasError):
    """One training ended for a known reason; the study it belongs to goes on."""


class Diverged(TrialFailed):
    """The training loss became NaN or infinite."""


class OutOfMemory(TrialFailed):
    """The device or the host has no memory for this network at this batch size."""


class SearchFailed(BudgetnasError):
    """The search can't go on, although nothing is wrong with what the user asked."""

"""The error tree.

::

    BudgetnasError            everything this package raises on purpose
    ├── InputError            invalid input: exit status 2
    ├── TrialFailed           one training failed for a known reason; the study continues
    │   ├── Diverged          the loss is NaN or infinite
    │   └── OutOfMemory       the device or the host has no memory for this batch
    ├── RunStopped            a callback ended a retraining, which can be resumed
    └── SearchFailed          the search itself cannot continue: exit status 1

A message states the rule and shows the value, on one line, and no password of a storage's URL.
"""

import re

HIDDEN = "***"
"""The placeholder of a password that is not shown."""

_NAMES = "pass|pwd|secret|token|key|credential|odbc_connect"


class BudgetnasError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 1


class InputError(BudgetnasError):
    """An option, a file or a folder of the user is invalid."""

    exit_code = 2


class TrialFailed(BudgetnasError):
    """One training failed for a known reason; its study continues."""


class Diverged(TrialFailed):
    """The training loss became NaN or infinite."""


class OutOfMemory(TrialFailed):
    """The device or the host has no memory for this network at this batch size."""


class RunStopped(BudgetnasError):
    """A callback ended a retraining; every finished epoch is kept, and it can be resumed."""


class SearchFailed(BudgetnasError):
    """The search cannot continue, although the input is valid."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def is_secret(name: str) -> bool:
    """Return whether an option in a URL's query holds a password, by its name."""
    return re.search(_NAMES, name, re.IGNORECASE) is not None


def without_passwords(text: str) -> str:
    """Hide the passwords of all URLs in a text, whether they are valid or not."""
    text = re.sub(r"(://[^/:@\s]*):\S*@", rf"\1:{HIDDEN}@", text)
    option = rf"([?&][^=&\s]*(?:{_NAMES})[^=&\s]*)=[^&\s]*"
    return re.sub(option, rf"\1={HIDDEN}", text, flags=re.IGNORECASE)

"""How many workers may be asked for; known without torch, which takes seconds to import."""

import re
from typing import Literal, TypeAlias

from budgetnas.errors import InputError

AskedWorkers: TypeAlias = int | Literal["auto"]
"""How many trials are to be trained at once; auto: as many as are fastest."""

MOST_WORKERS = 64


def check_workers(asked: int | str) -> AskedWorkers:
    """Read how many workers are asked for.

    Raises:
        InputError: If it is neither `auto` nor a number of them.
    """
    if asked == "auto":
        return "auto"
    number = int(asked) if re.fullmatch("[0-9]{1,4}", str(asked)) else 0
    if not 1 <= number <= MOST_WORKERS:
        raise InputError(
            f"--workers must be auto or a whole number from 1 to {MOST_WORKERS}, got {asked!r}"
        )
    return number

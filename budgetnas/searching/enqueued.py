"""Values that somebody enqueued for a trial (`study.enqueue_trial`), checked as they are drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

from budgetnas.errors import BudgetnasError
from budgetnas.space import Suggester


class EnqueuedWrongly(BudgetnasError):
    """A trial can't have the values that were enqueued for it."""


class CheckedValues:
    """A suggester that refuses enqueued values which could not have been drawn.

    Optuna takes a number that is out of range, and takes no notice of a name that nobody draws.
    """

    def __init__(self, suggester: Suggester, enqueued: Mapping[str, Any]) -> None:
        """Check as values are drawn.

        Args:
            suggester: What draws, the enqueued values among others.
            enqueued: The values by name.
        """
        self._suggester, self._enqueued = suggester, enqueued
        self._drawn: list[str] = []

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Draw a whole number."""
        value = self._value(name, low)
        whole = isinstance(value, int) and not isinstance(value, bool)
        self._require(
            name,
            whole and low <= value <= high and (value - low) % step == 0,
            f"a whole number from {low} to {high}" + (f" in steps of {step}" if step > 1 else ""),
        )
        return self._suggester.suggest_int(name, low, high, step=step, log=log)

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Draw a number."""
        value = self._value(name, low)
        number = isinstance(value, int | float) and low <= value <= high
        self._require(name, number, f"a number from {low:g} to {high:g}")
        return self._suggester.suggest_float(name, low, high, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of the choices."""
        known = self._value(name, choices[0]) in choices
        self._require(name, known, f"one of {', '.join(map(str, choices))}")
        return self._suggester.suggest_categorical(name, choices)

    def require_all_drawn(self) -> None:
        """Raise for a name that was not drawn.

        Raises:
            EnqueuedWrongly: With the names that were.
        """
        for name, value in self._enqueued.items():
            if name not in self._drawn:
                raise EnqueuedWrongly(
                    f"enqueued value {name}={value!r}: unknown name, drawn: "
                    f"{', '.join(self._drawn)}"
                )

    def _value(self, name: str, default: object) -> Any:
        self._drawn.append(name)
        return self._enqueued.get(name, default)

    def _require(self, name: str, possible: bool, rule: str) -> None:
        if not possible:
            raise EnqueuedWrongly(
                f"enqueued value {name} must be {rule}, got {self._enqueued[name]!r}"
            )

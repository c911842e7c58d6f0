"""Domains, what a field of a space may be, and how a value is drawn from one."""

import random
from collections.abc import Sequence
from typing import Annotated, Any, Protocol, Self, TypeVar

from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from budgetnas.spec import Maybe, Spec

T = TypeVar("T")


class Range(Spec):
    """Numbers from low to high, whole ones where both are whole."""

    low: int | float
    """The smallest value."""

    high: int | float
    """The largest value; it is reached."""

    step: Maybe[int] = None
    """Distance of neighbouring whole numbers; 1 if absent."""

    log: bool = False
    """Draw evenly on the logarithmic scale: as many from 8 to 16 as from 256 to 512."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low <= high must hold, got low={self.low}, high={self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range needs low > 0, got low={self.low}")
        if self.step is None:
            return self
        if self.step <= 0:
            raise ValueError(f"step > 0 must hold, got step={self.step}")
        if not (isinstance(self.low, int) and isinstance(self.high, int)):
            raise ValueError(f"only ranges of whole numbers have a step, got step={self.step}")
        if (self.high - self.low) % self.step or (self.log and self.low % self.step):
            raise ValueError(
                f"steps must lead from low to high (and in a log range from 0 to low), "
                f"got low={self.low}, high={self.high}, step={self.step}"
            )
        return self

    def whole_values(self) -> range:
        """List the values of a range of whole numbers."""
        return range(int(self.low), int(self.high) + 1, self.step or 1)


class Domains(Spec):
    """A spec whose fields are domains, all of which may be absent."""

    @model_validator(mode="before")
    @classmethod
    def _ends_are_values(cls, data: Any) -> Any:
        """Hold both ends of a range to what the field allows of a single value."""
        if not isinstance(data, dict):
            return data
        return {
            name: _checked_range(cls, name, value) if name in cls.model_fields else value
            for name, value in data.items()
        }


def _checked_range(owner: type[Domains], name: str, value: Any) -> Any:
    table = value.model_dump() if isinstance(value, Range) else value
    if not (isinstance(table, dict) and {"low", "high"} <= table.keys()):
        return value
    ends = {}
    for end in ("low", "high"):
        if isinstance(table[end], dict | list | tuple):
            return value  # no value at all; `Range` says so
        try:
            ends[end] = getattr(owner.model_validate({name: table[end]}), name)
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            reason = message.replace("Input should be", "must be")
            raise ValueError(f"{name}.{end}: {reason}, got {table[end]!r}") from None
    return table | ends


def _kind(value: object) -> str:
    if isinstance(value, list | tuple):
        return "choices"
    return "range" if isinstance(value, dict | Range) else "value"


_Choices = Annotated[tuple[T, ...], Field(min_length=1), Tag("choices")]
Domain = Annotated[Annotated[T, Tag("value")] | _Choices[T], Discriminator(_kind)]
Numbers = Annotated[
    Annotated[T, Tag("value")] | _Choices[T] | Annotated[Range, Tag("range")],
    Discriminator(_kind),
]


class Suggester(Protocol):
    """What draws values: an Optuna trial, or `RandomSuggester`."""

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Draw a whole number from low to high."""
        ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Draw a number from low to high."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of the choices."""
        ...


class RandomSuggester:
    """Draws at random, as Optuna's random sampler would, without a study."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Draw a whole number."""
        if not log:
            return self._random.randrange(low, high + 1, step)
        value = self.suggest_float(name, low - 0.5, high + 0.5, log=True)
        return min(max(round(value), low), high)

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Draw a number."""
        if not log:
            return self._random.uniform(low, high)
        return float(low * (high / low) ** self._random.random())

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of the choices."""
        return self._random.choice(choices)


def draw(trial: Suggester, name: str, domain: Any) -> Any:
    """Draw from a domain; a fixed value asks nobody."""
    match domain:
        case Range(low=int(low), high=int(high), step=step, log=True) if step and step > 1:
            # Optuna has no logarithmic ranges with steps: it draws the multiple.
            return step * trial.suggest_int(f"{name}/{step}", low // step, high // step, log=True)
        case Range(low=int(low), high=int(high), step=step, log=log):
            return trial.suggest_int(name, low, high, step=step or 1, log=log)
        case Range(low=low, high=high, log=log):
            return trial.suggest_float(name, low, high, log=log)
        case (only,):
            return only
        case tuple():
            return trial.suggest_categorical(name, domain)
        case _:
            return domain


def values(domain: Any) -> Sequence[Any]:
    """List the values of a domain of names or whole numbers."""
    match domain:
        case Range():
            return domain.whole_values()
        case tuple():
            return domain
        case _:
            return (domain,)

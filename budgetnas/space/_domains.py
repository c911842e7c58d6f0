"""Domains, what a field of a space may be, and how a value is drawn from one."""

import math
import random
from collections.abc import Sequence
from typing import Annotated, Any, Generic, Protocol, Self, TypeVar

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from budgetnas.spec import Maybe, Spec, shorten

T = TypeVar("T")
R = TypeVar("R")
N = TypeVar("N", bound=int | float)


class Range(Spec, Generic[N]):
    """Numbers from low to high, whole ones where both are whole.

    Both ends are held to what the field allows of a single value.
    """

    low: N
    """The smallest value."""

    high: N
    """The largest value; it is reached."""

    step: Maybe[int] = None
    """Distance of neighbouring whole numbers; 1 if absent."""

    log: bool = False
    """Draw evenly on the logarithmic scale: as many from 8 to 16 as from 256 to 512."""

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Name a range of widths a range."""
        return "Range"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low > self.high:  # type: ignore[operator]  # int and float compare
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


def _kind(value: object) -> str:
    if isinstance(value, list | tuple):
        return "choices"
    return "range" if isinstance(value, dict | Range) else "value"


def _different(choices: tuple[T, ...]) -> tuple[T, ...]:
    """Raise if a choice is repeated: it would be drawn twice as often."""
    seen = set()
    for choice in choices:
        if choice in seen:
            raise ValueError(f"choices must differ, got {shorten(choice)} twice")
        seen.add(choice)
    return choices


_Choices = Annotated[
    tuple[T, ...], Field(min_length=1), AfterValidator(_different), Tag("choices")
]
Domain = Annotated[Annotated[T, Tag("value")] | _Choices[T], Discriminator(_kind)]
Numbers = Annotated[
    Annotated[T, Tag("value")] | _Choices[T] | Annotated[R, Tag("range")], Discriminator(_kind)
]
"""Numbers[T, Range[T]]: Python can't put the T of an alias into a class."""


class Suggester(Protocol):
    """What draws values: an Optuna trial, or `RandomSuggester`."""

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int: ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...


class RandomSuggester:
    """Draws at random, as Optuna's random sampler would, without a study."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        if not log:
            return self._random.randrange(low, high + 1, step)
        value = self.suggest_float(name, low - 0.5, high + 0.5, log=True)
        return min(max(round(value), low), high)

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        if not log:
            return self._random.uniform(low, high)
        # the ends may be so far apart that high / low is infinite
        value = math.exp(self._random.uniform(math.log(low), math.log(high)))
        return min(max(value, low), high)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._random.choice(choices)


def draw(trial: Suggester, name: str, domain: Any) -> Any:
    """Draw from a domain; a fixed value is not drawn."""
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


def contains(domain: Any, value: Any) -> bool:
    if isinstance(domain, Range) and not isinstance(domain.low, int):
        return bool(domain.low <= value <= domain.high)
    return value in values(domain)


def values(domain: Any) -> Sequence[Any]:
    """List the values of a domain of names or whole numbers; a range costs nothing."""
    match domain:
        case Range():
            return domain.whole_values()
        case tuple():
            return domain
        case _:
            return (domain,)


def least(domain: Any) -> int:
    return int(domain.low if isinstance(domain, Range) else min(values(domain)))


def greatest(domain: Any) -> int:
    return int(domain.high if isinstance(domain, Range) else max(values(domain)))


def undivided(domain: Any, divisor: int, remainder: int = 0) -> list[int]:
    """List values that leave another remainder; empty if and only if there are none."""
    listed = values(domain)
    if isinstance(listed, range):
        listed = listed[:2]  # equal steps: what holds for the first two holds for all
    return [value for value in listed if value % divisor != remainder]


def least_common(one: Any, other: Any) -> list[int]:
    """Find the smallest value that is in both domains, if any is."""
    fewer, more = sorted((values(one), values(other)), key=len)
    known = more if isinstance(more, range) else set(more)
    return sorted(value for value in fewer if value in known)[:1]

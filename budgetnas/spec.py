"""What every description shares: frozen, valid from birth, and clear about what is wrong."""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, get_args

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from budgetnas.errors import InputError

T = TypeVar("T")


class Spec(BaseModel):
    """A frozen description that can't exist in an invalid state."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        validate_default=True,
    )

    @classmethod
    def parse(cls, data: object, source: str) -> Self:
        """Validate plain data (parsed JSON or TOML).

        Args:
            source: Where the data came from (a path, usually), for the message.

        Raises:
            InputError: On one line, every problem with its key, what is known where a key or a
                name is not, and the value that was given.
        """
        try:
            return cls.model_validate(data)
        except RecursionError:
            raise InputError(f"{source}: nested too deeply") from None
        except ValidationError as error:
            problems = "; ".join(_describe(cls, problem) for problem in _causes(error))
            raise InputError(f"{source}: {problems}") from None

    def changed(self, **fields: Any) -> Self:
        """Return a validated copy with some fields replaced."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**(values | fields))

    def to_toml(self) -> str:
        """Write as TOML; ``None``, which TOML lacks, becomes ``"none"``."""
        return tomli_w.dumps(_spell_none(self.model_dump(mode="json")))


def _none_word(value: object) -> object:
    return None if value == "none" else value


Maybe = Annotated[T | None, BeforeValidator(_none_word)]
"""An optional field which TOML files, having no null, set to "none"."""


def _spell_none(value: Any) -> Any:
    match value:
        case None:
            return "none"
        case dict():
            return {key: _spell_none(entry) for key, entry in value.items()}
        case list():
            return [_spell_none(entry) for entry in value]
        case _:
            return value


def overlay(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Lay a file's keys over a base; a table keeps the base's other keys.

    But a table that says another `name` is another member of its union, and replaces it whole.
    """
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            same = value.get("name", old.get("name")) == old.get("name")
            merged[key] = overlay(old, value) if same else value
        else:
            merged[key] = value
    return merged


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; what is wrong with it is an `InputError` that names it."""
    try:
        return tomllib.loads(read_text(path))
    except (ValueError, RecursionError) as error:  # a huge number is a ValueError, too
        raise InputError(f"{path}: not valid TOML: {error}") from None


def parse_json(text: str, source: str) -> Any:
    """Parse JSON text; what is wrong with it is an `InputError` that names its source."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # a huge number is a ValueError, too
        raise InputError(f"{source}: not valid JSON: {error}") from None


def read_text(path: Path) -> str:
    """Read a text file; what is wrong with it is an `InputError` that names it."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file: {error.reason}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{path}: can't be read: {reason}") from None


def _causes(error: ValidationError) -> list[Any]:
    """Leave out that a list is too short where that only follows from a bad entry in it."""
    problems = error.errors()
    places = [problem["loc"] for problem in problems]
    return [
        problem
        for problem in problems
        if problem["type"] != "too_short"
        or not any(
            len(p) > len(problem["loc"]) and p[: len(problem["loc"])] == problem["loc"]
            for p in places
        )
    ]


def _describe(model: type[Spec], problem: Any) -> str:
    """Turn one pydantic problem into `key: rule, got value`."""
    key = ".".join(str(part) for part in problem["loc"])
    prefix = f"{key}: " if key else ""
    given = _shorten(problem["input"])
    match problem["type"]:
        case "extra_forbidden":
            known = ", ".join(_known_keys(model, problem["loc"][:-1]))
            return f"{prefix}unknown key, known: {known}"
        case "missing":
            return f"{prefix}required, but absent"
        case "value_error":
            return f"{prefix}{problem['ctx']['error']}"
        case "union_tag_invalid":
            tags = problem["ctx"]["expected_tags"].replace("'", "")
            return f"{prefix}unknown name {problem['ctx']['tag']!r}, known: {tags}"
        case "union_tag_not_found":
            return f"{prefix}a table with a `name` is needed, got {given}"
        case "literal_error":
            return f"{prefix}must be {problem['ctx']['expected']}, got {given}"
        case "model_type" | "dict_type":
            return f"{prefix}must be a table of keys, got {given}"
        case _:
            rule = problem["msg"].replace("Input should be", "must be")
            return f"{prefix}{rule[:1].lower()}{rule[1:]}, got {given}"


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _known_keys(model: type[Spec], location: tuple[int | str, ...]) -> list[str]:
    """List the keys that exist where an unknown one was found."""
    here = [model]
    for part in location:
        fields = [spec.model_fields[part] for spec in here if part in spec.model_fields]
        if fields:
            here = [spec for field in fields for spec in _specs_in(field.annotation)]
        elif isinstance(part, str):
            here = [spec for spec in here if _name_of(spec) == part] or here
    return sorted({key for spec in here for key in spec.model_fields})


def _specs_in(annotation: Any) -> list[type[Spec]]:
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return [annotation]
    return [spec for inner in get_args(annotation) for spec in _specs_in(inner)]


def _name_of(spec: type[Spec]) -> object:
    """The tag of a member of a discriminated union: the one value its `name` may have."""
    field = spec.model_fields.get("name")
    return field.default if field else spec.__name__

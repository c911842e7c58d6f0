"""`Spec`, the base of descriptions: frozen, valid from birth, with errors that name the key."""

import json
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar, Self, TypeVar, get_args

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from budgetnas.errors import InputError

T = TypeVar("T")

MAX_BYTES = 2**24
"""More than any description needs; /dev/zero has more."""

MAX_BITS = 10_000
"""More than any number needs, less than the 4,300 digits that Python refuses to write."""

MOST_PROBLEMS = 20
"""Problems of one file that a message lists."""


class Spec(BaseModel):
    """A frozen description that can't exist in an invalid state."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
    )

    more_keys: ClassVar[tuple[str, ...]] = ()
    """Keys that the reader of a file removes first, such as `base`."""

    @classmethod
    def parse(cls, data: object, source: str) -> Self:
        """Validate plain data (parsed JSON or TOML), strictly: "16", 16.0 and true are no 16.

        Args:
            source: Where the data came from (a path, usually), for the message.

        Raises:
            InputError: On one line, every problem with its key, what is known where a key or a
                name is not, and the value that was given.
        """
        try:
            return cls.model_validate(_with_tuples(data), strict=True)
        except OverflowError as error:
            raise InputError(f"{printable(source)}: {error}") from None
        except RecursionError:
            raise InputError(f"{printable(source)}: nested too deeply") from None
        except ValidationError as error:
            raise InputError(f"{printable(source)}: {_problems(cls, error, data)}") from None

    def changed(self, **fields: Any) -> Self:
        """Return a validated copy with some fields replaced.

        Raises:
            InputError: If a value can't be.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        try:
            return type(self)(**(values | fields))
        except ValidationError as error:
            raise InputError(_problems(type(self), error, fields)) from None

    def to_toml(self) -> str:
        """Write as TOML; ``None``, which TOML lacks, becomes ``"none"``."""
        return tomli_w.dumps(_spell_none(self.model_dump(mode="json")))


def annotation_of(field: FieldInfo) -> Any:
    """Return the type of a field of a spec, with its rules."""
    annotation: Any = field.annotation
    for rule in field.metadata:
        annotation = Annotated[annotation, rule]
    return annotation


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
    except RecursionError:
        raise InputError(f"{printable(path)}: nested too deeply") from None
    except ValueError as error:  # also raised for a huge number
        raise InputError(f"{printable(path)}: not valid TOML: {error}") from None


def parse_json(text: str, source: str) -> Any:
    """Parse JSON text; what is wrong with it is an `InputError` that names its source."""
    try:
        return json.loads(text, object_pairs_hook=_no_key_twice)
    except RecursionError:
        raise InputError(f"{printable(source)}: nested too deeply") from None
    except ValueError as error:  # also raised for a huge number
        raise InputError(f"{printable(source)}: not valid JSON: {error}") from None


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raise for a repeated key, whose value JSON leaves undefined."""
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"the key {shorten(key)} is there twice")
        table[key] = value
    return table


def read_text(path: Path) -> str:
    """Read a text file; what is wrong with it is an `InputError` that names it."""
    try:
        with path.open("rb") as file:
            return decoded(file, str(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{printable(path)}: can't be read: {reason}") from None


def decoded(file: BinaryIO, source: str) -> str:
    """Read all of a file's text.

    Raises:
        InputError: If it is no text, or there is no end to it.
    """
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(f"{printable(source)}: must have at most {MAX_BYTES:,} bytes, has more")
    try:
        return content.decode("utf-8-sig")  # Windows' editors begin a file with a mark
    except UnicodeDecodeError as error:
        raise InputError(f"{printable(source)}: not a text file: {error.reason}") from None


def all_of(problems: list[str], source: str) -> str:
    """Put the complaints about several parts of one file on one line, each once."""
    start = f"{source}: "
    listed = list(dict.fromkeys(problem.removeprefix(start) for problem in problems))
    more = len(listed) - MOST_PROBLEMS
    shown = listed[:MOST_PROBLEMS] + [f"and {more:,} more"] * (more > 0)
    return start + "; ".join(shown)


def printable(text: str | os.PathLike[str]) -> str:
    """Return a name as it is if it can be printed on a line, else quoted."""
    name = os.fspath(text)
    return name if name.isprintable() else repr(name)


def shorten(value: object) -> str:
    """Show a value that may be anything, in at most 60 characters."""
    try:
        text = repr(_with_lists(value))
    except RecursionError:
        return "something nested too deeply"
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _with_tuples(value: Any, place: tuple[int | str, ...] = ()) -> Any:
    """Freeze the lists of plain data: strictly, a list is no tuple.

    Raises:
        OverflowError: If a number is longer than Python writes.
    """
    match value:
        case dict():
            return {key: _with_tuples(entry, (*place, key)) for key, entry in value.items()}
        case list():
            return tuple(_with_tuples(entry, (*place, n)) for n, entry in enumerate(value))
        case int() if value.bit_length() > MAX_BITS:
            raise OverflowError(f"{_dotted(place)}: must have at most {MAX_BITS:,} bits, has more")
        case _:
            return value


def _with_lists(value: Any) -> Any:
    """Undo `_with_tuples`, to show what the user wrote."""
    match value:
        case dict():
            return {key: _with_lists(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_with_lists(entry) for entry in value]
        case _:
            return value


def _problems(model: type[Spec], error: ValidationError, data: object) -> str:
    """Put every problem on one line."""
    causes = _causes(error)
    listed = [_describe(model, problem, data) for problem in causes[:MOST_PROBLEMS]]
    more = len(causes) - len(listed)
    return "; ".join([*listed, *([f"and {more:,} more"] if more else [])])


def _causes(error: ValidationError) -> list[Any]:
    """Leave out that a list is too short where that only follows from a bad entry in it."""
    problems = error.errors(include_url=False)
    above = {problem["loc"][:n] for problem in problems for n in range(len(problem["loc"]))}
    return [p for p in problems if p["type"] != "too_short" or p["loc"] not in above]


RULES = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text",
    "string_unicode": "must be valid text",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "model_type": "must be a table of keys",
    "model_attributes_type": "must be a table of keys",
    "dict_type": "must be a table of keys",
    "recursion_loop": "must not be nested so deeply",
}


def _describe(model: type[Spec], problem: Any, data: object) -> str:
    """Turn one pydantic problem into `key: rule, got value`."""
    key = _key(problem["loc"], data, absent=problem["type"] == "missing")
    rule = rule_of(model, problem).removeprefix(f"{key.rpartition('.')[2]}: ")
    return f"{key}: {rule}" if key else rule


def rule_of(model: type[Spec], problem: Any) -> str:
    """Turn one pydantic problem into `rule, got value`."""
    given = shorten(problem["input"])
    match problem["type"]:
        case "extra_forbidden":
            known = ", ".join(_known_keys(model, problem["loc"][:-1]))
            return f"unknown key, known: {known}"
        case "missing":
            return "required, but absent"
        case "value_error":
            return str(problem["ctx"]["error"])
        case "union_tag_invalid":
            names = ", ".join(str(_name_of(spec)) for spec in _specs_at(model, problem["loc"]))
            return f"unknown name {shorten(problem['input'].get('name'))}, known: {names}"
        case "union_tag_not_found":
            return f"a table with a `name` is needed, got {given}"
        case "literal_error":
            return f"must be {problem['ctx']['expected']}, got {given}"
        case "too_short":
            return f"at least {problem['ctx']['min_length']} needed, got {given}"
        case "too_long":
            return f"at most {problem['ctx']['max_length']} allowed, got {given}"
        case known if known in RULES:
            return f"{RULES[known]}, got {given}"
        case _:
            rule = problem["msg"].replace("Input should be", "must be")
            return f"{rule[:1].lower()}{rule[1:]}, got {given}"


def _key(location: tuple[int | str, ...], data: Any, *, absent: bool) -> str:
    """Write a place as the user would: without the names of the alternatives that were tried."""
    parts = []
    for part in location[:-1] if absent else location:
        here = data
        if isinstance(data, list | tuple) and isinstance(part, int) and part < len(data):
            here = data[part]
        elif isinstance(data, dict):
            here = data.get(part, data.get(str(part), data))
        if here is not data:
            parts.append(part)
        data = here
    return _dotted((*parts, *location[-1:] * absent))


def _dotted(place: tuple[int | str, ...]) -> str:
    words = (printable(str(part)) for part in place)
    return ".".join(word if len(word) <= 60 else shorten(word) for word in words)


def _known_keys(model: type[Spec], location: tuple[int | str, ...]) -> list[str]:
    """List the keys that exist where an unknown one was found."""
    return sorted(
        {
            key
            for spec in _specs_at(model, location)
            for key in (*spec.model_fields, *spec.more_keys)
        }
    )


def _specs_at(model: type[Spec], location: tuple[int | str, ...]) -> list[type[Spec]]:
    """List the specs that may be at a place."""
    here = [model]
    for part in location:
        fields = [spec.model_fields[part] for spec in here if part in spec.model_fields]
        if fields:
            here = [spec for field in fields for spec in _specs_in(field.annotation)]
        elif isinstance(part, str):
            here = [spec for spec in here if _name_of(spec) == part] or here
    return here


def _specs_in(annotation: Any) -> list[type[Spec]]:
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return [annotation]
    return [spec for inner in get_args(annotation) for spec in _specs_in(inner)]


def _name_of(spec: type[Spec]) -> object:
    """The tag of a member of a discriminated union: the one value its `name` may have."""
    field = spec.model_fields.get("name")
    return field.default if field else spec.__name__

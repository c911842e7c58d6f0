"""Plugins: modules that register blocks and objectives, and the tables that they add to.

A study names its plugins in study.toml with a digest of their source. Whatever reads the study
imports them first, worker processes too, and nothing is trained with other code than it began
with. Installed packages need no plugin: entry points, `budgetnas.blocks` say, are found by name.
"""

import hashlib
import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Generic, TypeVar, overload

from pydantic import BeforeValidator, Field, model_validator

from budgetnas.errors import BudgetnasError, InputError
from budgetnas.spec import Spec

F = TypeVar("F")
G = TypeVar("G")

NO_ENTRY_POINTS = "BUDGETNAS_NO_ENTRY_POINTS"
"""The environment variable that switches entry points off."""


class Plugin(Spec):
    """A module that registers something when it is imported; its name alone describes it."""

    name: str
    """An importable module, or the path of a .py file, from the working directory."""
    digest: str
    """Digest of the source of the module, or of the whole package."""

    @model_validator(mode="before")
    @classmethod
    def _is_imported(cls, given: Any) -> Any:
        name = given.get("name") if isinstance(given, dict) else given
        if not isinstance(name, str):
            return given
        try:
            digest = load(name)
        except InputError as error:
            raise ValueError(str(error)) from None
        return {"name": name, "digest": digest} if given is name else given

    def __str__(self) -> str:
        return self.name


_loaded: dict[str, str] = {}
"""Digests by the module's name, which of a file is its absolute path."""


def load(name: str) -> str:
    """Import a plugin, once in a process; return the digest of its source.

    Raises:
        InputError: If there is none of this name, or it can't be imported.
    """
    if (module := _module_name(name)) not in _loaded:
        try:
            _loaded[module] = _digest(_import(module))
        except InputError:
            raise
        except (Exception, SystemExit) as error:
            reason = _reason(error, module)
            raise InputError(f"plugin {name!r} can't be imported: {reason}") from error
    return _loaded[module]


def loaded() -> list[str]:
    """Return what was loaded in this process, for others to load."""
    return list(_loaded)


def _module_name(name: str) -> str:
    return os.path.abspath(name) if name.endswith(".py") else name  # noqa: PTH100  # links stay


def _import(name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    if not name.endswith(".py"):
        if re.fullmatch(r"\w+(\.\w+)*", name) is None or importlib.util.find_spec(name) is None:
            rule = "a plugin is an importable module or the path of a .py file"
            raise InputError(f"{rule}, got {name!r}")
        return importlib.import_module(name)
    if not Path(name).is_file():
        raise InputError(f"no plugin {name}; a path is relative to the working directory")
    spec = importlib.util.spec_from_file_location(name, name)
    assert spec, "it is a .py file"
    assert spec.loader, "it is a .py file"
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def called(what: str, function: Callable[..., object], *arguments: object) -> object:
    """Call a function that is registered; `what` names it.

    Raises:
        InputError: If it raises, with the line of its file.
    """
    try:
        return function(*arguments)
    except BudgetnasError:
        raise
    except (Exception, SystemExit) as error:
        code = getattr(function, "__code__", None)
        raise InputError(f"{what}: {_reason(error, getattr(code, 'co_filename', ''))}") from error


def _reason(error: BaseException, file: str) -> str:
    """Return what an exception says, and in which line of a file it was raised or passed."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    where = f" ({file}, line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {error}{where}"


def _digest(module: ModuleType) -> str:
    if getattr(module, "__file__", None) is None:
        raise InputError(f"a plugin needs a source file, {module.__name__!r} has none")
    file = Path(str(module.__file__))
    digest = hashlib.sha256()
    for path in sorted(file.parent.rglob("*.py")) if hasattr(module, "__path__") else [file]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _listed(names: Any) -> Any:
    return names.split(",") if isinstance(names, str) else names


# a description has them first, since fields are validated in their order: others use what
# plugins register
Plugins = Annotated[
    tuple[Plugin, ...],
    BeforeValidator(_listed),
    Field(exclude_if=lambda plugins: not plugins),
]
"""Plugins, or their names, in a list or separated by commas."""


def changes(plugins: Iterable[Plugin]) -> Mapping[str, tuple[object, object]]:
    """Return the digest of each plugin's source as it was recorded, and as it is."""
    return {f"the code of plugin {p}": (p.digest, load(p.name)) for p in plugins}


class Registry(Generic[F]):
    """Functions that users register under names, beside the package's own."""

    def __init__(self, kind: str, own: Iterable[str], add: Callable[[str, F], None]) -> None:
        """Begin with none.

        Args:
            kind: What they are: `block`; `budgetnas.blocks` is then their group of entry points.
            own: The names that can't be registered.
            add: Checks a function, and adds it to the table where it is looked up.
        """
        self._kind, self._own, self._add = kind, tuple(own), add
        self._functions: dict[str, F] = {}
        self._modules: dict[str, str] = {}

    @overload
    def register(self, name: str, function: G) -> G: ...
    @overload
    def register(self, name: str) -> Callable[[G], G]: ...
    def register(self, name: str, function: Any = None) -> Any:
        """Add a function under a name, by a call or as a decorator: `@register_block("mine")`.

        Name the module that does so as a plugin, so that workers and the command line know it,
        too. The same function again changes nothing.

        Args:
            name: What archs, spaces and options call it.
            function: A block: from w_in, w_out, stride and `budgetnas.arch.Style` to a
                `budgetnas.arch.Residual`; widths may be arrays, int64 [n]. An objective: from
                counts of the validation images, int64 [true class, predicted class], to a number
                in [0, 1], larger for better predictions.

        Raises:
            InputError: If the name is taken, or the function is none of that kind.
        """
        what = f"{self._kind} {name!r}"
        # of a decorator without parentheses the name is the function
        if not isinstance(name, str) or re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", name) is None:
            raise InputError(
                f"the name of a {self._kind} must be of a-z, 0-9, _ and -, got {name!r}"
            )
        if function is None:
            return lambda function: self.register(name, function)
        if not callable(function):
            raise InputError(f"{what} must be a function, got {function!r}")
        if name in self._own:
            raise InputError(f"{what} is budgetnas's own and can't be replaced")
        if name in self._functions and _code(function) != _code(self._functions[name]):
            raise InputError(
                f"{what} is registered already, by {self._modules[name]}: another name is needed"
            )
        self._add(name, function)
        self._functions[name], self._modules[name] = function, function.__module__
        return function

    def require(self, name: str) -> str:
        """Look a name up, among entry points too; return it.

        Raises:
            ValueError: If it is unknown, with what is known.
        """
        if name not in self._own and name not in self._functions:
            found = {each.name: each for each in self._entry_points()}
            if name not in found:
                known = ", ".join(dict.fromkeys([*self._own, *self._functions, *found]))
                raise ValueError(f"unknown {self._kind} {name!r}, known: {known}")
            try:
                load(found[name].module)
                self.register(name, found[name].load())
            except (InputError, AttributeError) as error:
                raise ValueError(f"entry point {found[name].value!r}: {error}") from None
            self._modules[name] = found[name].module
        return name

    def _entry_points(self) -> Sequence[EntryPoint]:
        if os.environ.get(NO_ENTRY_POINTS):
            return ()
        return tuple(entry_points(group=f"budgetnas.{self._kind}s"))

    def modules(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield what is registered of some names, in words, and the module that it is from."""
        for name in names:
            if name in self._modules:
                yield f"{self._kind} {name!r}", self._modules[name]


def _code(function: Any) -> object:
    """Return what two functions have in common that are one, imported twice."""
    if not hasattr(function, "__code__"):
        return function
    cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    return function.__code__, function.__defaults__, cells


def needed(
    asked: tuple[Plugin, ...], used: Iterable[tuple[str, str]]
) -> tuple[tuple[Plugin, ...], list[str]]:
    """Return the plugins of a study, and what it uses that no other process would know.

    Args:
        asked: Plugins that were asked for.
        used: What is used, and the module that it is from, as `Registry.modules` yields them.
    """
    found, alone = {_module_name(plugin.name): plugin for plugin in asked}, []
    for what, module in used:
        for name, digest in _loaded.items():
            if module == name or module.startswith(f"{name}."):
                found.setdefault(name, Plugin(name=name, digest=digest))
                break
        else:
            alone.append(what)
    return tuple(found.values()), alone

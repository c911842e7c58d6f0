"""A command is made from its options: each field becomes an option of typer's, or an argument."""

from collections.abc import Callable, Iterator
from functools import wraps
from inspect import Parameter, Signature
from typing import Annotated, Any, TypeVar, get_args

import typer

from budgetnas.study.options import Options, Shown

F = TypeVar("F", bound=Callable[..., None])


class Output(Options):
    """What is printed."""

    panel = "Output"

    as_json: Annotated[bool, Shown(flags=("--json",))] = False
    """Print one JSON object on stdout, all else on stderr."""


class LongOutput(Output):
    """What is printed by a command that takes long."""

    quiet: Annotated[bool, Shown(flags=("--quiet",))] = False
    """Show no progress."""
    verbose: Annotated[bool, Shown(flags=("--verbose",))] = False
    """Show every epoch, and every draw that is not trained."""


def command(*kinds: type[Options]) -> Callable[[F], Callable[..., None]]:
    """Make a command from a function of what is asked, and of what is printed if it prints.

    Whatever is typed is validated once, by the options.
    """

    def decorated(function: F) -> Callable[..., None]:
        @wraps(function)
        def typed(context: typer.Context, **given: Any) -> None:
            asked = {name: text for name, text in given.items() if was_given(context, name)}
            function(*(k.of(**{n: asked[n] for n in k.panels() if n in asked}) for k in kinds))

        parameters = [Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context)]
        parameters += [each for kind in kinds for each in _typer_parameters(kind)]
        typed.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        return typed

    return decorated


def was_given(context: typer.Context, name: str) -> bool:
    """Return whether a parameter was typed, rather than left to its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _typer_parameters(options: type[Options]) -> Iterator[Parameter]:
    """Yield a parameter a field: a flag, or text that the options validate."""
    for name, panel in options.panels().items():
        field, shown = options.model_fields[name], options.shown(name)
        flag = bool in (field.annotation, *get_args(field.annotation))
        default = field.default if isinstance(field.default, bool | str | int) else None
        about: dict[str, Any] = {
            "help": options.help(name),
            "rich_help_panel": panel,
            "metavar": shown.metavar,
            "show_default": default is not None and not flag,
        }
        flags = options.flags(name)
        yield Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=... if field.is_required() else default,
            annotation=Annotated[
                bool | None if flag else str | None,
                typer.Argument(**about) if shown.argument else typer.Option(*flags, **about),
            ],
        )

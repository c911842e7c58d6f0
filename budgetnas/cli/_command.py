"""What commands share: they are made from their options, and print tables and progress.

Each field of the options becomes an option of typer's, or an argument.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from inspect import Parameter, Signature
from typing import Annotated, Any, TypeVar, get_args

import typer

from budgetnas.cli import signals
from budgetnas.metric import Metric, beside_accuracy, title_of
from budgetnas.spec import Spec
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


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on stdout; a heading that begins with > is of a right-aligned column."""
    cells = [[heading.lstrip(">") for heading in headings], *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    sides = [">" if heading.startswith(">") else "<" for heading in headings]
    lines = (
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        )
        for row in cells
    )
    typer.echo("\n".join(line.rstrip() for line in lines))


def heading_of(metric: Metric, largest_class: float | None) -> str:
    """Head the column of a metric on validation images, with the largest class's share."""
    name = title_of(metric).replace("validation ", "")
    return f">{name}{beside_accuracy(largest_class, metric)}"


def spread(share: float | None) -> str:
    """Write half an interval in points, after what it is around."""
    return "" if share is None else f" ± {100 * share:.2f}"


def run_shown(
    verb: Callable[..., Any], options: Options, output: LongOutput, show: Callable[[Any], None]
) -> None:
    """Show a search, or trainings like those of one; then print its result."""
    from budgetnas.progress import SearchProgress

    watch = SearchProgress(quiet=output.quiet, verbose=output.verbose)
    with signals.ending(watch):
        result = verb(options, watch=watch)
    if not output.as_json:
        show(result)
    elif isinstance(result, Spec):
        typer.echo(result.model_dump_json())
    else:
        typer.echo(json.dumps(result.as_json()))

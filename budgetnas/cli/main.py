"""The program: its commands, and what happens to errors."""

import contextlib
import errno
import io
import os
import sys
from typing import Annotated, Any

import typer

from budgetnas.cli import signals
from budgetnas.cli._bench import bench
from budgetnas.cli._compared import compare, fidelity, finalists
from budgetnas.cli._count import count, presets
from budgetnas.cli._retrain import retrain
from budgetnas.cli._search import plan, run, search
from budgetnas.cli._study import best, dashboard, report
from budgetnas.errors import BudgetnasError, without_passwords

app = typer.Typer(
    name="budgetnas",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

# add yours here
COMMANDS = (
    search, retrain, run, report, plan, best, finalists, compare, fidelity, bench, count,
    presets, dashboard,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)
app.command("calibrate", hidden=True)(fidelity)  # its name until 0.6


@app.callback(invoke_without_command=True)
def budgetnas(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Neural architecture search under a parameter budget.

    Finds the most accurate image classifier that fits a budget of parameters, retrains it in full,
    and tests it once. Start with `budgetnas search --budget 5e6`, continue with
    `budgetnas retrain best`, and look at the trials in `budgetnas dashboard`. A budget counts
    trainable parameters and reads 5e6, 5M, 500k or 5_000_000.
    """
    if version:
        import budgetnas as package

        typer.echo(package.__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: list[str] | None = None) -> int:
    """Run the program; return its exit status.

    0: done. 1: something broke. 2: invalid input, explained on one line. 130: interrupted.
    """
    # what is printed waits for its end: then no failure to print looks like a failure to work
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        status = _run(sys.argv[1:] if arguments is None else arguments)
    return _print(printed.getvalue()) or status


def _run(arguments: list[str]) -> int:
    try:
        return int(app(args=arguments, prog_name="budgetnas", standalone_mode=False) or 0)
    except BudgetnasError as error:
        return _complain(str(error), error.exit_code)
    except SystemExit as ended:  # of the shell's completion
        return int(ended.code or 0)
    except (KeyboardInterrupt, typer.Abort):
        return _complain("interrupted", 130)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}", 2 if _is_a_path(error) else 1)
    except MemoryError as error:
        return _complain(f"out of memory{f': {error}' if str(error) else ''}", 1)
    except Exception as error:
        if not hasattr(error, "format_message"):  # not one of typer's usage errors
            raise
        return _complain(_usage_message(error), 2)


def _print(text: str) -> int:
    try:
        if sys.stdout and text:
            encoding = sys.stdout.encoding
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
            sys.stdout.flush()
        return 0
    except OSError as error:
        # or Python would try once more while it ends, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 1  # the reader has closed the pipe
        return _complain(f"stdout: {error.strerror or error}", 1)


def _is_a_path(error: OSError) -> bool:
    """Return whether the system rejected a path of the user, rather than broke."""
    kinds = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError)
    numbers = (errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS)
    return isinstance(error, (*kinds, PermissionError)) or error.errno in numbers


def _complain(message: str, status: int) -> int:
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(message.split()))
    signals.say(f"budgetnas: {without_passwords(line)}")
    return status


def _usage_message(error: Any) -> str:
    """Put a usage error on one line, with what is known where a name is not."""
    message = str(error.format_message())
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    if type(error).__name__ == "NoSuchOption":
        options = [name for parameter in context.command.params for name in parameter.opts]
        known = ", ".join(name for name in options if name.startswith("--"))
        return f"{context.info_name}: {_and(message)} known: {known}"
    if message.startswith("No such command"):
        return f"{_and(message)} known: {', '.join(_listed(context))}"
    where = f"{context.info_name}: " if context.parent else ""
    return where + message.rstrip(".")


def _listed(context: Any) -> list[str]:
    """Return the names of the commands that the help lists."""
    return [name for name, each in context.command.commands.items() if not each.hidden]


def _and(message: str) -> str:
    """End a sentence so that another can follow it."""
    return message if message.endswith("?") else f"{message.rstrip('.')};"

"""Write the reference of commands from their help, or check it.

    python .ci/reference.py [--check]

With --check nothing is written; the exit status is 1 if the committed page differs.
"""

import sys
from pathlib import Path
from typing import Any

import typer.main

from budgetnas.cli.main import app

PAGE = Path(__file__).parents[1] / "budgetnas" / "cli" / "REFERENCE.md"
HEAD = """# Commands

Generated from each command's `--help` by `make reference`. `python -m budgetnas` is the same
program.

`--json` prints one JSON object on stdout; progress and log always go to stderr. Exit status: 0
done; 1 something broke; 2 invalid input, explained on one line of stderr; 130 interrupted, with
the command that continues.
"""


def page() -> str:
    """Return the whole reference."""
    group: Any = typer.main.get_command(app)
    shown = {name: command for name, command in group.commands.items() if not command.hidden}
    rows = [f"| [`{name}`](#{name}) | {cell(first(c.help))} |" for name, c in shown.items()]
    sections = [section(name, command) for name, command in shown.items()]
    return "\n".join([HEAD, "| command | does |", "|---|---|", *rows, "", *sections])


def section(name: str, command: Any) -> str:
    """Return a command's heading, usage, help and options."""
    context = command.context_class(command)
    usage = " ".join(["budgetnas", name, *command.collect_usage_pieces(context)])
    records = (parameter.get_help_record(context) for parameter in command.params)
    rows = [f"| `{cell(names)}` | {cell(text)} |" for names, text in filter(None, records)]
    table = ["| option | |", "|---|---|", *rows]
    return "\n".join([f"## {name}\n\n    {usage}\n\n{command.help}\n", *table, ""])


def first(text: str) -> str:
    """Return the first line of a help."""
    return text.partition("\n")[0]


def cell(text: str) -> str:
    """Return a text on one line, as a cell of a table holds it."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def main() -> int:
    """Write the page, or compare it with the committed one."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
    elif not PAGE.exists() or PAGE.read_text() != page():
        sys.stderr.write(f"{PAGE.name} differs from the commands' help. Run: make reference\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

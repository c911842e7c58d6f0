"""``budgetnas dashboard``: the Optuna dashboard on a study."""

from typing import Annotated

import typer

from budgetnas.cli import signals
from budgetnas.cli.options import StorageOption, StudyOption


def dashboard(
    study: StudyOption = None,
    storage: StorageOption = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Port; 0 for any free one.")
    ] = 8080,
) -> None:
    """Open the Optuna dashboard on a study.

    It listens on 127.0.0.1 only. It has no password, and anybody on this machine can change or
    delete the study through it. Requests from other web pages are rejected.
    """
    from budgetnas.study import find_study

    find_study(study)  # the rest takes a second to import
    from budgetnas.dashboard import serve

    signals.end_on_the_spot("Dashboard ended.")
    serve(study, storage, port, lambda text: typer.echo(text, err=True))

"""``budgetnas dashboard``: the Optuna dashboard on a study."""

from typing import Annotated

import typer

from budgetnas.cli import signals
from budgetnas.cli.options import StorageOption, StudyOption


def dashboard(
    study: StudyOption = None,
    storage: StorageOption = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Port; 0 for any that is free.")
    ] = 8080,
) -> None:
    """Open the Optuna dashboard on a study.

    It listens on 127.0.0.1 only, has no password and whoever reaches it may change or delete
    the study: it is for the person
    at this machine. Requests that other web pages might send are refused.
    """
    from budgetnas.study.place import find_study

    find_study(study)  # the rest takes a second to import
    from budgetnas.dashboard import serve

    signals.end_on_the_spot("Dashboard ended.")
    serve(study, storage, port, lambda text: typer.echo(text, err=True))

"""``budgetnas report``: a study's answer, as one page."""

import gc
import json
from pathlib import Path
from typing import Annotated

import typer

from budgetnas.cli.options import JsonOption, StorageOption, path


def report(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY",
            help="A study's name or folder, studies/NAME; of a study file, its newest study.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            parser=path,
            metavar="FILE",
            help="The page; report.html in the study's folder unless given.",
        ),
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a study's report: one HTML page that needs no network.

    It answers the study's question with its figures, table, n, noise, hardware and command; for a
    running study, with the results so far. Example: `budgetnas report studies/digits-100k`
    """
    gc.disable()  # looking for garbage takes a quarter of the time, and there is little
    try:
        _report(study, out, storage, as_json)
    finally:
        gc.enable()


def _report(study: str, out: Path | None, storage: str | None, as_json: bool) -> None:
    from budgetnas.report.answer import answer_lines
    from budgetnas.report.page import find_report, write_page
    from budgetnas.report.read import Report

    name = _name_of(study)
    found = find_report(name, storage)
    _say_which(found.name, name)
    written = write_page(found, out)
    if as_json:
        typer.echo(json.dumps(found.as_json() | {"report": str(written)}))
        return
    for line in answer_lines(found) if isinstance(found, Report) else found.answer_lines():
        typer.echo(line)
    typer.echo(f"Report: {written}")


def _say_which(found: str, asked: str) -> None:
    """Name the study that was taken, where there was a choice."""
    from budgetnas.study import known_studies

    if found != asked and (many := len(known_studies(below=asked))) > 1:
        typer.echo(f"study {found} (the newest of {many})", err=True)


def _name_of(study: str) -> str:
    """Turn a study's folder, or the file in it, into its name; anything else is a name."""
    from budgetnas.study import STUDIES, config_path, study_name

    given = Path(study)
    folder = given.parent if given == config_path(given.parent) else given
    try:
        return study_name(STUDIES / folder.resolve().relative_to(STUDIES.resolve()))
    except ValueError:
        return study

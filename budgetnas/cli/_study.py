"""``budgetnas best``, ``report`` and ``dashboard``: what is known of a study."""

import gc
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer
from pydantic import Field, model_validator

from budgetnas.cli import signals
from budgetnas.cli._command import Output, command, print_table
from budgetnas.metric import Metric, as_metric, beside_accuracy, title_of
from budgetnas.study import STUDIES, config_path, find_study, known_studies, study_name
from budgetnas.study.options import Limit, Place, Shown, Text, WhichStudy

if TYPE_CHECKING:
    from budgetnas.study.trial_record import TrialRecord


class BestOptions(WhichStudy):
    """What may be asked of the best."""

    panel = "What to name"

    budget: Annotated[Limit | None, Shown("N")] = None
    """Maximum of parameters; the study's own unless given."""
    # known once the plugins of the study are
    metric: Annotated[Text | None, Shown("NAME")] = None
    """What networks are compared by: accuracy, or balanced, the mean over classes of the share
    classified correctly; the study's unless given."""


@command(BestOptions, Output)
def best(options: BestOptions, output: Output) -> None:
    """Name the best network that a study has trained, for any budget up to its own.

    Nothing is trained. It is the winner of the finalists within the budget if there are any, else
    the completed trial that is best by the study's metric (--metric: by another), as
    `budgetnas retrain best` uses it; and below it the front: networks that are better than every
    smaller one. Example: `budgetnas best --budget 1M`
    """
    from budgetnas.analysis import chosen, front
    from budgetnas.study.begun import find_begun

    begun = find_begun(options.study)
    if begun.guessed:
        typer.echo(f"study {begun.name}", err=True)
    most = (options.budget or begun.config.budget).limit
    metric = as_metric(options.metric)
    by = metric or begun.config.metric
    trials = begun.trials(options.storage)
    winner = chosen(begun, trials, options.storage, "to name", most, metric)
    found = winner.trial
    steps = [step for step in front(trials, by) if step.params <= most]
    if output.as_json:
        listed = [step.__dict__ for step in steps]
        best = _json(found, by) | {"rule": winner.rule}
        typer.echo(json.dumps({"study": begun.name, "metric": by, "best": best, "front": listed}))
        return
    typer.echo(
        f"Best of at most {most:,} parameters: trial {found.number}, {found.measured(by):.2%} "
        f"{title_of(by)}{beside_accuracy(begun.config.facts.largest_share, by)}, "
        f"{found.params:,} parameters: {found.arch}"
    )
    typer.echo(f"Rule: {winner.rule}")
    print_table(
        [">trial", ">params", ">accuracy", ">points more", ">params more"],
        [
            [
                str(step.number), f"{step.params:,}", f"{step.value:.2%}",
                "" if step.gain is None else f"{100 * step.gain:.2f}",
                "" if step.added is None else f"{step.added:,}",
            ]
            for step in steps
        ],
    )  # fmt: skip
    typer.echo(f"Next: budgetnas retrain {found.number} --study {begun.name}")


def _json(record: "TrialRecord", metric: Metric) -> dict[str, Any]:
    return {
        "number": record.number,
        "value": record.measured(metric),
        "params": record.params,
        "macs": record.cost("macs"),
        "arch": record.arch.model_dump(mode="json"),
    }


class ReportOptions(WhichStudy):
    """What may be asked of a report."""

    panel = "What to report"

    name: Annotated[str | None, Shown("STUDY", argument=True)] = None
    """A study's name or folder, studies/NAME; of a study file, its newest study."""
    out: Annotated[Place | None, Shown("FILE")] = None
    """The page; report.html in the study's folder unless given."""

    @model_validator(mode="after")
    def _names_one_study(self) -> Self:
        if self.name is not None and self.study is not None:
            raise ValueError(f"STUDY and --study are the same, got {self.name} and {self.study}")
        return self


@command(ReportOptions, Output)
def report(options: ReportOptions, output: Output) -> None:
    """Write a study's report: one HTML page that needs no network.

    It answers the study's question with its figures, table, n, noise, hardware and command; for a
    running study, with the results so far. Example: `budgetnas report studies/digits-100k`
    """
    gc.disable()  # looking for garbage takes a quarter of the time, and there is little
    try:
        _report(options, output)
    finally:
        gc.enable()


def _report(options: ReportOptions, output: Output) -> None:
    from budgetnas.report import Report, answer_lines, find_report, write_page

    asked = options.study if options.name is None else options.name
    name = None if asked is None else _name_of(asked)
    found = find_report(name, options.storage)
    _name_found(found.name, name)
    written = write_page(found, options.out)
    if output.as_json:
        typer.echo(json.dumps(found.as_json() | {"report": str(written)}))
        return
    for line in answer_lines(found) if isinstance(found, Report) else found.answer_lines():
        typer.echo(line)
    typer.echo(f"Report: {written}")


def _name_found(found: str, asked: str | None) -> None:
    """Name the study that was taken, where there was a choice."""
    if asked is None:
        typer.echo(f"study {found}", err=True)
    elif found != asked and (many := len(known_studies(below=asked))) > 1:
        typer.echo(f"study {found} (the newest of {many})", err=True)


def _name_of(study: str) -> str:
    """Turn a study's folder, or the file in it, into its name; anything else is a name."""
    given = Path(study)
    folder = given.parent if given == config_path(given.parent) else given
    try:
        return study_name(STUDIES / folder.resolve().relative_to(STUDIES.resolve()))
    except ValueError:
        return study


class DashboardOptions(WhichStudy):
    """What may be asked of the dashboard."""

    panel = "Where"

    port: Annotated[int, Field(ge=0, le=65535), Shown("N")] = 8080
    """Port; 0 for any free one."""


@command(DashboardOptions)
def dashboard(options: DashboardOptions) -> None:
    """Open the Optuna dashboard on a study.

    It listens on 127.0.0.1 only. It has no password, and anybody on this machine can change or
    delete the study through it. Requests from other web pages are rejected.
    """
    find_study(options.study)  # the rest takes a second to import
    from budgetnas.cli._dashboard import serve

    signals.end_on_the_spot("Dashboard ended.")
    serve(options.study, options.storage, options.port, lambda text: typer.echo(text, err=True))

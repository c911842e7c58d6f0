"""``budgetnas best``: the best network of a study, for any budget, from what was trained."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from budgetnas.arch import Budget
from budgetnas.cli.console import print_table
from budgetnas.cli.options import JsonOption, MetricOption, StorageOption, StudyOption, some
from budgetnas.metric import Metric, as_metric, beside_accuracy, title_of

if TYPE_CHECKING:
    from budgetnas.study.trial_record import TrialRecord


def best(
    study: StudyOption = None,
    budget: Annotated[
        str | None,
        typer.Option(
            parser=some, metavar="N", help="Maximum of parameters; the study's own unless given."
        ),
    ] = None,
    metric: MetricOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name the best network that a study has trained, for any budget up to its own.

    Nothing is trained. It is the winner of the finalists within the budget if there are any, else
    the completed trial that is best by the study's metric (--metric: by another), as
    `budgetnas retrain best` uses it; and below it the front: networks that are better than every
    smaller one. Example: `budgetnas best --budget 1M`
    """
    limit = None if budget is None else Budget.from_text(budget)
    from budgetnas.analysis import chosen, front
    from budgetnas.study.begun import find_begun

    begun = find_begun(study)
    if begun.guessed:
        typer.echo(f"study {begun.name}", err=True)
    most, by = (limit or begun.config.budget).limit, as_metric(metric) or begun.config.metric
    trials = begun.trials(storage)
    winner = chosen(begun, trials, storage, "to name", most, as_metric(metric))
    found = winner.trial
    steps = [step for step in front(trials, by) if step.params <= most]
    if as_json:
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

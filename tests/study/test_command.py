"""The command in a report makes the study again."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from budgetnas.cli._command import was_given
from budgetnas.cli.main import app
from budgetnas.report import read_report
from budgetnas.study import StudyConfig
from budgetnas.study._config import ELSEWHERE, begun_with
from budgetnas.study.options import SearchOptions
from budgetnas.workflows.search import search
from tests.trials.small import SMALL, run


def parsed(command: str) -> dict[str, Any]:
    program, name, *words = shlex.split(command)
    assert (program, name) == ("budgetnas", "search")
    chosen = typer.main.get_command(app).commands["search"]  # type: ignore[attr-defined]
    context = chosen.make_context("search", words)
    return {key: text for key, text in context.params.items() if was_given(context, key)}


def test_every_option_that_defines_a_study_can_be_told_from_it() -> None:
    run(trials=1)
    config = StudyConfig.read(Path("studies/digits-12k"))
    assert begun_with(config).keys() == SearchOptions.model_fields.keys() - ELSEWHERE


FEW = {"epochs": 1, "pruner": "none", "space": SMALL}
ALL: dict[str, Any] = {
    "space": {"arch": {"stages": [1, 2], "width": [4, 8, 12]}},
    "recipe": {"base": "full", "epochs": 2, "augment": []},
    "also": [9_000], "max_macs": "300k", "max_bytes": "40k", "bits": 16, "image_size": 10,
    "fit": "pad", "background": "black", "train_samples": 300, "proposal": "free",
    "presets": False, "sampler": "tpe", "pruner": "median", "metric": "balanced", "seed": 7,
}  # fmt: skip


@pytest.mark.parametrize("options", [FEW, {"epochs": 2, "recipe": "modified-resnet"}, ALL])
def test_the_reports_command_makes_the_study_again(options: dict[str, Any]) -> None:
    given = {"dataset": "digits", "trials": 1, "study": "first", **options}
    result = search("12345", show_progress=False, **given)
    report = read_report(result.study)
    began = StudyConfig.read(Path("studies/first"))
    asked = parsed(report.command)
    assert asked["trials"] == "1"
    again = search(**{**asked, "study": "again"}, show_progress=False)
    made = StudyConfig.read(Path("studies") / again.study)
    assert made.changed(name="first").definition() == began.definition()
    continued = search(**asked, show_progress=False)
    assert (continued.study, continued.trained) == ("first", 1)

"""Options are validated once, all at once, and are what a function and a command show."""

import inspect

import pytest

from budgetnas.errors import InputError
from budgetnas.study.options import PRUNER_NAMES, SAMPLER_NAMES, PlanOptions, SearchOptions
from budgetnas.trials._samplers import PRUNERS, SAMPLERS
from budgetnas.workflows.search import search


def test_the_names_are_those_of_the_tables() -> None:
    assert tuple(SAMPLERS) == SAMPLER_NAMES
    assert tuple(PRUNERS) == PRUNER_NAMES


def test_every_problem_is_listed_in_the_order_of_help() -> None:
    with pytest.raises(InputError) as refused:
        SearchOptions.of(seed="x", budget="5M", trials=0, sampler="best", also="1.5")
    assert str(refused.value) == (
        "--also: a budget is a whole number such as 5e6, 5M, 500k or 5_000_000, got '1.5'; "
        "--trials: must be greater than or equal to 1, got 0; "
        "--sampler: unknown sampler 'best', known: tpe, random, gp, nsga2; "
        "--seed: must be a whole number, got 'x'"
    )


def test_what_was_asked_is_told_from_what_is_so_by_default() -> None:
    asked = SearchOptions.of(budget="5M", pruner="halving", sampler=None)
    assert asked.model_fields_set == {"budget", "pruner"}
    assert asked.sampler == "random"


def test_what_is_needed_is_asked_for() -> None:
    with pytest.raises(InputError, match=r"^--budget: required, but absent$"):
        PlanOptions.of()


def test_a_function_shows_its_options() -> None:
    parameters = inspect.signature(search).parameters
    assert list(parameters)[:2] == ["budget", "also"]
    assert list(parameters)[-3:] == ["watch", "show_progress", "callbacks"]
    assert parameters["pruner"].default == "halving"
    assert f"    pruner: {SearchOptions.help('pruner')}" in (search.__doc__ or "")
    with pytest.raises(TypeError, match="unexpected keyword argument 'prunner'"):
        search("5M", prunner="none")

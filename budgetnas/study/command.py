"""From a study back to the options of its search, and to the command that makes it again."""

import shlex
from pathlib import Path
from typing import Any

from budgetnas._version import __version__
from budgetnas.arch import Budget
from budgetnas.data import DataSource
from budgetnas.errors import InputError
from budgetnas.files import write_atomic
from budgetnas.recipe import RECIPES
from budgetnas.space import Fill, Free, Grid
from budgetnas.spec import Spec
from budgetnas.study.config import StudyConfig, require_same
from budgetnas.study.options import SearchOptions, Training
from budgetnas.study.place import study_folder

ELSEWHERE = {"study", "storage", "trials", "device", "timeout", "workers"}
"""Options that change no trial."""


def begun_with(config: StudyConfig) -> dict[str, Any]:
    """Return what a search's study was begun with, by the names of its options.

    Fields of the same name have the same meaning, be they of an option, the study, its data or
    its proposal.
    """
    parts: tuple[Spec, ...] = (config.proposal, config.data, config)
    same = {n: v for part in parts for n, v in part if n in SearchOptions.model_fields}
    bytes_limit = _limit(config, "bytes")
    return {
        **{name: value for name, value in same.items() if name not in ELSEWHERE},
        "also": config.smaller or None,
        "max_macs": _limit(config, "macs"),
        "max_bytes": bytes_limit,
        "bits": int(bytes_limit.cost.partition("-")[2]) if bytes_limit else None,
        "epochs": config.recipe.epochs,
        "proposal": config.proposal.name,
    }


def _limit(config: StudyConfig, cost: str) -> Budget | None:
    return next((each for each in config.limits if each.cost.startswith(cost)), None)


def require_same_search(config: StudyConfig, asked: SearchOptions) -> None:
    """Check that a study is continued with the options that it began with.

    Raises:
        InputError: With both values of each option that differs.
    """
    if isinstance(config.proposal, Grid):
        raise InputError(f"study {config.name!r} is no search: budgetnas run continues it")
    given: dict[str, tuple[object, object]] = {
        "the version of budgetnas": (config.version, __version__)
    }
    now = dict(asked) | {"also": asked.smaller, "recipe": _again(config, asked)}
    for name, then in begun_with(config).items():
        if name in asked.model_fields_set - {"data_dir"}:
            given[asked.flag(name)] = _limit_of(then), _limit_of(now[name])
    require_same(f"study {config.name!r}", given)


def _limit_of(value: Any) -> Any:
    """Return a budget, of whatever, or several as numbers."""
    if isinstance(value, tuple):
        return tuple(map(_limit_of, value))
    return value.limit if isinstance(value, Budget) else value


def _again(config: StudyConfig, training: Training) -> Any:
    """Return the recipe that is asked for, as it would be had the study begun with it."""
    facts = config.facts
    return training.fitted_recipe(config.data, facts.channels, facts.train)[0]


def search_command(config: StudyConfig, trials: int) -> str:
    """Write the command that begins a search like this one, with so many trained trials.

    Every option is in it that is not the default. The space and the recipe, where they are none
    that has a name, are the files of `write_files`.
    """
    default = {name: field.default for name, field in SearchOptions.model_fields.items()}
    default |= dict(DataSource.choose(config.data.dataset, config.data.data_dir)) | {
        "dataset": None, "data_dir": None,
    }  # fmt: skip
    given = begun_with(config) | _named(config)
    words = [
        word
        for name in SearchOptions.panels()
        if name in given and given[name] != default[name]
        for word in SearchOptions.written(name, _limit_of(given[name]))
    ]
    return shlex.join(
        ["budgetnas", "search", "--study", config.name, *words, "--trials", str(trials)]
    )


def _named(config: StudyConfig) -> dict[str, Any]:
    """Return what a command has of the space and the recipe: a name, or the path of a file."""
    folder = study_folder(config.name)
    default = SearchOptions()
    same = begun_with(config).get("space") == default.space
    name = _recipe_name(config)
    if name is None:
        recipe: dict[str, Any] = {"recipe": folder / "recipe.toml", "epochs": None}
    else:
        own = RECIPES[name].epochs == config.recipe.epochs
        recipe = {"recipe": default.recipe if name == str(default.recipe) else name}
        recipe |= {"epochs": None if own else config.recipe.epochs}
    return recipe | ({} if same else {"space": folder / "space.toml"})


def write_files(config: StudyConfig, folder: Path) -> None:
    """Write the files that the command of a search needs, if it needs any."""
    if isinstance(config.proposal, Free | Fill):
        if config.proposal.space != SearchOptions().space:
            write_atomic(folder / "space.toml", config.proposal.space.to_toml())
        if _recipe_name(config) is None:
            write_atomic(folder / "recipe.toml", config.recipe.to_toml())


def _recipe_name(config: StudyConfig) -> str | None:
    """Find the named recipe that this one is, fitted to these images; None if there is none."""
    for name in RECIPES:
        if _again(config, Training.of(recipe=name, epochs=config.recipe.epochs)) == config.recipe:
            return name
    return None

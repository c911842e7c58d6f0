"""The command that makes a search again: from what defines it, not from what was typed."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from budgetnas.arch import Budget
from budgetnas.files import write_atomic
from budgetnas.recipe import RECIPES
from budgetnas.space import DEFAULT_PROPOSAL, DEFAULT_SAMPLER, Fill, Free, Space
from budgetnas.study.asked_recipe import AskedRecipe
from budgetnas.study.config import StudyConfig
from budgetnas.study.metric import DEFAULT_METRIC
from budgetnas.study.place import study_folder


def search_command(config: StudyConfig, trials: int) -> str:
    """Write the command that begins a search like this one, with so many trained trials.

    Every option is in it that is not the default. The space and the recipe, where they are none
    that has a name, are the files of `write_files`.
    """
    given = {option: value(config) for option, value in OPTIONS.items()}
    words = [word for option, value in given.items() for word in _words(option, value)]
    return shlex.join(
        ["budgetnas", "search", "--study", config.name, *words, "--trials", str(trials)]
    )


def write_files(config: StudyConfig, folder: Path) -> None:
    """Write the files that the command of a search needs, if it needs any."""
    if isinstance(config.proposal, Free | Fill):
        if _space(config):
            write_atomic(folder / "space.toml", config.proposal.space.to_toml())
        if _recipe_name(config) is None:
            write_atomic(folder / "recipe.toml", config.recipe.to_toml())


def _words(option: str, value: object) -> list[str]:
    match value:
        case None:
            return []
        case bool():
            return [option] if value else [f"--no-{option.removeprefix('--')}"]
        case _:
            return [option, str(value)]


def _unless(value: Any, default: object) -> Any:
    return None if value == default else value


def _limit(config: StudyConfig, cost: str) -> Budget | None:
    return next((each for each in config.limits if each.cost.startswith(cost)), None)


def _exact(budget: Budget | None) -> int | None:
    return None if budget is None else budget.limit


def _bits(config: StudyConfig) -> str | None:
    stored = _limit(config, "bytes")
    return None if stored is None else stored.cost.partition("-")[2]


def _also(config: StudyConfig) -> str | None:
    return ",".join(str(each.limit) for each in config.smaller) or None


def _space(config: StudyConfig) -> str | None:
    same = getattr(config.proposal, "space", None) == Space()
    return None if same else (study_folder(config.name) / "space.toml").as_posix()


def _recipe_name(config: StudyConfig) -> str | None:
    """Find the named recipe that this one is, fitted to these images; None if there is none."""
    for name in RECIPES:
        asked = AskedRecipe.of(name, name, config.recipe.epochs)
        fitted, _ = asked.fitted(config.data, config.facts.channels, config.facts.train)
        if fitted == config.recipe:
            return name
    return None


def _recipe(config: StudyConfig) -> str | None:
    name = _recipe_name(config)
    path = (study_folder(config.name) / "recipe.toml").as_posix()
    return path if name is None else _unless(name, "short")


def _epochs(config: StudyConfig) -> int | None:
    name = _recipe_name(config)
    return None if name is None else _unless(config.recipe.epochs, RECIPES[name].epochs)


# add yours here: each option of `budgetnas search` that defines a study; None: it is the default
OPTIONS: dict[str, Callable[[StudyConfig], Any]] = {
    "--budget": lambda config: config.budget.limit,
    "--also": _also,
    "--max-macs": lambda config: _exact(_limit(config, "macs")),
    "--max-bytes": lambda config: _exact(_limit(config, "bytes")),
    "--bits": _bits,
    "--dataset": lambda config: config.data.dataset,
    "--data-dir": lambda config: config.data.data_dir,
    "--image-size": lambda config: _unless(config.data.image_size, config.data.info.image_size),
    "--fit": lambda config: _unless(config.data.fit, "crop"),
    "--background": lambda config: _unless(config.data.background, "white"),
    "--skip-unreadable": lambda config: config.data.skip_unreadable or None,
    "--train-samples": lambda config: config.train_samples,
    "--epochs": _epochs,
    "--space": _space,
    "--recipe": _recipe,
    "--proposal": lambda config: _unless(config.proposal.name, DEFAULT_PROPOSAL),
    "--presets": lambda config: _unless(getattr(config.proposal, "presets", True), True),
    "--sampler": lambda config: _unless(
        getattr(config.proposal, "sampler", DEFAULT_SAMPLER), DEFAULT_SAMPLER
    ),
    "--pruner": lambda config: _unless(config.pruner, "halving"),
    "--metric": lambda config: _unless(config.metric, DEFAULT_METRIC),
    "--seed": lambda config: config.seed,
}

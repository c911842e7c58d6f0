"""`compare`: what gave the accuracy, the recipe, the architecture, the search, or luck."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optuna.trial import TrialState

from budgetnas._version import __version__
from budgetnas.analysis import (
    BEST_RANDOM,
    FILLED,
    NETWORK,
    RECIPE,
    WINNER,
    best_trial,
    chosen,
    decompose,
    trial_table,
)
from budgetnas.arch import Arch
from budgetnas.events import Notice, Watcher, each_once
from budgetnas.progress import SearchProgress, verb
from budgetnas.recipe import Recipe
from budgetnas.space import Axis, Cell, Grid
from budgetnas.study import (
    PUBLISHED,
    About,
    Comparison,
    StudyConfig,
    config_path,
    require_same,
    study_folder,
)
from budgetnas.study.begun import BegunStudy, find_begun
from budgetnas.study.options import Drawn, Training
from budgetnas.study.trial_record import TrialRecord, tally
from budgetnas.workflows._baselines import baselines
from budgetnas.workflows._derived import derived_name, derived_trials, train_derived
from budgetnas.workflows.options import PUBLISHED_RECIPE, SEEDS, CompareOptions

RANDOM = "random"
"""The folder of a search's random networks, in the search's."""


@dataclass(frozen=True)
class Entrants:
    """The networks of a comparison, and how each is trained."""

    grid: Grid
    recipe: Recipe
    """Of all but one of them, without what a trial had drawn."""
    adapted: list[str]
    """What recipes had to give up for the images."""
    notes: tuple[str, ...]
    """Networks that are missing, and recipe fields that trials had drawn."""


@dataclass(frozen=True)
class RandomNetworks:
    """Random networks of a search's space, trained as its trials are."""

    best: TrialRecord | None = None
    """The best completed trial."""
    finished: bool = True
    """Whether the search for them has ended, by their number or by its space."""
    note: str | None = None
    """How they differ from what was asked for."""


def train_random(
    base: BegunStudy, count: int, command: str, options: CompareOptions, watch: Watcher
) -> RandomNetworks:
    """Draw networks at random and train them as a search's trials, or go on with that.

    Their space, limits, recipe, pruner, images and split are the search's; no published network
    is among them.
    """
    proposal = base.config.proposal
    assert not isinstance(proposal, Grid), "a search draws"
    again = proposal.changed(sampler="random", presets=False)
    if not count:
        return RandomNetworks()
    if again == proposal:
        own = best_trial(base.trials(options.storage))
        return RandomNetworks(own, note=f"{BEST_RANDOM}: the search's own best, it is random, too")
    name = derived_name(base, RANDOM)
    watch(Notice(f"looking for the best of {count:,} random networks: study {name}"))
    about = About(
        question=f"How good is the best of {count:,} random networks of {base.name}?",
        command=command,
    )
    result = train_derived(base, RANDOM, options, watch, trials=count, proposal=again, about=about)
    _, trials = derived_trials(base, RANDOM, options.storage)
    best, note = best_trial(trials), None
    if best is None:
        note = f"no {BEST_RANDOM}: none of them could be trained to its end"
    elif result.trained < count:
        note = f"{BEST_RANDOM} is that of {result.trained:,}: there are no more in the space"
    return RandomNetworks(best, result.stopped not in ("timeout", "callback"), note)


def entrants(
    base: BegunStudy, asked: CompareOptions, winner: TrialRecord, random: RandomNetworks
) -> Entrants:
    """List the networks of a comparison with the recipe of each."""
    config = base.config
    recipe, adapted = recipe_for(asked, config)
    published, more = published_for(asked, config)
    adapted += [notice for notice in more if notice not in adapted]
    known, notes = baselines(config)
    name = str(asked.recipe)
    first, drawn = _of_trial(WINNER, winner, asked, config, adapted)
    cells = [first, *(_cell(label, arch, name, recipe) for label, arch in known.items())]
    notes += drawn
    if random.best is not None:
        cell, drawn = _of_trial(BEST_RANDOM, random.best, asked, config, adapted)
        cells.append(cell)
        notes += drawn
    if random.note:
        notes.append(random.note)
    if FILLED in known:
        cells.append(_cell(FILLED, known[FILLED], PUBLISHED, published))
    return Entrants(_grid(cells, asked.seeds or SEEDS), recipe, adapted, tuple(notes))


def recipe_for(
    asked: Training, config: StudyConfig, drawn: Drawn | None = None
) -> tuple[Recipe, list[str]]:
    """Fit a recipe to a study's images, and lay over it what a trial had drawn; with notices."""
    facts = config.facts
    return asked.fitted_recipe(config.data, facts.channels, facts.train, drawn)


def published_for(asked: Training, config: StudyConfig) -> tuple[Recipe, list[str]]:
    """Fit the published recipe to a study's images, for as many epochs; with notices."""
    epochs = asked.written_recipe().epochs
    return recipe_for(Training.of(recipe=PUBLISHED_RECIPE, epochs=epochs), config)


def _of_trial(
    name: str,
    record: TrialRecord,
    asked: CompareOptions,
    config: StudyConfig,
    adapted: list[str],
) -> tuple[Cell, list[str]]:
    """Return a trial's network; a recipe that adapts takes the fields that the trial drew."""
    recipe, notices = recipe_for(asked, config, record.drawn)
    notes = [f"{name} is trained {notice}" for notice in notices if notice not in adapted]
    return _cell(name, record.arch, str(asked.recipe), recipe), notes


def _cell(name: str, arch: Arch, recipe_name: str, recipe: Recipe) -> Cell:
    return Cell(values={NETWORK: name, RECIPE: recipe_name}, arch=arch, recipe=recipe)


def _grid(cells: list[Cell], seeds: int) -> Grid:
    axes = tuple(
        Axis(name=name, values=tuple(dict.fromkeys(cell.values[name] for cell in cells)))
        for name in (NETWORK, RECIPE)
    )
    return Grid(axes=axes, cells=tuple(cells), seeds=seeds)


VARIANT = "comparison"
"""The folder of its trainings, in the study's."""
SOON = 1e-9
"""Seconds: a timeout that has passed."""


@verb(CompareOptions, SearchProgress)
def compare(options: CompareOptions, watch: Watcher) -> Comparison:
    """Train a search's winner, baselines and the best of random networks alike, and compare them.

    All are trained with the first seed, then all with the second, on the search's own images and
    split; no test image is seen. A comparison that has begun is continued as it began, with more
    seeds if asked. The result is written to comparison.json in the study's folder, and shown in
    its report.

    Raises:
        InputError: If the options are not possible.
        SearchFailed: After five failed random networks in a row.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    base = find_begun(options.study)
    base.space()
    derived_name(base, VARIANT)
    if base.guessed:
        watch(Notice(f"study {base.name}"))
    storage = options.storage
    winner = chosen(base, base.trials(storage), storage, "to compare").trial
    watch, left = each_once(watch), _ending_together(options)
    began = _began(base)
    if began is not None:
        return _again(base, left(), *began, winner, watch)
    return _anew(base, left, winner, watch)


def _ending_together(options: CompareOptions) -> Callable[[], CompareOptions]:
    """Return a function that returns the options with the seconds that are left."""
    if options.timeout is None:
        return lambda: options
    deadline = options.deadline()

    def left() -> CompareOptions:
        seconds = max(SOON, deadline - time.monotonic())
        return options.model_copy(update={"timeout": seconds})

    return left


def _began(base: BegunStudy) -> tuple[StudyConfig, Comparison] | None:
    """Find the comparison of a study; None before its networks are chosen."""
    folder = study_folder(derived_name(base, VARIANT))
    kept = Comparison.read(base.folder)
    if kept is None or not config_path(folder).is_file():
        return None
    return StudyConfig.read(folder), kept


def _anew(
    base: BegunStudy, left: Callable[[], CompareOptions], winner: TrialRecord, watch: Watcher
) -> Comparison:
    """Train random networks, choose the networks of the comparison, and compare."""
    asked = left()
    trials = base.trials(asked.storage)
    count = tally(trials).trained if asked.random is None else asked.random
    recipe, seeds = asked.written_recipe(), asked.seeds or SEEDS
    settled_options = {"random": count, "epochs": recipe.epochs, "seeds": seeds}
    command = _command(asked, base.name, recipe=asked.recipe, **settled_options)
    found = train_random(base, count, command, asked, watch)
    settled = entrants(base, asked, winner, found)
    kept = Comparison(
        study=base.name,
        version=__version__,
        command=command,
        finished=False,
        winner=winner.number,
        trials=sum(trial.state is TrialState.COMPLETE for trial in trials),
        random=count,
        seeds=settled.grid.seeds,
        epochs=settled.recipe.epochs,
        recipe=str(asked.recipe),
        metric=base.config.metric,
        largest_class=base.config.facts.largest_share,
        notes=settled.notes if found.finished else (),
    )
    kept.write(base.folder)  # before its trainings begin: continuing them needs it
    return _compared(base, settled, kept, left(), watch) if found.finished else kept


def _again(
    base: BegunStudy,
    asked: CompareOptions,
    began: StudyConfig,
    kept: Comparison,
    winner: TrialRecord,
    watch: Watcher,
) -> Comparison:
    """Continue with the networks that it began with, with more seeds if asked."""
    grid = began.proposal
    assert isinstance(grid, Grid), "a comparison is a grid"
    way_out = f"remove {study_folder(began.name)}"
    _require_same(base, asked, began, kept, f"to begin another, {way_out}")
    if winner.number != kept.winner:
        best = f"trial {winner.number}, now the best of {base.name}"
        text = f"{best}, is not the {WINNER} here, trial {kept.winner}; to compare anew, {way_out}"
        watch(Notice(text))
    seeds = asked.seeds or grid.seeds
    command = _command(CompareOptions.of_command(kept.command), base.name, seeds=seeds)
    adapted = [began.about.adapted] if began.about.adapted else []
    settled = Entrants(grid.changed(seeds=seeds), began.recipe, adapted, kept.notes)
    return _compared(base, settled, kept.changed(command=command, seeds=seeds), asked, watch)


def _require_same(
    base: BegunStudy, asked: CompareOptions, began: StudyConfig, kept: Comparison, way_out: str
) -> None:
    """Raise for another comparison than has begun, with the options that differ."""
    given_recipe = "recipe" in asked.model_fields_set
    recipe = recipe_for(asked, base.config)[0] if given_recipe else None
    options: dict[str, tuple[object, object]] = {
        "--epochs": (began.recipe.epochs, asked.epochs),
        "--recipe": (began.recipe, recipe),
        "--random": (kept.random, asked.random),
    }
    given = {name: both for name, both in options.items() if both[1] is not None}
    require_same(f"the comparison {began.name!r}", given, way_out)


def _command(options: CompareOptions, study: str, **settled: Any) -> str:
    names = ("seeds", "epochs", "recipe", "random", "data_dir")
    return options.command("compare", study, *names, **settled)


def _compared(
    base: BegunStudy, settled: Entrants, kept: Comparison, options: CompareOptions, watch: Watcher
) -> Comparison:
    """Train all networks, or go on with that, and sum up."""
    about = About(
        question=f"What gave the accuracy of {base.name}'s winner?", command=kept.command
    )
    for note in settled.notes:
        watch(Notice(note))
    result = train_derived(
        base, VARIANT, options, watch, adapted=settled.adapted, proposal=settled.grid,
        recipe=settled.recipe, about=about,
    )  # fmt: skip
    config, trials = derived_trials(base, VARIANT, options.storage)
    judged = decompose(config, trial_table(config, trials), kept.trials)
    found = kept.changed(
        finished=result.stopped == "trials",
        rows=judged.rows,
        parts=judged.parts,
        luck=judged.luck,
    )
    found.write(base.folder)
    return found

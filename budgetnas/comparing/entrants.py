"""Who takes part in a comparison: a search's winner, baselines, the best of random networks."""

from dataclasses import dataclass

from budgetnas.analysis import BEST_RANDOM, FILLED, NETWORK, RECIPE, WINNER, best_trial
from budgetnas.arch import Arch
from budgetnas.comparing.baselines import baselines
from budgetnas.comparing.derived import derived_name, derived_trials, train_drawn
from budgetnas.comparing.options import PUBLISHED_RECIPE, SEEDS, CompareOptions
from budgetnas.events import Notice, Watcher
from budgetnas.recipe import Recipe
from budgetnas.space import Axis, Cell, Grid
from budgetnas.study import PUBLISHED, About, StudyConfig
from budgetnas.study.begun import BegunStudy
from budgetnas.study.options import Drawn, Training
from budgetnas.study.trial_record import TrialRecord

RANDOM = "random"
"""What a search's random networks are called, and their folder in the search's."""


@dataclass(frozen=True)
class Entrants:
    """The networks of a comparison, with what each is trained by."""

    grid: Grid
    recipe: Recipe
    """Of all but one of them, before anything that a trial had drawn."""
    adapted: list[str]
    """What recipes had to give up for the images."""
    notes: tuple[str, ...]
    """What is missing, and what a trial had drawn of its recipe."""


@dataclass(frozen=True)
class RandomNetworks:
    """Random networks of a search's space, trained as its trials are."""

    best: TrialRecord | None = None
    """The best that was trained to its end."""
    finished: bool = True
    """Whether there are as many as there should be, or as the space has."""
    note: str | None = None
    """What is not as it was asked for."""


def train_random(
    base: BegunStudy, count: int, command: str, options: CompareOptions, watch: Watcher
) -> RandomNetworks:
    """Draw networks at random and train them as a search's trials, or go on with that.

    Their space, limits, recipe, pruner, images and split are the search's; nothing is learnt from
    one for the next, and no published network is among them.
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
    result = train_drawn(base, RANDOM, again, count, about, options, watch)
    _, trials = derived_trials(base, RANDOM, options.storage)
    best, note = best_trial(trials), None
    if best is None:
        note = f"no {BEST_RANDOM}: none of them could be trained to its end"
    elif result.trained < count:
        note = f"{BEST_RANDOM} is that of {result.trained:,}: there are no more in the space"
    return RandomNetworks(best, result.stopped != "timeout", note)


def entrants(
    base: BegunStudy, asked: CompareOptions, winner: TrialRecord, random: RandomNetworks
) -> Entrants:
    """List who is compared, and by which recipe each is trained."""
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
    """Train a trial's network; a recipe that adapts takes what the trial had drawn, too."""
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

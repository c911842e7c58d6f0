"""`compare`: what gave the accuracy, the recipe, the architecture, the search, or luck.

Published networks are compared as they are, or scaled in width until they fill the limits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
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
from budgetnas.arch import PRESETS, Arch, describe_limits
from budgetnas.events import Notice, Watcher, each_once
from budgetnas.progress import SearchProgress, verb
from budgetnas.recipe import Recipe
from budgetnas.space import Axis, Cell, Grid
from budgetnas.study import (
    PUBLISHED,
    About,
    Comparison,
    StudyConfig,
    require_same,
    study_folder,
)
from budgetnas.study.begun import BegunStudy, find_begun
from budgetnas.study.options import Training
from budgetnas.study.trial_record import TrialRecord, tally
from budgetnas.trials import Counts, Limits, Shares, with_widths
from budgetnas.workflows._derived import derived_name, derived_trials, recipe_for, train_derived
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
    base: BegunStudy,
    count: int,
    command: str,
    options: CompareOptions,
    deadline: float,
    watch: Watcher,
) -> RandomNetworks:
    """Draw networks at random and train them as a search's trials, or continue that.

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
    result = train_derived(
        base, RANDOM, options, watch, deadline=deadline, trials=count, proposal=again, about=about
    )
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
    # the published recipe, for as many epochs
    epochs = asked.written_recipe().epochs
    own = Training.of(recipe=PUBLISHED_RECIPE, epochs=epochs)
    published, more = recipe_for(own, config)
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
    axes = tuple(
        Axis(name=axis, values=tuple(dict.fromkeys(cell.values[axis] for cell in cells)))
        for axis in (NETWORK, RECIPE)
    )
    grid = Grid(axes=axes, cells=tuple(cells), seeds=asked.seeds or SEEDS)
    return Entrants(grid, recipe, adapted, tuple(notes))


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


VARIANT = "comparison"
"""The folder of its trainings, in the study's."""


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
    watch, deadline = each_once(watch), options.deadline()
    began = StudyConfig.begun(study_folder(derived_name(base, VARIANT)))
    before = Comparison.read(base.folder)
    if began is None or before is None:
        return _anew(base, options, deadline, winner, watch)
    return _again(base, options, deadline, began, before, winner, watch)


def _anew(
    base: BegunStudy, asked: CompareOptions, deadline: float, winner: TrialRecord, watch: Watcher
) -> Comparison:
    """Train random networks, choose the networks of the comparison, and compare."""
    trials = base.trials(asked.storage)
    count = tally(trials).trained if asked.random is None else asked.random
    recipe, seeds = asked.written_recipe(), asked.seeds or SEEDS
    settled_options = {"random": count, "epochs": recipe.epochs, "seeds": seeds}
    command = _command(asked, base.name, recipe=asked.recipe, **settled_options)
    found = train_random(base, count, command, asked, deadline, watch)
    settled = entrants(base, asked, winner, found)
    new = Comparison(
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
    new.write(base.folder)  # before its trainings begin: continuing them needs it
    return _compared(base, settled, new, asked, deadline, watch) if found.finished else new


def _again(
    base: BegunStudy,
    asked: CompareOptions,
    deadline: float,
    began: StudyConfig,
    before: Comparison,
    winner: TrialRecord,
    watch: Watcher,
) -> Comparison:
    """Continue with the networks that it began with, with more seeds if asked."""
    grid = began.proposal
    assert isinstance(grid, Grid), "a comparison is a grid"
    way_out = f"remove {study_folder(began.name)}"
    _require_same(base, asked, began, before, f"to begin another, {way_out}")
    if winner.number != before.winner:
        best = f"trial {winner.number}, now the best of {base.name}"
        text = (
            f"{best}, is not the {WINNER} here, trial {before.winner}; to compare anew, {way_out}"
        )
        watch(Notice(text))
    seeds = asked.seeds or grid.seeds
    command = _command(CompareOptions.of_command(before.command), base.name, seeds=seeds)
    adapted = [began.about.adapted] if began.about.adapted else []
    settled = Entrants(grid.changed(seeds=seeds), began.recipe, adapted, before.notes)
    before = before.changed(command=command, seeds=seeds)
    return _compared(base, settled, before, asked, deadline, watch)


def _require_same(
    base: BegunStudy, asked: CompareOptions, began: StudyConfig, before: Comparison, way_out: str
) -> None:
    """Raise for another comparison than has begun, with the options that differ."""
    given_recipe = "recipe" in asked.model_fields_set
    recipe = recipe_for(asked, base.config)[0] if given_recipe else None
    options: dict[str, tuple[object, object]] = {
        "--epochs": (began.recipe.epochs, asked.epochs),
        "--recipe": (began.recipe, recipe),
        "--random": (before.random, asked.random),
    }
    given = {name: both for name, both in options.items() if both[1] is not None}
    require_same(f"the comparison {began.name!r}", given, way_out)


def _command(options: CompareOptions, study: str, **settled: Any) -> str:
    names = ("seeds", "epochs", "recipe", "random", "data_dir")
    return options.command("compare", study, *names, **settled)


def _compared(
    base: BegunStudy,
    settled: Entrants,
    before: Comparison,
    options: CompareOptions,
    deadline: float,
    watch: Watcher,
) -> Comparison:
    """Train all networks, or continue that, and sum up."""
    about = About(
        question=f"What gave the accuracy of {base.name}'s winner?", command=before.command
    )
    for note in settled.notes:
        watch(Notice(note))
    result = train_derived(
        base, VARIANT, options, watch, deadline=deadline, adapted=settled.adapted,
        proposal=settled.grid, recipe=settled.recipe, about=about,
    )  # fmt: skip
    config, trials = derived_trials(base, VARIANT, options.storage)
    judged = decompose(config, trial_table(config, trials), before.trials)
    found = before.changed(
        finished=result.stopped == "trials",
        rows=judged.rows,
        parts=judged.parts,
        luck=judged.luck,
    )
    found.write(base.folder)
    return found


WIDEST = 1_000_000
"""The most channels that an architecture may have."""


def scaled(arch: Arch, limits: Limits) -> Arch | None:
    """Scale all widths of a network by the factor with which it fills its limits most.

    Widths are rounded: to multiples of 8 where the narrowest stage has 32 channels or more, so
    that none is off by more than an eighth; else to whole numbers. A stem of its own width, as a
    Wide ResNet's, keeps it; any other follows the first stage.

    Returns:
        The network; None where not even one channel in the narrowest stage fits.
    """
    finest = 4 if arch.block == "bottleneck" else 1
    # coarse multiples, with the narrowest width that is rounded to them, then fine ones
    for step, narrowest in ((8, 32), (finest, finest)):
        widths = _family(arch, step, narrowest, limits)
        shares = limits.loads(arch, widths, stem_follows=_follows(arch))
        fitting = np.flatnonzero(shares <= 1)
        if len(fitting):
            return _with(arch, widths[fitting[shares[fitting].argmax()]])
    return None


def _family(arch: Arch, step: int, narrowest: int, limits: Limits) -> Counts:
    """Return all roundings of the scaled widths, int64 [n, stages], up to one that is too wide."""
    own = np.array([stage.width for stage in arch.stages], dtype=np.int64)
    low = narrowest / own.min()
    high = low
    while 2 * high * own.max() <= WIDEST and limits.fit(
        _with(arch, _rounded(own, np.array([high]), step)[0])
    ):
        high *= 2
    # where a width is rounded up from; between two such factors nothing changes
    turns = [
        (np.arange(low * width // step, high * width // step + 1) + 0.5) * step / width
        for width in own
    ]
    inner = np.concatenate(turns)
    edges = np.unique(np.array([low, *inner[(low < inner) & (inner < high)], high]))
    factors = np.array([low, *(edges[1:] + edges[:-1]) / 2])
    return np.unique(_rounded(own, factors, step), axis=0)


def _rounded(own: Counts, factors: Shares, step: int) -> Counts:
    """Scale widths [stages] by factors [n], to multiples of a step: int64 [n, stages]."""
    return (step * np.floor(factors[:, None] * own / step + 0.5)).astype(np.int64)


def _follows(arch: Arch) -> bool:
    return arch.stem_width == arch.stages[0].width


def _with(arch: Arch, widths: Counts) -> Arch:
    return with_widths(arch, widths, stem_follows=_follows(arch))


def _published(name: str, config: StudyConfig) -> Arch:
    """Fit a published network to a study's images."""
    return PRESETS[name].adapted(config.facts.channels, len(config.facts.classes))


def _at_the_budget(name: str, config: StudyConfig) -> Arch | None:
    """Scale a published network until it fills a study's limits; None if it never fits."""
    return scaled(_published(name, config), Limits.of(config))


# add yours here
BASELINES: dict[str, Callable[[StudyConfig], Arch | None]] = {
    **{
        name: partial(_published, name)
        for name in (
            "efficient-resnet",
            "modified-resnet-small",
            "modified-resnet-medium",
            "modified-resnet-large",
        )
    },
    "wrn-16 at the budget": partial(_at_the_budget, "wrn-16-4"),
    FILLED: partial(_at_the_budget, "efficient-resnet"),
}
"""Networks for a study's images by name; None where there is none within its limits.

A published one that is over a limit is listed as that, and never trained.
"""


def baselines(config: StudyConfig) -> tuple[dict[str, Arch], list[str]]:
    """Return the baselines of a study by name, with a notice for each that it can't have."""
    made = {name: make(config) for name, make in BASELINES.items()}
    limits = describe_limits(config.all_limits)
    missing = [
        f"no {name}: not even its narrowest network has at most {limits}"
        for name, arch in made.items()
        if arch is None
    ]
    return {name: arch for name, arch in made.items() if arch is not None}, missing

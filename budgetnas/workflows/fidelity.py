"""`fidelity`: how well the short trainings of a study predict full ones."""

import math
from collections.abc import Sequence

from budgetnas._version import __version__
from budgetnas.analysis import (
    FULL,
    Outcome,
    Outcomes,
    ShortRankings,
    axis_column,
    fully_measured,
    short_trainings,
    trial_table,
)
from budgetnas.arch import Arch, count_params, describe_limits, fits
from budgetnas.errors import InputError
from budgetnas.events import Notice, Watcher
from budgetnas.progress import SearchProgress, verb
from budgetnas.recipe import Average, Recipe
from budgetnas.seeds import derive_seed
from budgetnas.space import Axis, Cell, Grid, RandomSuggester, Space
from budgetnas.study import About, Fidelity, StudyConfig, require_same, study_folder
from budgetnas.study.begun import BegunStudy, find_begun
from budgetnas.workflows._derived import derived_name, recipe_for, train_derived
from budgetnas.workflows.options import FidelityOptions

VARIANT = "fidelity"
"""The folder of its trainings, in the study's."""

NETWORK, TRAINING = "network", "training"

AVERAGE = Average(horizon=0.25)
"""Of a few epochs, the usual twentieth would be the last few steps alone."""


@verb(FidelityOptions, SearchProgress)
def fidelity(options: FidelityOptions, watch: Watcher) -> Fidelity:
    """Train architectures of a study's space short and in full, and compare the rankings.

    All are validated on the study's own validation images; no test image is seen. Called again,
    it continues where it stopped, and trains nothing once it is finished. The result is written
    to fidelity.json in the study's folder, and shown in its report.

    Raises:
        InputError: If there is no such study, or the options are not possible.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    base = find_begun(options.study)
    if base.guessed:
        watch(Notice(f"study {base.name}"))
    name = derived_name(base, VARIANT)
    grid, adapted = _settled(name, base, options)
    names = ("archs", "short", "epochs", "recipe", "seeds", "top")
    settled = {name: getattr(options, name) for name in names}
    command = options.command("fidelity", base.name, *names, "data_dir", **settled)
    about = About(question="How far can a short training be trusted?", command=command)
    result = train_derived(
        base, VARIANT, options, watch, adapted=adapted, proposal=grid, about=about
    )
    measured = _measured(find_begun(name), options.storage)
    found = _judged(base, options, grid, measured, command, result.stopped == "trials")
    found = found.changed(recommended=found.choose())
    found.write(base.folder)
    return found


def _settled(name: str, base: BegunStudy, asked: FidelityOptions) -> tuple[Grid, Sequence[str]]:
    """Return the trainings, and what the full recipe had to give up for the images."""
    space = base.space()
    full, adapted = recipe_for(asked, base.config)
    archs = spread_archs(base.config, space, asked.archs)
    grid = _grid(archs, base.config.recipe, full, asked)
    _require_as_it_began(name, grid)
    return grid, adapted


def _grid(archs: Sequence[Arch], short: Recipe, full: Recipe, asked: FidelityOptions) -> Grid:
    """List the trainings: all of an architecture before those of the next."""
    recipes = {FULL: full}
    for epochs in asked.short:
        plain, averaged = short_trainings(epochs)
        recipes[plain] = short.changed(epochs=epochs)
        # where trials are averaged already, that is a duplicate, and not trained again
        recipes[averaged] = recipes[plain].changed(average=short.average or AVERAGE)
    names = [f"{place}: {arch}" for place, arch in enumerate(archs, start=1)]
    cells = (
        Cell(values={NETWORK: name, TRAINING: training}, arch=arch, recipe=recipe)
        for name, arch in zip(names, archs, strict=True)
        for training, recipe in recipes.items()
    )
    axes = (Axis(name=NETWORK, values=tuple(names)), Axis(name=TRAINING, values=tuple(recipes)))
    return Grid(axes=axes, cells=tuple(cells), seeds=asked.seeds)


def _require_as_it_began(name: str, grid: Grid) -> None:
    """Raise if the measurement has begun with other options; `train_derived` compares recipes."""
    folder = study_folder(name)
    began = StudyConfig.begun(folder)
    if began is not None and isinstance(began.proposal, Grid):
        now = _options(grid)
        options: dict[str, tuple[object, object]] = {
            option: (value, now[option]) for option, value in _options(began.proposal).items()
        }
        require_same(f"the measurement {name!r}", options, f"to begin another, remove {folder}")


def _options(grid: Grid) -> dict[str, object]:
    """Return the options of a grid."""
    networks, trainings = (axis.values for axis in grid.axes)
    short = [name.partition(" ")[0] for name in trainings if name != FULL]
    full = next(cell.recipe for cell in grid.cells if cell.values[TRAINING] == FULL)
    return {
        "--archs": len(networks),
        "--short": ",".join(dict.fromkeys(short)),
        "--epochs": full.epochs,
    }


def _judged(
    base: BegunStudy,
    asked: FidelityOptions,
    grid: Grid,
    measured: Outcomes,
    command: str,
    finished: bool,
) -> Fidelity:
    """Compare the rankings as far as they are known, without a recommendation."""
    networks, trainings = (axis.values for axis in grid.axes)
    rankings = ShortRankings(
        measured,
        fully_measured(networks, trainings, asked.seeds, measured),
        asked.short,
        asked.epochs,
        asked.seeds,
        asked.top,
        derive_seed(base.config.seed, "calibrate", "bootstrap"),
        base.config.metric,
    )
    sizes = [count_params(cell.arch) for cell in grid.cells]
    return Fidelity(
        study=base.name,
        version=__version__,
        metric=base.config.metric,
        command=command,
        finished=finished,
        archs=asked.archs,
        n=len(rankings.networks),
        params=(min(sizes), max(sizes)),
        seeds=asked.seeds,
        short=asked.short,
        epochs=asked.epochs,
        recipe=str(asked.recipe),
        top=asked.top,
        rows=rankings.rows(),
        recommended=None,
    )


def _measured(trained: BegunStudy, storage: str | None) -> Outcomes:
    """Read the measurements; a duplicate has those of its original."""
    config = trained.config
    trials = trained.trials(storage if config.storage else None)
    return {
        (row[axis_column(NETWORK)], row[axis_column(TRAINING)], row["seed"]): measured
        for row in trial_table(config, trials).to_dict("records")
        if (measured := Outcome.of(trials[row["measured"]])) is not None
    }


MOST_DRAWS = 20_000
"""Random draws after which no more are looked for."""
ENOUGH = 50
"""Feasible draws to choose each architecture from."""
TRIMMED = 0.025
"""Share of draws at each end that is left out: a lone tiny network would be ranked by anything."""


def spread_archs(config: StudyConfig, space: Space, count: int) -> list[Arch]:
    """Choose N feasible architectures, evenly by ratio of parameters, the smallest first.

    Their range is that of random draws within the budget, without the outermost. A study has the
    same architectures each time.

    Raises:
        InputError: If fewer than N are found.
    """
    drawn = sorted(_feasible(config, space, ENOUGH * count), key=count_params)
    if len(drawn) < count:
        raise InputError(
            f"--archs must be at most {len(drawn)}, the different networks of at most "
            f"{describe_limits(config.all_limits)} that {MOST_DRAWS:,} draws from the study's "
            f"space have, got {count}"
        )
    cut = math.floor(TRIMMED * len(drawn))
    kept = drawn[cut : len(drawn) - cut] if len(drawn) - 2 * cut >= count else drawn
    sizes = [math.log(count_params(arch)) for arch in kept]
    return [kept[place] for place in sorted(_nearest(sizes, count))]


def _nearest(sizes: list[float], count: int) -> list[int]:
    """Return the indices of the sizes nearest to evenly spaced ones, each once."""
    left, chosen = set(range(len(sizes))), []
    for number in range(count):
        target = sizes[0] + (sizes[-1] - sizes[0]) * number / (count - 1)
        nearest = min(left, key=lambda place: (abs(sizes[place] - target), place))
        left.remove(nearest)
        chosen.append(nearest)
    return chosen


def _feasible(config: StudyConfig, space: Space, enough: int) -> list[Arch]:
    """Draw at random until there are enough within the budget, or for `MOST_DRAWS` draws."""
    # the command's name until 0.6: another name would draw other networks
    suggester = RandomSuggester(derive_seed(config.seed, "calibrate"))
    size, facts = config.data.image_size, config.facts
    found: dict[str, Arch] = {}
    for _ in range(MOST_DRAWS):
        arch = space.draw(suggester, facts.channels, len(facts.classes)).arch
        if fits(config.all_limits, arch, size):
            found.setdefault(arch.digest(), arch)
            if len(found) == enough:
                break
    return list(found.values())

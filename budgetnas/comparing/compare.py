"""`compare`: what gave the accuracy, the recipe, the architecture, the search, or luck."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from optuna.trial import TrialState

from budgetnas._version import __version__
from budgetnas.analysis import WINNER, chosen, decompose, trial_table
from budgetnas.comparing.asked_calibration import calibrated_space
from budgetnas.comparing.asked_comparison import AskedComparison
from budgetnas.comparing.derived import Means, derived_name, derived_trials, train_grid
from budgetnas.comparing.entrants import Entrants, entrants, train_random
from budgetnas.events import Notice, Watcher, each_once, nobody
from budgetnas.progress import SearchProgress, shows
from budgetnas.recipe import Recipe
from budgetnas.space import Grid
from budgetnas.study.begun import BegunStudy, find_begun
from budgetnas.study.comparison import Comparison
from budgetnas.study.config import About, StudyConfig, require_same
from budgetnas.study.place import config_path, study_folder
from budgetnas.study.trial_record import TrialRecord
from budgetnas.study.trials import tally

VARIANT = "comparison"
"""What its trainings are called, and their folder in the study's."""
SOON = 1e-9
"""Seconds that are left where none are."""


@shows(SearchProgress)
def compare(
    study: str | None = None,
    *,
    seeds: int | None = None,
    epochs: int | None = None,
    recipe: Recipe | str | None = None,
    random: int | None = None,
    data_dir: str | Path | None = None,
    storage: str | None = None,
    device: str = "auto",
    timeout: float | None = None,
    workers: int | str = 1,
    watch: Watcher | None = None,
    show_progress: bool = True,
) -> Comparison:
    """Train a search's winner, baselines and the best of random networks alike; tell them apart.

    All are trained with the first seed, then all with the second, on the search's own images and
    split; no test image is seen. What has begun is continued as it began, with more seeds if that
    is asked for. What comes out is written to comparison.json in the study's folder, and shown in
    its report.

    Args:
        study: The search; the only study, else the newest.
        seeds: With how many seeds each network is trained; 3.
        epochs: Instead of the recipe's.
        recipe: How to train; `full` for 30 epochs by default. Fields that a trial had drawn
            replace those of a named recipe.
        random: How many networks to draw at random and train as the search's trials are, of which
            the best is compared; as many as the search has trained by default, 0: none.
        data_dir: Where the study's images are now, if they have been moved.
        storage: SQLAlchemy URL of the study's storage, if it is not what the study remembers.
        device: auto, cpu, cuda or cuda:N.
        timeout: Seconds after which it stops at the next epoch.
        workers: How many trainings at once, or auto.
        watch: Told what happens, instead of showing it.
        show_progress: Show on stderr how far it is; False to be silent.

    Raises:
        InputError: If what is asked can't be.
        SearchFailed: After five failed random networks in a row.
        KeyboardInterrupt: As it came; everything finished is kept.
    """
    watch = watch or nobody
    asked = AskedComparison(seeds, epochs, recipe, random)
    base = find_begun(study)
    calibrated_space(base)
    derived_name(base, VARIANT)
    if base.guessed:
        watch(Notice(f"study {base.name}"))
    winner = chosen(base, base.trials(storage), storage, "to compare").trial
    means = _ending_together(Means(data_dir, storage, device, timeout, workers, each_once(watch)))
    began = _began(base)
    if began is not None:
        return _again(base, asked, *began, winner, means())
    return _anew(base, asked, winner, means)


def _ending_together(means: Means) -> Callable[[], Means]:
    """Give each of several trainings the seconds that are left then."""
    if means.timeout is None or not means.timeout > 0:  # which is refused later
        return lambda: means
    deadline = time.monotonic() + means.timeout
    return lambda: replace(means, timeout=max(SOON, deadline - time.monotonic()))


def _began(base: BegunStudy) -> tuple[StudyConfig, Comparison] | None:
    """Find the comparison that a study has, once it is settled who takes part."""
    folder = study_folder(derived_name(base, VARIANT))
    kept = Comparison.read(base.folder)
    if kept is None or not config_path(folder).is_file():
        return None
    return StudyConfig.read(folder), kept


def _anew(
    base: BegunStudy, asked: AskedComparison, winner: TrialRecord, means: Callable[[], Means]
) -> Comparison:
    """Train random networks, settle who takes part, and compare."""
    now = means()
    trials = base.trials(now.storage)
    count = tally(trials).trained if asked.random is None else asked.random
    command = asked.command(base.name, count, now.data_dir)
    found = train_random(base, count, command, now)
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
        recipe=asked.recipe_name,
        metric=base.config.metric,
        largest_class=base.config.facts.largest_share,
        notes=settled.notes if found.finished else (),
    )
    kept.write(base.folder)  # before its trainings begin: whoever goes on with them needs it
    return _compared(base, settled, kept, means()) if found.finished else kept


def _again(
    base: BegunStudy,
    asked: AskedComparison,
    began: StudyConfig,
    kept: Comparison,
    winner: TrialRecord,
    means: Means,
) -> Comparison:
    """Go on with the networks that it began with, with more seeds if that is asked for."""
    grid = began.proposal
    assert isinstance(grid, Grid), "a comparison is a grid"
    way_out = f"remove {study_folder(began.name)}"
    _require_same(base, asked, began, kept, f"to begin another, {way_out}")
    if winner.number != kept.winner:
        best = f"trial {winner.number}, now the best of {base.name}"
        text = f"{best}, is not the {WINNER} here, trial {kept.winner}; to compare anew, {way_out}"
        means.watch(Notice(text))
    seeds = asked.seeds or grid.seeds
    command = re.sub(r"--seeds \d+", f"--seeds {seeds}", kept.command)
    adapted = [began.about.adapted] if began.about.adapted else []
    settled = Entrants(grid.changed(seeds=seeds), began.recipe, adapted, kept.notes)
    return _compared(base, settled, kept.changed(command=command, seeds=seeds), means)


def _require_same(
    base: BegunStudy, asked: AskedComparison, began: StudyConfig, kept: Comparison, way_out: str
) -> None:
    """Refuse another comparison, and say in its options what differs."""
    recipe = asked.recipe_for(base.config)[0] if asked.recipe is not None else None
    options: dict[str, tuple[object, object]] = {
        "--epochs": (began.recipe.epochs, asked.epochs),
        "--recipe": (began.recipe, recipe),
        "--random": (kept.random, asked.random),
    }
    given = {name: both for name, both in options.items() if both[1] is not None}
    require_same(f"the comparison {began.name!r}", given, way_out)


def _compared(base: BegunStudy, settled: Entrants, kept: Comparison, means: Means) -> Comparison:
    """Train all networks, or go on with that, and sum up."""
    about = About(
        question=f"What gave the accuracy of {base.name}'s winner?", command=kept.command
    )
    for note in settled.notes:
        means.watch(Notice(note))
    result = train_grid(base, VARIANT, settled.grid, settled.recipe, about, means, settled.adapted)
    config, trials = derived_trials(base, VARIANT, means.storage)
    judged = decompose(config, trial_table(config, trials), kept.trials)
    found = kept.changed(
        finished=result.stopped == "trials",
        rows=judged.rows,
        parts=judged.parts,
        luck=judged.luck,
    )
    found.write(base.folder)
    return found

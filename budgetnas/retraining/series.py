"""`retrain_seeds`: one architecture retrained several times, each time with another seed.

The first run is what `retrain` makes: its seed is the study's, or what is asked for. Run k, in a
folder called as the first one's with `-seedk`, has `derive_seed(seed, "seeds", k)`, and else is
defined as the first one is. Each opens the test part once, at its end.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from budgetnas.analysis import pooled
from budgetnas.errors import InputError
from budgetnas.events import Notice, Watcher, each_once
from budgetnas.progress import RetrainProgress, verb
from budgetnas.retraining.begin import load_again, reseeded, runs_of
from budgetnas.retraining.options import SeedsOptions
from budgetnas.retraining.retrain import RESULT, origin_of, retrain, run_in
from budgetnas.retraining.run import RunConfig, RunResult
from budgetnas.seeds import derive_seed
from budgetnas.train import choose_device

_MEMBER = re.compile(r"(.+)-seed[1-9]\d*", re.ASCII)


@dataclass(frozen=True)
class SeedsResult:
    """Finished retrainings that differ in their seed, as `--json` prints them."""

    runs: tuple[RunResult, ...]
    """Each of them."""

    @property
    def accuracies(self) -> list[float]:
        """Their test accuracies, in [0, 1]."""
        return [run.test_accuracy for run in self.runs]

    @property
    def mean(self) -> float:
        """The mean of their test accuracies, in [0, 1]."""
        return fmean(self.accuracies)

    @property
    def margin(self) -> float:
        """Half the mean's 95 % interval over seeds (Student's t)."""
        return pooled([self.accuracies], self.runs[0].test_images).of_mean(len(self.runs))

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        first = self.runs[0]
        return {
            "runs": [run.as_json() for run in self.runs],
            "mean": self.mean,
            "margin": self.margin,
            "n": len(self.runs),
            "params": first.params,
            "macs": first.macs,
        }


@verb(SeedsOptions, RetrainProgress)
def retrain_seeds(options: SeedsOptions, watch: Watcher) -> SeedsResult:
    """Retrain one architecture with several seeds, one after the other.

    The seed is the first run's, all others are derived from it. `out` is the first run's folder,
    the others' are called after it. To resume is to finish what was interrupted, and to go on
    until there are so many runs; a single run is gone on with, too.

    Raises:
        InputError: If what is asked can't be.
        TrialFailed: If a training diverges or does not fit into memory.
        KeyboardInterrupt: As it came; every finished epoch is kept.
    """
    seeds, resume, out = options.seeds, options.resume, options.out
    if seeds < 2:
        raise InputError(f"--seeds must be at least 2 for a mean and its interval, got {seeds}")
    watch = each_once(watch)  # each run has the same to say of the same images
    if resume:
        out = first_of(out) if out else _unfinished(options.target, options.study, seeds, watch)
    elif out:
        _require_new(out, seeds)
    results = [retrain(options.model_copy(update={"out": out}), watch=watch)]
    first = Path(results[0].run)
    for number in range(1, seeds):
        own, folder = seed_of(RunConfig.read(first).seed, number), member(first, number)
        watch(Notice(f"seed {number + 1} of {seeds}: {own}"))
        if resume and (folder / "run.json").is_file():
            given = None if options.seed is None else own
            again = options.model_copy(update={"out": folder, "seed": given})
            results.append(retrain(again, watch=watch))
            continue
        began, images = load_again(RunConfig.read(first), options.data_dir, watch)
        config, device = reseeded(began, own, images), choose_device(options.device)
        results.append(run_in(config, images, folder, device, [], watch))
    return SeedsResult(tuple(results))


def seed_of(seed: int, number: int) -> int:
    """Return the seed of the run of this number, counted from 0, in a series from this seed."""
    return derive_seed(seed, "seeds", number) if number else seed


def member(first: Path, number: int) -> Path:
    """Return the folder of a later run of the series that begins in a folder."""
    return first.with_name(f"{first.name}-seed{number}")


def first_of(folder: Path) -> Path:
    """Return the folder of the first run of a series: `member` undone."""
    name = _MEMBER.fullmatch(folder.name)
    first = folder.with_name(name[1]) if name else folder
    return first if (first / "run.json").is_file() else folder


def _require_new(out: Path, seeds: int) -> None:
    """Refuse to begin where later runs would go on with something else."""
    for folder in (member(out, number) for number in range(1, seeds)):
        if folder.exists():
            raise InputError(
                f"--out must be a new folder, and so those named after it (or give --resume), "
                f"got {folder}"
            )


def _unfinished(target: str, study: str | None, seeds: int, watch: Watcher) -> Path:
    """Find the newest run of a target from which there are not yet so many finished ones."""
    origin, base = origin_of(target, study)
    if origin and origin.guessed:
        watch(Notice(f"study {origin.name}"))
    for folder in runs_of(base, target):
        series = [folder, *(member(folder, number) for number in range(1, seeds))]
        if folder == first_of(folder) and not all((run / RESULT).is_file() for run in series):
            return folder
    raise InputError(
        f"no run of {target!r} in ./{base} that has fewer than {seeds} seeds, to go on with"
    )

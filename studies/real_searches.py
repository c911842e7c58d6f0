"""Search for real with and without stopping early, and with another sampler; retrain the winners.

    python studies/real_searches.py --data-dir data/cifar10-half [--seeds 5] [--sampler-seeds 3]

Each search is `budgetnas search` on small images, as its user types it; what differs is the pruner
or the sampler. The network that each takes for the best is then trained as a final one is, longer
and with several seeds, all interleaved: a mean over seeds of its validation accuracy is what the
search has found. Test images are never seen. Interrupted, the same call goes on. Writes
searches.csv and README.md to studies/real-searches/results.
"""

import argparse
import math
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from optuna.trial import FrozenTrial
from program import budgetnas, interval, provenance, read, train

from budgetnas.analysis import axis_column, best_trial
from budgetnas.arch import Arch, count_params
from budgetnas.data import DataSource
from budgetnas.recipe import load_recipe
from budgetnas.report import read_report
from budgetnas.space import Axis, Cell, Grid
from budgetnas.study.options import as_budget

NAME = "real-searches"
RESULTS = Path("studies") / NAME / "results"
BUDGET, TRIALS, SIZE, IMAGES = "40k", 30, 12, 2_000
EPOCHS, SEEDS = 18, 3
"""How a winner is retrained."""
RANDOM, RIVAL = "random", "tpe"


@dataclass(frozen=True)
class Run:
    """One search."""

    pruner: str
    sampler: str
    seed: int

    @property
    def name(self) -> str:
        """The study."""
        return f"{NAME}-{self.pruner}-{self.sampler}-{self.seed}"


@dataclass(frozen=True)
class Found:
    """What a search takes for the best, and after how many epochs."""

    run: Run
    equal: bool
    """Whether it is after as many epochs as the other sampler had, too."""
    trained: int
    epochs: int
    value: float
    arch: Arch


def main() -> None:
    """Search, retrain, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-dir", required=True, help="a folder of images")
    parser.add_argument("--seeds", type=int, default=5, help="with and without halving")
    parser.add_argument("--sampler-seeds", type=int, default=3, help="of the other sampler")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    runs = list(planned(asked.seeds, asked.sampler_seeds))
    for run in runs:
        search(run, asked.data_dir, asked.workers)
    found = list(winners(runs))
    table = retrained(found, asked.data_dir, asked.workers)
    RESULTS.mkdir(parents=True, exist_ok=True)
    table.to_csv(RESULTS / "searches.csv", index=False)
    (RESULTS / "README.md").write_text(describe(table))


def planned(seeds: int, sampler_seeds: int) -> Iterator[Run]:
    """List the searches."""
    for seed in range(seeds):
        yield Run("halving", RANDOM, seed)
        yield Run("none", RANDOM, seed)
        if seed < sampler_seeds:
            yield Run("halving", RIVAL, seed)


def search(run: Run, data_dir: str, workers: int) -> None:
    """Search once, or go on."""
    budgetnas(
        [
            "search", "--study", run.name, "--budget", BUDGET, "--trials", str(TRIALS),
            "--dataset", "folder", "--data-dir", data_dir, "--image-size", str(SIZE),
            "--train-samples", str(IMAGES), "--pruner", run.pruner, "--sampler", run.sampler,
            "--seed", str(run.seed), "--workers", str(workers),
        ]
    )  # fmt: skip


def winners(runs: list[Run]) -> Iterator[Found]:
    """Say what each search takes for the best; samplers also after equally many epochs."""
    trials = {run: read_report(run.name).trials for run in runs}
    for run in runs:
        yield taken(run, trials[run], math.inf)
        rival = Run("halving", RIVAL, run.seed)
        if run == Run("halving", RANDOM, run.seed) and rival in trials:
            equal = min(epochs_of(trials[run]), epochs_of(trials[rival]))
            yield replace(taken(run, trials[run], equal), equal=True)
            yield replace(taken(rival, trials[rival], equal), equal=True)


def epochs_of(trials: list[FrozenTrial]) -> int:
    """Return the epochs that were trained."""
    return sum(len(trial.intermediate_values) for trial in trials)


def taken(run: Run, trials: list[FrozenTrial], most: float) -> Found:
    """Say what is the best of the trials that so many epochs hold, in the order they ended."""
    ended = [trial for trial in trials if trial.intermediate_values]
    within: list[FrozenTrial] = []
    for trial in sorted(ended, key=lambda trial: trial.datetime_complete or trial.number):
        if epochs_of([*within, trial]) > most:
            break
        within.append(trial)
    best = best_trial(within)
    assert best is not None, "something was completed"
    return Found(run, False, len(within), epochs_of(within), float(best.value or 0), best.arch)


def retrained(found: list[Found], data_dir: str, workers: int) -> pd.DataFrame:
    """Train the winners, each network once a seed; return a row a search and number of epochs."""
    recipe = load_recipe("full").changed(epochs=EPOCHS)
    archs = {each.arch.digest(): each.arch for each in found}
    cells = tuple(
        Cell(values={"network": digest}, arch=arch, recipe=recipe)
        for digest, arch in archs.items()
    )
    axis = Axis(name="network", values=tuple(archs))
    grid = Grid(axes=(axis,), cells=cells, seeds=SEEDS)
    name, question = f"{NAME}/winners", "How good are the winners, trained as final networks are?"
    images = read(name, DataSource.choose("folder", data_dir, SIZE), IMAGES)
    train(name, images, recipe, grid, as_budget(BUDGET), question, workers)
    trained = read_report(name).table
    accuracy = trained.groupby(axis_column("network"))["val_accuracy"].mean()
    return pd.DataFrame(
        {
            **each.run.__dict__, "equal": each.equal,
            "trained": each.trained, "epochs": each.epochs,
            "val_accuracy": each.value, "params": count_params(each.arch),
            "retrained": accuracy[each.arch.digest()], "arch": each.arch.to_json(),
        }
        for each in found
    )  # fmt: skip


def describe(table: pd.DataFrame) -> str:
    """Write the page."""
    command = shlex.join(["python", "studies/real_searches.py", *sys.argv[1:]])
    whole, cut = table[~table.equal], table[table.equal]
    halving = whole[(whole.pruner == "halving") & (whole.sampler == RANDOM)]
    none = whole[whole.pruner == "none"]
    rival = whole[whole.sampler == RIVAL]
    same = halving[halving.seed.isin(rival.seed)]
    lines = [
        "# Real searches: stopping early or not, one sampler or another",
        "",
        f"    {command}",
        "",
        provenance("CPU, 2 workers of 1 thread", 0, f"n = {len(halving)} searches, seeds from 0"),
        "",
        f"{TRIALS} trained trials under {BUDGET} parameters, {IMAGES:,} images of CIFAR-10-JPEG "
        f"at {SIZE} x {SIZE} pixels, validated on 2,500. Each winner was retrained with `full` "
        f"for {EPOCHS} epochs and {SEEDS} seeds; accuracies are means of those on validation "
        "images, ± 95 % intervals over searches. searches.csv has every winner.",
        "",
        f"Halving: {halving.epochs.mean():.0f} epochs a search, {none.epochs.mean():.0f} without: "
        f"{halving.epochs.sum() / none.epochs.sum():.2f} times as many. Winners retrained: "
        f"{interval(list(halving.retrained))} % and {interval(list(none.retrained))} %, a "
        f"difference of {difference(halving, none)} points.",
    ]
    if len(rival) > 1:
        lines += [
            "",
            f"{RIVAL} and {RANDOM}, both with halving, {len(rival)} searches: "
            f"{difference(rival, same)} points for {rival.epochs.mean():.0f} and "
            f"{same.epochs.mean():.0f} epochs a search; after equally many epochs "
            f"{difference(*(cut[cut.sampler == name] for name in (RIVAL, RANDOM)))} points.",
        ]
    return "\n".join(lines) + "\n"


def difference(one: pd.DataFrame, other: pd.DataFrame) -> str:
    """Write by how much one kind's winners are better, seed by seed."""
    pair = one.set_index("seed").retrained - other.set_index("seed").retrained
    return interval(list(pair))


if __name__ == "__main__":
    Path("studies").mkdir(exist_ok=True)
    main()

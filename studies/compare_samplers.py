"""Compare proposals, samplers and stopping early on the surrogate, and write what came out.

    python studies/compare_samplers.py [--seeds 10]

Each search is the program's own loop for 100 trained trials; only the training is the surrogate's.
What a search has found is the accuracy, in the mean over seeds, of the trial that it takes for the
best, so that luck counts for nothing.
"""

import argparse
import sys
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
from program import interval, provenance
from surrogate import EPOCHS, FOLDS, MODELS, fitted, held_out_tau, learnable, read_table, search_on
from surrogate import Surrogate as SurrogateModel

from budgetnas.space import DEFAULT_SAMPLER, PROPOSALS
from budgetnas.trials import SAMPLERS

RESULTS = Path("studies/small-networks/results")
TRIALS = 100
BEYOND = "ridge"
"""The model at budgets beyond every network of the table: a trend goes on, a Gaussian process goes
back to the mean."""
EQUAL = 300
"""Epochs that samplers are compared at: what about 100 trials have with halving."""


@dataclass(frozen=True)
class Run:
    """One search."""

    proposal: str
    sampler: str
    pruner: str
    budget: str
    seed: int
    trials: int = TRIALS
    model: str = "gp"


@lru_cache
def _surrogate(model: str) -> SurrogateModel:
    warnings.simplefilter("ignore")
    return fitted(model, read_table())


def measure(run: Run) -> dict[str, object]:
    """Search once."""
    warnings.simplefilter("ignore")
    proposal = PROPOSALS[run.proposal](sampler=run.sampler, presets=False)
    done = search_on(
        _surrogate(run.model),
        proposal,
        run.budget,
        trials=run.trials,
        seed=run.seed,
        pruner=run.pruner,
    )
    return {
        **run.__dict__, "feasible": done.feasible_share, "epochs": done.epochs,
        "found": done.found(), "found_at_equal_epochs": done.found(EQUAL),
    }  # fmt: skip


def main() -> None:
    """Run all searches, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--samplers", default=",".join(SAMPLERS), help="gp takes the longest")
    asked = parser.parse_args()
    samplers = asked.samplers.split(",")
    table = search_all(list(planned(range(asked.seeds), samplers)), asked.workers)
    (RESULTS / "README.md").write_text(describe(table, asked.seeds, samplers))


def search_all(runs: list[Run], workers: int) -> pd.DataFrame:
    """Search as often as is not in the table yet, and keep each in it."""
    path = RESULTS / "searches.csv"
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    keys = Run.__dataclass_fields__.keys()
    done = {tuple(row[key] for key in keys) for row in rows}
    missing = [run for run in runs if astuple(run) not in done]
    with ProcessPoolExecutor(workers) as pool:
        for number, row in enumerate(pool.map(measure, missing), start=1):
            rows.append(row)
            pd.DataFrame(rows).to_csv(path, index=False)
            sys.stderr.write(f"{number} of {len(missing)}: {row}\n")
    return pd.DataFrame(rows).sort_values("seed", kind="stable")


def planned(seeds: Iterable[int], samplers: Sequence[str]) -> Iterable[Run]:
    """List the searches."""
    for seed in seeds:
        for proposal in PROPOSALS:
            for budget in ("5M", "1M", "200k"):
                yield Run(proposal, "tpe", "none", budget, seed, model=BEYOND)
            yield Run(proposal, "tpe", "none", "200k", seed)
        for sampler in samplers:
            yield Run("fill", sampler, "halving", "200k", seed, trials=130)
        for pruner in ("none", "halving"):
            yield Run("fill", DEFAULT_SAMPLER, pruner, "200k", seed)


def paired(one: pd.Series, other: pd.Series) -> str:
    """Write the mean difference of two lists in points, seed by seed, with its interval."""
    return interval(list(one.to_numpy() - other.to_numpy()))


def describe(table: pd.DataFrame, seeds: int, samplers: Sequence[str]) -> str:
    """Write the page."""
    networks = read_table()
    lines = [
        "# Small networks, and searches on a surrogate of their training",
        "",
        f"networks.csv: {networks['arch'].nunique()} networks of the default space, 8k to 220k "
        f"parameters, trained as trials are ({EPOCHS} epochs of `short`, batch 64) on 2,000 "
        "images of CIFAR-10-JPEG at 12 x 12 pixels, validated on 2,500; "
        f"{len(networks)} trainings. Every epoch is in it.",
        "",
        "    python studies/small_networks.py --data-dir data/cifar10-half --seeds 2",
        f"    python studies/compare_samplers.py --seeds {seeds} --samplers {','.join(samplers)}",
        "",
        provenance("CPU, 2 threads", 0, f"n = {seeds} searches of each kind, seeds from 0"),
        *surrogate_lines(networks),
        *proposal_lines(table),
        *sampler_lines(table, samplers),
        *halving_lines(table),
    ]
    return "\n".join(lines) + "\n"


def surrogate_lines(networks: pd.DataFrame) -> list[str]:
    """Say how well each model predicts networks that it has not seen."""
    x, y = learnable(networks)
    lines = [
        "",
        "## The surrogate",
        "",
        f"Kendall's tau of predicted and measured accuracy after epoch {EPOCHS}, for networks not "
        f"seen ({FOLDS} folds), 95 % interval by resampling networks:",
        "",
        "| model | tau |",
        "|---|---|",
    ]
    for name in MODELS:
        tau, low, high = held_out_tau(name, x, y, 300)
        lines.append(f"| {name} | {tau:.2f} ({low:.2f} to {high:.2f}) |")
    beyond = f"At 1M and 5M a surrogate extrapolates beyond every network it has seen: {BEYOND}."
    return [*lines, "", beyond]


def proposal_lines(table: pd.DataFrame) -> list[str]:
    """Compare the ways to draw."""
    lines = [
        "",
        f"## Fill or free (tpe, no pruner, {TRIALS} trained)",
        "",
        "| budget, model | feasible draws, fill | free | found, fill, % | free | gain, points |",
        "|---|---|---|---|---|---|",
    ]
    unstopped = table[(table.pruner == "none") & (table.sampler == "tpe")]
    for budget, model in (("5M", BEYOND), ("1M", BEYOND), ("200k", BEYOND), ("200k", "gp")):
        those = unstopped[(unstopped.budget == budget) & (unstopped.model == model)]
        fill, free = (those[those.proposal == each] for each in ("fill", "free"))
        lines.append(
            f"| {budget}, {model} | {fill.feasible.mean():.1%} | {free.feasible.mean():.1%} "
            f"| {interval(list(fill.found))} | {interval(list(free.found))} "
            f"| {paired(fill.found, free.found)} |"
        )
    return lines


def sampler_lines(table: pd.DataFrame, samplers: Sequence[str]) -> list[str]:
    """Compare samplers with drawing at random."""
    halved = table[table.trials > TRIALS]
    chance = halved[halved.sampler == "random"].found_at_equal_epochs
    lines = [
        "",
        f"## Samplers at equal epochs ({EQUAL}; fill, halving, 200k)",
        "",
        "| sampler | found, % | over random, points |",
        "|---|---|---|",
    ]
    for sampler in samplers:
        values = halved[halved.sampler == sampler].found_at_equal_epochs
        lines.append(f"| {sampler} | {interval(list(values))} | {paired(values, chance)} |")
    return lines


def halving_lines(table: pd.DataFrame) -> list[str]:
    """Say what halving saves and costs."""
    whole = table[(table.trials == TRIALS) & (table.sampler == DEFAULT_SAMPLER)]
    full, half = (whole[whole.pruner == pruner] for pruner in ("none", "halving"))
    return [
        "",
        f"## Halving or every epoch (fill, {DEFAULT_SAMPLER}, 200k, {TRIALS} trained)",
        "",
        f"Epochs: {half.epochs.mean():.0f} with halving, {full.epochs.mean():.0f} without: "
        f"{half.epochs.mean() / full.epochs.mean():.2f} times as many. Found: "
        f"{interval(list(half.found))} % and {interval(list(full.found))} %, a difference of "
        f"{paired(half.found, full.found)} points.",
    ]


if __name__ == "__main__":
    main()

"""Measure the main job on a folder of images, in one call, and write what came out as tables.

    python studies/measure.py NAME --data-dir data/cifar10 --budget 100k --trials 15 \
        --retrain-epochs 10 --against modified-resnet-small -- --train-samples 10000 --epochs 5

searches (the words after -- go to `budgetnas search`), retrains the winner and the preset that it
is compared with, under one recipe and number of epochs, and writes trials.csv, retrained.csv and
README.md to studies/NAME/results. Interrupted, the same call goes on.
"""

import argparse
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from program import budgetnas, provenance, retrain

COLUMNS = ("params", "macs", "excess", "val_accuracy", "val_loss", "epochs", "seconds", "arch")


def main() -> None:
    """Search, retrain twice, write the tables."""
    asked = parse()
    data = ["--dataset", "folder", "--data-dir", asked.data_dir]
    search = ["search", "--study", asked.name, "--budget", asked.budget, "--trials", asked.trials]
    commands = [[*search, *data, *asked.search]]
    found = budgetnas(commands[0])
    retrained = []
    for target in ("best", asked.against):
        words = [target, "--study", asked.name, "--epochs", asked.retrain_epochs]
        commands.append(["retrain", *words])
        retrained.append(retrain(words, Path("studies") / asked.name / "runs" / target))
    results = Path("studies") / asked.name / "results"
    results.mkdir(exist_ok=True)
    trials = trial_table(found)
    trials.to_csv(results / "trials.csv", index=False)
    runs = pd.DataFrame(retrained).drop(columns=["run", "study", "test_openings"])
    runs.to_csv(results / "retrained.csv", index=False)
    (results / "README.md").write_text(describe(asked, commands, trials, runs))
    print((results / "README.md").read_text())


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--title", default="CIFAR-10-JPEG", help="what the data is called")
    parser.add_argument("--budget", required=True)
    parser.add_argument("--trials", required=True)
    parser.add_argument("--retrain-epochs", required=True)
    parser.add_argument("--against", required=True, help="a preset to retrain beside the winner")
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    asked = parser.parse_args(words[:cut])
    asked.search = words[cut + 1 :]
    return asked


def trial_table(found: dict[str, Any]) -> pd.DataFrame:
    """One row a trial."""
    study = optuna.load_study(study_name=found["study"], storage=found["storage"])
    rows = [
        {"number": t.number, "state": t.state.name, **{c: t.user_attrs.get(c) for c in COLUMNS}}
        for t in study.trials
    ]
    return pd.DataFrame(rows)


def describe(
    asked: argparse.Namespace, commands: list[list[str]], trials: pd.DataFrame, runs: pd.DataFrame
) -> str:
    """Put the commands, the commit, the hardware and n beside the numbers."""
    seed = tomllib.loads((Path("studies") / asked.name / "study.toml").read_text())["seed"]
    trained = trials[trials["epochs"].notna()]
    listed = "\n".join(f"    budgetnas {shlex.join(words)}" for words in commands)
    per_epoch = trained["seconds"] / trained["epochs"]
    rows = [
        f"| {run['target']} | {run['params']:,} | {run['macs']:,} | {run['test_accuracy']:.2%} "
        f"| {run['seconds']:.0f} |"
        for _, run in runs.iterrows()
    ]
    return "\n".join(
        [
            f"# {asked.title}, at most {asked.budget} parameters",
            "",
            listed,
            "",
            provenance(runs["device"][0], seed),
            "",
            f"{len(trained)} trials trained, {(trials['excess'] > 0).sum()} draws over the budget "
            f"and never trained. Seconds a trial: median {trained['seconds'].median():.1f}, an "
            f"epoch: median {per_epoch.median():.1f}.",
            "",
            f"Retrained for {asked.retrain_epochs} epochs each with the recipe `full`, tested "
            f"once after the last epoch on {runs['test_images'][0]:,} images:",
            "",
            "| network | params | MACs | test accuracy | seconds |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()

"""How many trials a search trains in a minute: at 5M parameters, by its defaults.

    PYTHONPATH=.:studies python studies/gpu/search_rate.py --data-dir data/cifar10 --out rate.json

Searches for --seconds and writes a row of how far it came. Begun again in the same folder, the
search goes on and the row is of both. With --smoke it is a tiny search on digits.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import optuna
from program import budgetnas, write_table

from budgetnas.study import StudyConfig, study_folder
from budgetnas.train import choose_device, hardware

STUDY = "search-rate"


def main() -> None:
    """Search, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-dir", default="data/cifar10", help="images in class folders")
    parser.add_argument("--out", type=Path, required=True, help="the table, a JSON file")
    parser.add_argument("--seconds", type=float, default=100.0)
    parser.add_argument("--workers", default="1", help="how many trials at once, or auto")
    parser.add_argument("--smoke", action="store_true")
    asked = parser.parse_args()
    words = ["--dataset", "folder", "--data-dir", asked.data_dir, "--budget", "5M"]
    trials = 1000
    if asked.smoke:
        words = ["--dataset", "digits", "--train-samples", "100", "--budget", "20k", "--epochs",
                 "1"]  # fmt: skip
        trials = 2
    words += ["--study", STUDY, "--trials", str(trials), "--workers", asked.workers]
    begun = time.monotonic()
    found = budgetnas(["search", *words, "--timeout", str(asked.seconds)])
    whole, seconds = time.monotonic() - begun, training_seconds(found)
    row = {
        "budget": words[words.index("--budget") + 1],
        "seconds": whole,
        "training_seconds": seconds,
        "trials": found["trained"],
        "trials_per_minute": rate(found["trained"], seconds),
        "stopped_early": found["pruned"],
        "epochs": found["epochs"],
        "epochs_per_minute": rate(found["epochs"], seconds),
        "failed": found["failed"],
        "best": found["best"] and found["best"]["value"],
        "best_params": found["best"] and found["best"]["params"],
        "stopped": found["stopped"],
    }
    n = "1 search; training_seconds, which the rates are by, from its first trial to its last"
    seed = StudyConfig.read(study_folder(STUDY)).seed
    write_table(asked.out, [row], device=hardware(choose_device("auto")), seeds=[seed], n=n)
    print(asked.out.read_text())


def rate(count: int, seconds: float | None) -> float | None:
    """Return so many a minute."""
    return 60 * count / seconds if seconds else None


def training_seconds(found: dict[str, Any]) -> float | None:
    """Return the seconds from the first trial's beginning to the last one's end."""
    study = optuna.load_study(study_name=found["study"], storage=found["storage"])
    begun = [trial.datetime_start for trial in study.trials if trial.datetime_start]
    ended = [trial.datetime_complete for trial in study.trials if trial.datetime_complete]
    return (max(ended) - min(begun)).total_seconds() if ended else None


if __name__ == "__main__":
    main()

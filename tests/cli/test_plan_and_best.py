"""``budgetnas plan`` and ``budgetnas best`` as they are typed."""

import json
from pathlib import Path

from tests.conftest import Program
from tests.trials.small import run, trials_of


def test_a_plan_names_what_fits_and_how_long_it_takes(budgetnas: Program) -> None:
    ended = budgetnas("plan", "--budget", "100k", "--dataset", "digits", "--trials", 20)
    assert ended.status == 0, ended.err
    held, drawn, sizes, smallest, largest, first, trial, search, *busy = ended.out.splitlines()
    assert held == "The space holds 1,008,208,281,600 architectures."
    assert drawn.startswith("Every draw fits 100k parameters: 200 drawn with seed 0")
    assert "fill 8" in drawn
    assert sizes.startswith("Drawn: 8")
    assert smallest.startswith("Smallest drawn: 8")
    assert largest.startswith("Largest drawn: 99,")
    assert first == (
        "First come the published networks that fit: modified-resnet-small (77,754 parameters)."
    )
    assert all(line.startswith("But this machine is busy: ") for line in busy)
    assert "% of the 180 epochs" in search
    assert trial.startswith("Median trial: ")
    assert "for 9 epochs of digits on CPU" in trial
    assert search.startswith("20 trials: about ")
    assert not Path("studies").exists()


def test_an_impossible_plan_names_the_nearest_change(budgetnas: Program) -> None:
    words = ("plan", "--budget", "100k", "--dataset", "digits", "--max-macs")
    ended = budgetnas(*words, 1000)
    assert ended.status == 0
    assert ended.out.splitlines()[-1] == (
        "Not possible. The nearest change: allow 97,872 multiply-adds, or give a --space with "
        "narrower or fewer stages."
    )
    told = json.loads(budgetnas(*words, 1000, "--json").out)
    assert told["possible"] is False
    assert told["needed"] == {"macs": 97_872}
    assert told["trial_seconds"] is None
    again = json.loads(budgetnas(*words, told["needed"]["macs"], "--json").out)
    assert again["possible"] is True


def test_the_best_for_any_budget(budgetnas: Program) -> None:
    result = run(trials=4, epochs=1, pruner="none", train_samples=200)
    done = [t for t in trials_of(result) if t.value is not None]
    sizes = sorted(t.user_attrs["params"] for t in done)
    limit = sizes[len(sizes) // 2]
    told = json.loads(budgetnas("best", "--budget", limit, "--json").out)
    within = [t for t in done if t.user_attrs["params"] <= limit]
    assert told["best"]["value"] == max(t.value for t in within if t.value is not None)
    assert [step["params"] for step in told["front"]] == sorted(
        {step["params"] for step in told["front"]}
    )
    ended = budgetnas("best")
    assert ended.err == "study digits-12k\n"
    assert ended.out.startswith("Best of at most 12,000 parameters: trial ")
    rule = "Rule: best validation accuracy of the search (no finalists yet)"
    assert rule in ended.out.splitlines()
    assert ended.out.splitlines()[-1].startswith("Next: budgetnas retrain ")
    none = budgetnas("best", "--budget", 10)
    assert (none.status, none.err.splitlines()[-1]) == (
        2,
        "budgetnas: study 'digits-12k' has no completed trial of at most 10 parameters to name "
        "yet",
    )

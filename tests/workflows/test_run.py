"""Study files run on real digits: grids, their seeds, their continuation."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from budgetnas.analysis import best_trial, count_study
from budgetnas.arch import Budget
from budgetnas.errors import InputError
from budgetnas.events import EpochEnded, Estimated, Event
from budgetnas.executors import TrialHistory
from budgetnas.metric import unpack
from budgetnas.runs import RunConfig
from budgetnas.study import Quick, StudyConfig, asked_run
from budgetnas.study.options import RunOptions
from budgetnas.study.trial_record import Kind, TrialRecord
from budgetnas.workflows.retrain import retrain
from budgetnas.workflows.run import run_study
from budgetnas.workflows.search import search
from budgetnas.workflows.work import SearchResult
from tests.trials.small import replay, trials_of

QUICK = Quick(epochs=2, seeds=9, train_samples=100, image_size=8, width=1, batch_size=25)
FILE = """
question = "Which rate?"
command = "budgetnas run studies/which"
time = { cpu = "a minute", gpu = "an hour" }
budget = "20k"
arch = { depths = [1, 1], widths = [8, 16] }
seeds = 2
confusion = true
data = { dataset = "digits" }
"""
RATES = """
[[grid]]
name = "rate"
field = "recipe.optimizer.lr"
values = [0.05, 0.1]
"""
FOLDER = Path("studies/which/quick-digits")


def write(text: str) -> None:
    path = Path("studies/which/study.toml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def run(text: str | None = None, **options: Any) -> SearchResult:
    if text is not None:
        write(text)
    return run_study("which", **{"quick": QUICK, **options})


def kinds(result: SearchResult) -> list[Kind]:
    return [TrialRecord(trial).kind for trial in trials_of(result)]


def measured(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    return {key: value for key, value in trial.user_attrs.items() if key != "seconds"}


def test_every_configuration_with_every_seed_one_seed_after_the_other() -> None:
    result = run(FILE + RATES)
    trials = trials_of(result)
    assert (result.study, result.trained) == ("which/quick-digits", 4)
    assert [trial.params for trial in trials] == [
        {"rate": "0.05", "seed": 0}, {"rate": "0.1", "seed": 0},
        {"rate": "0.05", "seed": 1}, {"rate": "0.1", "seed": 1},
    ]  # fmt: skip
    config = StudyConfig.read(FOLDER)
    assert config.about.question == "Which rate?"
    assert config.about.scaled is not None
    assert config.about.scaled.startswith("2 epochs instead of 9, batches of 25")


def test_a_trial_keeps_its_curves_and_what_is_taken_for_what() -> None:
    result = run(FILE + RATES)
    for trial in trials_of(result):
        said = trial.user_attrs
        assert {name: len(curve) for name, curve in said["curves"].items()} == dict.fromkeys(
            (
                "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy",
                "val_balanced_accuracy",
            ),
            2,
        )  # fmt: skip
        assert said["curves"]["val_accuracy"] == list(trial.intermediate_values.values())
        assert (trial.value, said["selected_epoch"]) == (said["curves"]["val_accuracy"][-1], 2)
        counts = said["confusion"]
        right = sum(counts[label][label] for label in range(10))
        assert right / sum(map(sum, counts)) == trial.value
        val = StudyConfig.read(FOLDER).facts.val
        assert sum(map(sum, counts)) == val
        images = unpack(said["right"], val)
        assert images is not None
        assert images.sum() == right


def test_one_seed_is_the_same_for_all_configurations() -> None:
    """What differs in nothing but its name has the same curves, and another seed has others."""
    same = (
        FILE
        + '[[grid]]\nname = "limit"\nfield = "recipe.clip"\n[grid.values]\n'
        + ('none = "none"\nfar = { name = "norm", limit = 1e6 }')
    )
    first, second, third, _ = trials_of(run(same))
    assert first.user_attrs["curves"] == second.user_attrs["curves"]
    assert first.user_attrs["curves"] != third.user_attrs["curves"]


def test_the_same_configuration_twice_is_trained_once() -> None:
    same = (
        FILE + '[[grid]]\nname = "x"\nfield = "recipe.clip"\nvalues = { a = "none", b = "none" }'
    )
    result = run(same)
    assert kinds(result) == [Kind.TRAINED, Kind.DUPLICATE, Kind.TRAINED, Kind.DUPLICATE]
    assert [t.user_attrs.get("duplicate_of") for t in trials_of(result)] == [None, 0, None, 2]


def test_what_diverges_or_is_over_the_budget_is_an_answer_too() -> None:
    """More failures in a row than a search would bear, and the rest is trained."""
    rates = (
        FILE
        + RATES.replace("0.05", "1e6")
        + (
            '[[grid]]\nname = "blocks"\nfield = "arch.depths"\n[grid.values]\n'
            "one = [1, 1]\ntwo = [2, 1]\nthree = [1, 9]\n"
        )
    )
    result = run(rates, quick=QUICK.changed(seeds=1))
    assert kinds(result) == [Kind.FAILED, Kind.FAILED, Kind.OVER_BUDGET,
                             Kind.TRAINED, Kind.TRAINED, Kind.OVER_BUDGET]  # fmt: skip
    assert "loss must stay finite" in trials_of(result)[0].user_attrs["failure"]
    assert run(quick=QUICK.changed(seeds=1)) == result


def test_more_than_five_failures_do_not_end_a_grid() -> None:
    rates = ", ".join(f"{n}e5" for n in range(4, 10))
    result = run(FILE + RATES.replace("0.05", rates), quick=QUICK.changed(seeds=1))
    assert kinds(result) == [Kind.FAILED] * 6 + [Kind.TRAINED]


def test_the_best_epoch_counts_where_the_file_says_so() -> None:
    quick = QUICK.changed(epochs=5, recipe={"schedule": {"name": "ConstantLR"}})
    result = run('select = "best"\n' + FILE + RATES.replace("0.05", "9.0"), quick=quick)
    for trial in trials_of(result):
        said = trial.user_attrs
        curve = said["curves"]["val_accuracy"]
        assert trial.value == said["val_accuracy"] == max(curve)
        assert curve[said["selected_epoch"] - 1] == max(curve)
        assert said["curves"]["val_loss"][said["selected_epoch"] - 1] == said["val_loss"]
        right = sum(said["confusion"][label][label] for label in range(10))
        val = sum(map(sum, said["confusion"]))
        assert right == round(max(curve) * val)
        images = unpack(said["right"], val)
        assert images is not None, "of the selected epoch"
        assert images.sum() == right
    assert any(t.user_attrs["selected_epoch"] < 5 for t in trials_of(result))


@pytest.mark.parametrize("select", ["last", "best"])
def test_interrupted_in_every_trial_it_is_the_same_study(select: str) -> None:
    text = f'select = "{select}"\n' + FILE + RATES
    run(text)
    whole = [(trial.params, trial.value, measured(trial)) for trial in trials_of(run())]
    for path in sorted(FOLDER.iterdir()):
        path.unlink()

    def watch(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 1 and event.trial not in stopped:
            return
        if isinstance(event, EpochEnded) and event.trial not in stopped:
            stopped.add(event.trial)
            raise KeyboardInterrupt

    stopped: set[int] = set()
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            run(watch=watch)
    result = run(watch=watch)
    pieces = [(trial.params, trial.value, measured(trial)) for trial in trials_of(result)]
    assert pieces == whole
    assert replay(result) == replay(run())


def test_more_seeds_are_more_trials_of_the_same_study() -> None:
    fewer = replay(run(FILE + RATES))
    more = run((FILE + RATES).replace("seeds = 2", "seeds = 3"))
    assert (more.trained, replay(more)[:4]) == (6, fewer)
    assert run((FILE + RATES).replace("seeds = 2", "seeds = 1")).trained == 6


def test_fewer_seeds_and_then_more_repeat_nothing() -> None:
    """Of a single seed, Optuna would not ask which: it would be the first again."""

    def stop(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.trial == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(FILE + RATES, watch=stop)
    assert run((FILE + RATES).replace("seeds = 2", "seeds = 1")).trained == 3
    trials = trials_of(run(FILE + RATES))
    assert [trial.params["seed"] for trial in trials] == [0, 0, 1, 1]
    assert all(TrialRecord(trial).kind is Kind.TRAINED for trial in trials)


def test_the_best_is_the_best_in_the_mean_not_the_luckiest() -> None:
    def trial(number: int, rate: str, seed: int, value: float) -> optuna.trial.FrozenTrial:
        return optuna.trial.create_trial(
            value=value,
            params={"rate": rate, "seed": seed},
            distributions={
                "rate": optuna.distributions.CategoricalDistribution(("a", "b", "c")),
                "seed": optuna.distributions.IntDistribution(0, 9),
            },
            user_attrs={"params": 1, "number": number},
        )

    trials = [
        trial(0, "a", 0, 0.5), trial(1, "b", 0, 0.1), trial(2, "c", 0, 0.9),
        trial(3, "a", 1, 0.6), trial(4, "b", 1, 0.8),
    ]  # fmt: skip
    best = best_trial(trials)
    assert best is not None
    assert best.trial.user_attrs["number"] == 0


def test_what_no_trial_is_to_blame_for_leaves_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("the driver is gone")

    with monkeypatch.context() as patched:
        patched.setattr(TrialHistory, "add", broken)
        with pytest.raises(RuntimeError, match="the driver is gone"):
            run(FILE + RATES)
    assert run().trained == 4


@pytest.mark.estimate
def test_a_finished_grid_is_not_begun_again() -> None:
    run(FILE + RATES.replace("0.05", "1e6"))
    events: list[Event] = []
    result = run(watch=events.append)
    assert (result.trained, result.failed) == (2, 2)
    assert not any(isinstance(event, Estimated) for event in events)


def test_what_recipes_give_up_for_the_images_is_written_down() -> None:
    run(FILE.replace("seeds", 'recipe = "efficient-resnets"\nseeds') + RATES)
    adapted = StudyConfig.read(FOLDER).about.adapted
    assert adapted is not None
    assert "no flips" in adapted
    assert "crops padded by an eighth" in adapted


def test_a_quick_search_is_continued_by_a_search() -> None:
    text = FILE.replace("seeds = 2\n", "") + "[search]\ntrials = 1"
    name = run(text, quick=QUICK.changed(trials=1, train_samples=5_000)).study
    assert StudyConfig.read(FOLDER).train_samples is None
    assert search(trials=2, study=name).trained == 2


def test_a_budget_stays_of_its_cost() -> None:
    text = FILE.replace('"20k"', '{ limit = 10_000_000, cost = "macs" }')
    run(text.replace("seeds = 2\n", "") + "[search]\ntrials = 1", quick=QUICK.changed(width=0.5))
    assert StudyConfig.read(FOLDER).budget == Budget(limit=2_500_000, cost="macs")


def test_a_changed_file_is_refused_with_both_values() -> None:
    run(FILE + RATES)
    with pytest.raises(InputError) as refused:
        run((FILE + RATES).replace("widths = [8, 16]", "widths = [8, 12]"))
    assert "study 'which/quick-digits' can only be continued as it began" in str(refused.value)
    assert "cells 0 arch stages 1 width was 16, now 12" in str(refused.value)
    assert len(str(refused.value)) < 500
    # words are no part of what a study is
    assert run((FILE + RATES).replace("Which rate?", "Which of them?")).trained == 4


def test_what_no_budget_would_let_train_is_refused() -> None:
    with pytest.raises(InputError, match="no network of the grid fits a budget of 10: the small"):
        run((FILE + RATES).replace('"20k"', "10"))
    with pytest.raises(InputError, match="a search's name has no '/'"):
        search("1M", dataset="digits", study="which/mine")


def test_in_full_and_scaled_down_are_two_studies() -> None:
    write(FILE + RATES)
    assert run_study("which", quick=QUICK).study == "which/quick-digits"
    text = (FILE + RATES).replace("seeds = 2", "seeds = 1\nrecipe = { epochs = 1 }")
    assert run(text, quick=False).study == "which/digits"
    config = StudyConfig.read(Path("studies/which/digits"))
    assert (config.about.scaled, config.facts.train) == (None, 1298)


def test_a_search_from_a_file() -> None:
    space = "space = { arch = { stages = 1, width = [8, 16, 200], depth = 1 } }"
    text = FILE.replace("seeds = 2\n", "") + f"[search]\ntrials = 3\nsampler = 'random'\n{space}"
    result = run(text, quick=QUICK.changed(trials=2))
    assert (result.trained, result.study) == (2, "which/quick-digits")
    assert StudyConfig.read(FOLDER).proposal.name == "fill"
    assert run(quick=QUICK.changed(trials=3)).trained == 3


def test_a_trial_of_a_grid_is_retrained_with_its_own_recipe() -> None:
    result = run(FILE + RATES)
    again = retrain("1", study=result.study, epochs=1)
    assert again.study == "which/quick-digits"
    assert RunConfig.read(Path(again.run)).recipe.optimizer.lr == 0.1
    assert RunConfig.read(Path(again.run)).recipe.epochs == 1


def test_a_schedule_that_can_not_run_so_long_says_which() -> None:
    schedule = (
        '[[grid]]\nname = "schedule"\nfield = "recipe.schedule"\n[grid.values]\n'
        'fits = { name = "OneCycleLR", max_lr = 0.1 }\n'
        '"10 x 10" = { name = "OneCycleLR", max_lr = 0.1, total_steps = 100 }\n'
    )
    text = FILE.replace("seeds", "recipe = { epochs = 101 }\nseeds") + schedule
    with pytest.raises(InputError) as refused:
        run(text, quick=False)
    assert str(refused.value).startswith(
        "schedule 10 x 10: the schedule OneCycleLR can't run for 101 epochs (101 moves): "
    )
    assert not Path("studies/which/digits").exists()


def test_networks_that_are_only_counted() -> None:
    text = (
        FILE
        + "train = false\n[[grid]]\nname = 'n'\nfield = 'arch.widths'\n"
        + ("values = { narrow = [8, 16], wide = [64, 128] }")
    )
    write(text)
    counted = count_study("which")
    assert [(net.network, net.feasible) for net in counted.networks] == [
        ("narrow", True), ("wide", False),
    ]  # fmt: skip
    assert counted.networks[1].excess == counted.networks[1].params - 20_000
    with pytest.raises(InputError, match="train = false: its networks are counted, never trained"):
        run()
    assert not FOLDER.exists()


def test_a_study_file_says_how_pictures_become_square() -> None:
    data = '{ dataset = "digits", fit = "pad", background = "#000000" }'
    write((FILE + RATES).replace('{ dataset = "digits" }', data))
    asked = asked_run(RunOptions.of(study="which", quick=QUICK))
    assert (asked.data.fit, asked.data.background) == ("pad", "black")
    other = asked_run(RunOptions.of(study="which", quick=QUICK, dataset="fashion-mnist"))
    assert (other.data.fit, other.data.background) == ("pad", "black")


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ('fit = "stretch"', "data.fit: must be 'crop', 'pad' or 'squash', got 'stretch'"),
        (
            'background = "red"',
            "data.background: must be white, black, grey or #rrggbb, got 'red'",
        ),
    ],
)
def test_what_is_no_fit_and_no_colour_is_refused_with_its_key(key: str, says: str) -> None:
    write((FILE + RATES).replace('"digits" }', f'"digits", {key} }}'))
    with pytest.raises(InputError) as caught:
        asked_run(RunOptions.of(study="which", quick=QUICK))
    assert str(caught.value) == f"studies/which/study.toml: {says}"

"""What networks are compared by: of unequal classes, accuracy or the mean over classes."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from optuna.trial import FrozenTrial, TrialState
from sklearn.metrics import balanced_accuracy_score, precision_recall_fscore_support

from budgetnas.analysis import Measurement, Repeats, best_trial, class_table, pooled, weights_of
from budgetnas.cli._retrain import _test_line as _line
from budgetnas.data import DataSource
from budgetnas.data.images import ImageSet, split
from budgetnas.data.load import load_train
from budgetnas.errors import InputError
from budgetnas.events import Event, Notice
from budgetnas.executors import TrialHistory, TrialSettings
from budgetnas.files import cache_folder
from budgetnas.metric import CORRECT, Metric, unequal_share, unpack
from budgetnas.recipe import Numerics, Recipe
from budgetnas.report import read_report, report_figures, write_report
from budgetnas.runs import RunConfig
from budgetnas.space import Space
from budgetnas.study import StudyConfig, asked_run
from budgetnas.study.options import RunOptions
from budgetnas.train import Epoch
from budgetnas.workflows.begin import read_images
from budgetnas.workflows.finalists import Finalists, finalists
from budgetnas.workflows.retrain import retrain
from budgetnas.workflows.run import _defined
from budgetnas.workflows.search import search
from budgetnas.workflows.work import SearchResult
from tests.analysis.made import trained
from tests.conftest import Program
from tests.runs.runs import read_csv
from tests.trials import small
from tests.trials.small import trials_in
from tests.unequal import make_folder

NAME = "folder-unequal-12k"
SPACE = Space.parse(
    {
        "arch": {"stages": 1, "width": [8, 12, 16], "depth": 1, "se": "none"},
        "recipe": {"lr": [0.3, 0.02, 1e-6], "batch_size": 8},
    }, "test",
)  # fmt: skip
SEARCH: dict[str, Any] = {
    "dataset": "folder", "data_dir": "unequal", "image_size": 8, "space": SPACE, "epochs": 3,
    "presets": False, "pruner": "none",
}  # fmt: skip


WEIGHTED = {"epochs": 1, "batch_size": 8, "class_weights": "balanced"}


def run(trials: int = 4, **options: Any) -> SearchResult:
    return search("12k", trials=trials, **{**SEARCH, **options})


@pytest.fixture(scope="module")
def _made(_measured: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        shutil.copytree(_measured, cache_folder())
        patched.chdir(folder)
        make_folder(Path("unequal"))
        run(metric="balanced")
    return folder


@pytest.fixture
def balanced(_made: Path, _clean_folder: None) -> str:
    """A search of four trials by balanced accuracy."""
    shutil.copytree(_made, Path(), dirs_exist_ok=True)
    return NAME


def validation() -> ImageSet:
    images = load_train(DataSource.choose("folder", "unequal", 8))
    return images.take(split(images.labels, 0, groups=images.groups).val)


def completed(study: str = NAME) -> list[FrozenTrial]:
    return [trial for trial in trials_in(study) if trial.state is TrialState.COMPLETE]


def measured(trials: list[FrozenTrial], name: str) -> list[float]:
    return [trial.user_attrs[name] for trial in trials]


def test_a_trials_value_and_what_it_reports_is_the_balanced_accuracy(balanced: str) -> None:
    trials = completed()
    values = [trial.value for trial in trials]
    assert values == measured(trials, "val_balanced_accuracy")
    assert values != measured(trials, "val_accuracy")
    for trial in trials:
        curve = trial.user_attrs["curves"]["val_balanced_accuracy"]
        assert list(trial.intermediate_values.values()) == curve
        assert trial.value == curve[-1], "the last epoch counts"
    config = StudyConfig.read(Path("studies") / balanced)
    assert (config.metric, config.facts.val_counts) == ("balanced", (15, 1, 1))
    assert 'metric = "balanced"' in Path(f"studies/{balanced}/study.toml").read_text()


def test_the_images_that_were_right_weigh_up_to_the_balanced_accuracy(balanced: str) -> None:
    for trial in completed():
        right = unpack(trial.user_attrs[CORRECT], 17)
        assert right is not None
        assert right.mean() == pytest.approx(trial.user_attrs["val_accuracy"])
        assert np.mean(weights_of((15, 1, 1)) * right) == pytest.approx(trial.value)


def test_the_noise_of_a_balanced_accuracy_is_that_of_other_images_of_each_class() -> None:
    counts, generator = (400, 40, 20), np.random.default_rng(0)
    recalls = np.repeat([[0.9, 0.5, 0.3], [0.8, 0.6, 0.4]], counts, axis=1)
    weights = weights_of(counts)
    assert weights.mean() == pytest.approx(1)
    differences, noises = [], []
    for _ in range(400):
        one, other = generator.random((2, sum(counts))) < recalls
        differences.append(np.mean(weights * one) - np.mean(weights * other))
        noise = pooled([[0.5]], sum(counts), counts)
        a, b = (Repeats.of([Measurement(float(np.mean(weights * r)), r)]) for r in (one, other))
        noises.append(noise.between(a, b))
        bound = noise.between(Repeats(a.accuracies), Repeats(b.accuracies))
        assert bound > 0.6 * noises[-1], "without the images it is as wide"
    truth = 1.96 * float(np.std(differences))
    assert np.mean(noises) == pytest.approx(truth, rel=0.1)
    blind = pooled([[0.5]], sum(counts)).between(a, b)
    assert blind < 0.6 * truth, "by image a small class is hardly seen"
    alike = pooled([[0.5]], 460, (230, 230)).between(a, b)
    assert alike == pytest.approx(blind), "equal classes weigh 1"


def test_a_study_goes_on_by_the_metric_that_it_began_with(balanced: str, forked: Program) -> None:
    with pytest.raises(InputError, match="--metric was balanced, now accuracy"):
        run(metric="accuracy")
    result = run()
    assert (result.trained, result.metric, result.largest_class) == (4, "balanced", 15 / 17)
    best = max(completed(), key=lambda trial: trial.value or 0)
    assert result.best is not None
    assert result.best.value == best.value
    refused = forked("search", "--budget", "12k", "--metric", "f1", "--dataset", "digits")
    assert refused.status == 2
    assert "unknown metric 'f1', known: accuracy, balanced" in refused.err


def test_best_ranks_by_either(balanced: str, forked: Program) -> None:
    trials = completed()
    for metric, name in (("accuracy", "val_accuracy"), ("balanced", "val_balanced_accuracy")):
        found = forked("best", "--metric", metric, "--json").json()
        assert found["metric"] == metric
        assert found["best"]["value"] == max(measured(trials, name))
        assert found["front"][-1]["value"] == max(measured(trials, name))
    told = forked("best")
    assert f"{max(t.value or 0 for t in trials):.2%} balanced validation accuracy" in told.out


def test_a_trial_that_lacks_it_is_named() -> None:
    trial = trained(7, 0.5)
    del trial.user_attrs["val_balanced_accuracy"]
    with pytest.raises(InputError, match=r"must have val_balanced_accuracy .* trial 7 has none"):
        best_trial([trial], "balanced")


def test_finalists_are_compared_by_the_searchs_metric(balanced: str) -> None:
    found = compared()
    assert (found.metric, found.largest_class) == ("balanced", 15 / 17)
    trials = completed(found.study)
    assert [t.value for t in trials] == measured(trials, "val_balanced_accuracy")
    top = max(row.mean or 0 for row in found.rows)
    assert top == pytest.approx(found.rows[0].mean)
    with pytest.raises(InputError, match="--metric was balanced, now accuracy"):
        compared(metric="accuracy")


def compared(**options: Any) -> Finalists:
    return finalists(NAME, top=2, seeds=2, epochs=2, recipe="short", **options)


def test_finalists_may_be_chosen_by_another(balanced: str) -> None:
    found = compared(metric="accuracy")
    best = max(completed(), key=lambda trial: trial.user_attrs["val_accuracy"])
    assert best.number in {row.trial for row in found.rows}
    assert StudyConfig.read(Path("studies") / found.study).metric == "accuracy"


def test_a_run_keeps_the_epoch_that_is_best_by_it(balanced: str) -> None:
    result = retrain("best", select="best-val", epochs=6, recipe="short", study=balanced)
    assert RunConfig.read(Path(result.run)).metric == "balanced"
    rows = read_csv(Path(result.run, "metrics.csv"))
    values = [float(row["val_balanced_accuracy"]) for row in rows]
    assert values[result.selected_epoch - 1] == max(values)
    predictions = read_csv(Path(result.run, "predictions.csv"))
    labels, guesses = ([row[name] for row in predictions] for name in ("class", "prediction"))
    score = balanced_accuracy_score(labels, guesses)
    assert result.test_balanced_accuracy == pytest.approx(score)
    assert result.largest_class == unequal_share([24, 10, 10]) == 24 / 44
    assert f"Test accuracy {result.test_accuracy:.2%} (largest class: 54.55%)," in _line(result)
    assert f"balanced {score:.2%}" in _line(result)
    assert json.loads(Path(result.run, "result.json").read_text())["largest_class"] == 24 / 44


def test_what_begins_says_that_classes_are_unequal(balanced: str, forked: Program) -> None:
    told: list[Event] = []
    run(metric="balanced", watch=told.append)
    share = (
        "the largest class is 88.24% of the validation images, the accuracy of guessing nothing"
    )
    notices = [event.text for event in told if isinstance(event, Notice)]
    (notice,) = [text for text in notices if share in text]
    assert notice.endswith('to count classes alike, class_weights = "balanced" in the recipe')
    accurate = search_unequal(recipe=Recipe.parse(WEIGHTED, "test"), study="other", epochs=1)
    assert accurate[-1].endswith(
        "guessing nothing else: to count classes alike, --metric balanced"
    )
    ended = forked("best", "--study", "other")
    assert "validation accuracy (largest class: 88.24%), " in ended.out
    assert "largest class" not in forked("best", "--study", balanced).out


def search_unequal(**options: Any) -> list[str]:
    told: list[Event] = []
    run(1, watch=told.append, **options)
    texts = [event.text for event in told if isinstance(event, Notice)]
    return [text for text in texts if "largest class" in text]


def test_equal_classes_are_no_news() -> None:
    told: list[Event] = []
    result = small.run(1, epochs=1, watch=told.append)
    assert result.largest_class is None
    assert not [event for event in told if isinstance(event, Notice) and "largest" in event.text]


def test_a_report_shows_both_metrics_and_each_class(balanced: str) -> None:
    result = retrain("best", epochs=2, recipe="short", study=balanced)
    page = write_report(balanced).read_text()
    report = read_report(balanced)
    best = report.best
    assert best is not None
    assert f"{best['mean']:.2%} balanced validation accuracy with" in page
    assert "<th>Balanced accuracy</th>" in page
    assert "accuracy is 88.24% where nothing but the largest class is guessed" in page
    trial = report.trials[best["cell"]]
    assert (best["accuracy"], best["balanced"]) == (trial.user_attrs["val_accuracy"], trial.value)
    drawn = [figure for figure in report_figures(report) if figure.kind == "confusion"]
    tables = [figure.classes for figure in drawn]
    assert [list(table["images"]) for table in tables if table is not None] == [
        [15, 1, 1], [24, 10, 10]
    ]  # fmt: skip
    assert tables[0] is not None
    assert tables[0]["recall"].mean() == pytest.approx(trial.value)
    assert tables[1] is not None
    assert tables[1]["recall"].mean() == pytest.approx(result.test_balanced_accuracy)
    told = f"Accuracy {result.test_accuracy:.2%} (largest class: 54.55%), balanced"
    assert told in drawn[1].caption
    assert f"<td>54.55%</td><td>{result.test_balanced_accuracy:.2%}</td>" in page


def test_a_table_of_classes_is_scikit_learns() -> None:
    matrix = np.array([[8, 1, 0], [2, 3, 0], [0, 0, 0]])
    table = class_table(matrix, ["a", "b", "c"])
    labels = np.repeat([0, 0, 1, 1], [8, 1, 2, 3])
    guesses = np.repeat([0, 1, 0, 1], [8, 1, 2, 3])
    precision, recall, _, images = precision_recall_fscore_support(labels, guesses)
    assert list(table["images"]) == [*images, 0]
    assert list(table["recall"][:2]) == pytest.approx(list(recall))
    assert list(table["precision"][:2]) == pytest.approx(list(precision))
    assert table.loc[2, ["recall", "precision"]].isna().all()


@pytest.mark.parametrize(("metric", "selected"), [("accuracy", 2), ("balanced", 3)])
def test_the_best_epoch_of_a_trial_is_the_best_by_the_metric(
    digits: ImageSet, metric: Metric, selected: int
) -> None:
    conditions = TrialSettings({}, metric, best=True, confusion=False, numerics=Numerics())
    val, few = digits.take(torch.arange(4)), torch.zeros(4).long()
    history = TrialHistory(conditions, val)
    measured = [(0.5, 0.3), (0.9, 0.4), (0.8, 0.6), (0.8, 0.6)]
    for number, (accuracy, balanced) in enumerate(measured, start=1):
        given: Any = (0.1, 1.0, 0.5, 0.7, accuracy, balanced, few, 1.0, (), None)
        history.add(Epoch(number, *given))
    attributes = history.attributes()
    accuracy, balanced = measured[selected - 1]
    assert attributes["selected_epoch"] == selected, "of equals the first"
    assert attributes["val_accuracy"] == accuracy
    assert attributes["val_balanced_accuracy"] == balanced
    assert history.value == (balanced if metric == "balanced" else accuracy)
    assert history.last == (0.6 if metric == "balanced" else 0.8)
    again = TrialHistory(conditions, val)
    again.load(history.tensors(), len(measured))
    assert again.attributes() == attributes


def test_a_study_file_says_it() -> None:
    folder = Path("studies/rates")
    folder.mkdir(parents=True)
    folder.joinpath("study.toml").write_text(
        'question = "?"\ncommand = "x"\ntime = { cpu = "1 s", gpu = "1 s" }\n'
        'metric = "balanced"\npresets = ["efficient-resnet"]\n'
    )
    images = read_images(DataSource.choose("digits"), 0, None, lambda event: None)
    asked = asked_run(RunOptions.of(study="rates", dataset="digits"))
    assert _defined(asked, images)[0].metric == "balanced"


@pytest.mark.parametrize(
    ("counts", "share"),
    [([15, 1, 1], 15 / 17), ([10, 10, 10], None), ([54, 46], None), ([61, 39], 0.61)],
)
def test_where_classes_are_unequal(counts: list[int], share: float | None) -> None:
    assert unequal_share(counts) == share

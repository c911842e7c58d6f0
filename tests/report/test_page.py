"""The page of real, small studies, and of studies made by hand."""

import html
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial

from budgetnas.errors import InputError
from budgetnas.report import Report, answer_lines, find_report, read_report, render, write_report
from budgetnas.report._page import rounded
from budgetnas.report._words import ONE_SEED, method_lines
from budgetnas.space import Grid
from budgetnas.study import About, Quick
from budgetnas.workflows.run import run_study
from tests.analysis.made import LARGE, SMALL, config_of, grid_of, of_grid, trained
from tests.conftest import Program
from tests.trials.small import run

GRID = """
question = "Is a rate of <0.05> better?"
command = "budgetnas run studies/rates"
time = { cpu = "seconds", gpu = "seconds" }
source = "A paper, figure 1"
claim = "It is."
budget = "20k"
arch = { depths = [1, 1], widths = [8, 16] }
data = { dataset = "digits" }
confusion = true
seeds = 2

[[grid]]
name = "rate"
field = "recipe.optimizer.lr"
values = { "<low>" = 0.05, high = 0.1 }
"""
COUNTED = """
question = "Which fits?"
command = "budgetnas run studies/fits"
time = { cpu = "seconds", gpu = "none" }
train = false
budget = "300k"
presets = ["modified-resnet-small", "modified-resnet-large"]
"""
QUICK = Quick(epochs=2, seeds=2, train_samples=100, image_size=8, width=1, batch_size=25)


def write_file(name: str, text: str) -> None:
    path = Path("studies") / name / "study.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def made(grid: Grid, accuracies: Sequence[float | None], **fields: object) -> Report:
    trials = [
        of_grid(grid, number, accuracy, "failed" if accuracy is None else "trained")
        for number, accuracy in enumerate(accuracies)
    ]
    return Report(config_of(grid, **fields), Path("studies/made"), trials, None, 0)


def words(page: str) -> str:
    """What a page says, without its scripts and tags."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", text).split()))


def test_a_search_is_reported(tmp_path: Path) -> None:
    found = run(trials=3)
    assert found.best is not None
    page = write_report(found.study)
    assert page == Path("studies/digits-12k/report.html")
    text, said = page.read_text(), words(page.read_text())
    assert len(text) < 6_000_000
    assert "Which network of at most 12k parameters is the most accurate?" in said
    assert f"Best: trial {found.best.number}, {found.best.value:.2%}" in said
    assert f"{found.best.params:,}" in said
    assert "3 networks were trained" in said
    for name in ("Data", "Noise", "Hardware", "Arithmetic", "Version", "Command"):
        assert name in said
    assert "budgetnas search --study digits-12k" in said
    elsewhere = tmp_path / "elsewhere" / "page.html"
    assert write_report(None, out=elsewhere) == elsewhere
    assert elsewhere.read_text() == text, "the same study gives the same page"


def test_a_page_needs_no_network() -> None:
    run(trials=1)
    text = write_report("digits-12k").read_text()
    assert text.count("plotly.js v") == 1
    assert "default-src 'none'" in text
    page = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert "http://" not in page
    assert "https://" not in page
    assert '<script src' not in text  # fmt: skip
    assert "sendChartToCloud" not in text.rpartition("plotly.js v")[2].partition("</script>")[2]


def test_a_grid_is_reported() -> None:
    write_file("rates", GRID)
    result = run_study("rates", quick=QUICK)
    page = write_report("rates")
    assert page == Path("studies/rates/quick-digits/report.html")
    text, said = page.read_text(), words(page.read_text())
    assert "Is a rate of <0.05> better?" in said
    assert "Is a rate of &lt;0.05&gt; better?" in text
    assert "<low>" not in text, "names are no markup"
    assert "Claimed in A paper, figure 1 It is." in said
    assert "Scaled down: 2 epochs instead of" in said
    assert "n = 2 a configuration" in said
    assert "mean of n = 2 seeds" in said
    assert "pooled" in said
    assert "Which class is taken for which: rate high" in said
    assert "Where the parameters are" in said
    assert "Epoch by epoch" in said
    assert result.trained == 4


def test_networks_that_are_only_counted_are_reported() -> None:
    write_file("fits", COUNTED)
    said = words(write_report("fits").read_text())
    assert "1 of 2 networks fit 300,000 parameters: modified-resnet-small." in said
    assert "Over it: modified-resnet-large (by 4,603,242)." in said
    assert "nothing is trained" in said


def test_retrainings_are_listed_and_test_selection_is_named() -> None:
    run(trials=1)
    result = {
        "target": "best", "params": 5, "epochs": 7, "test_accuracy": 0.75, "test_images": 40,
        "select": "best-test", "test_selected": True, "last_test_accuracy": 0.7, "unknown": "key",
        "test_balanced_accuracy": 0.71,
    }  # fmt: skip
    path = Path("studies/digits-12k/runs/one/result.json")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(result))
    (path.parents[2] / "test-openings.jsonl").write_text("{}\n{}\n")
    said = words(write_report("digits-12k").read_text())
    assert "Retrained, and tested" in said
    assert "75.00% 71.00% 70.00% 40 test-selected" in said
    assert "Last epoch's" in said
    assert "Retrainings have opened it 2 times so far." in said
    path.write_text(json.dumps(result | {"last_test_accuracy": None}))
    assert "75.00% 71.00% \N{EN DASH} 40 test-selected" in words(
        write_report("digits-12k").read_text()
    )
    path.write_text(json.dumps(result | {"select": "last", "test_selected": False}))
    assert "75.00% 71.00% 40" in words(write_report("digits-12k").read_text())
    path.write_text(json.dumps(result | {"test_accuracy": "x"}))
    with pytest.raises(InputError, match=r"result.json: damaged: test_accuracy"):
        write_report("digits-12k")


def test_nothing_to_report() -> None:
    with pytest.raises(InputError, match=r"no study 'none' in ./studies"):
        write_report("none")
    write_file("rates", GRID)
    with pytest.raises(InputError, match="nothing has been trained yet: budgetnas run"):
        write_report("rates")
    run_study("rates", quick=QUICK, timeout=1e-9)
    with pytest.raises(InputError, match="nothing has been trained yet; budgetnas run"):
        write_report("rates")


def test_the_answer_names_the_best_what_is_as_good_and_what_is_worse() -> None:
    grid = grid_of({"x": ("a", "b", "c", "d")}, [SMALL], 2)
    report = made(grid, [0.9, 0.91, 0.5, None, 0.92, 0.91, 0.52, None])
    assert answer_lines(report) == [
        "Best: x a at 91.00% ± 2.60 (mean of n = 2 seeds; one seed's standard deviation is "
        "1.15 points).",
        "Not distinguished from it: x b.",
        "Worse: x c (by 40.00 points).",
        "Failed: x d.",
    ]
    said = words(render(report))
    assert "the loss is NaN" in said
    assert "2 of the trials" not in said


def test_the_answer_says_how_far_a_study_is() -> None:
    grid = grid_of({"x": ("a", "b")}, [SMALL], 2)
    report = made(grid, [0.9, 0.1], about=About(claim="b is.", scaled="everything"))
    assert answer_lines(report) == [
        "Best: x a at 90.00% (one seed).",
        "All others that were measured are worse.",
        "Worse: x b (by 80.00 points).",
        ONE_SEED,
        "So far: 2 of 4 trainings have ended.",
    ]
    assert "Nothing was trained with two seeds" in dict(method_lines(report))["Noise"]


def test_that_all_failed_is_an_answer() -> None:
    grid = grid_of({"rate": ("0.1", "1", "10")}, [SMALL], 1)
    report = made(grid, [None, None, None])
    assert answer_lines(report) == ["All 3 trainings failed: the loss is NaN."]
    for number in (0, 2):
        failure = f"the loss must stay finite, got nan in epoch {number}"
        attributes = report.trials[number].user_attrs
        report.trials[number].user_attrs = {**attributes, "failure": failure}
    report = replace(report)  # what was read is kept
    assert answer_lines(report) == [
        "All 3 trainings failed, 2 of them for this reason: "
        "the loss must stay finite, got nan in epoch 0."
    ]
    assert report.as_json()["best"] is None
    said = words(render(report))
    assert "All 3 trainings failed, 2 of them" in said
    assert "Validation accuracy by" not in said
    assert answer_lines(made(grid, [None])) == [
        "The only training failed: the loss is NaN.", "So far: 1 of 3 trainings have ended.",
    ]  # fmt: skip


def test_a_search_in_which_all_failed() -> None:
    failed = create_trial(state=TrialState.FAIL, user_attrs={"failure": "no memory"})
    report = Report(config_of(), Path("studies/made"), [failed], None, 0)
    assert answer_lines(report) == ["The only training failed: no memory."]
    assert "no memory" in words(render(report))
    stopped = trained(1, 0.5, stopped=True)
    assert answer_lines(replace(report, trials=[failed, stopped])) == [
        "No training has been finished: 1 stopped early, 1 failed: no memory."
    ]


def test_what_recipes_were_adapted_to_is_said_first() -> None:
    grid = grid_of({"x": ("a", "b")}, [SMALL], 1)
    about = About(adapted="no flips; crops padded by an eighth")
    said = words(render(made(grid, [0.5, 0.6], about=about)))
    assert "Adapted to these images, whatever a configuration is called: no flips;" in said
    assert "Scaled down" not in said
    assert "Adapted to" not in words(render(made(grid, [0.5, 0.6])))


def test_one_axis_is_the_tables_heading() -> None:
    said = words(render(made(grid_of({"clip": ("none", "norm")}, [SMALL], 1), [0.5, 0.6])))
    assert "Configurations clip n Accuracy" in said
    assert " none 1 50.00% " in said
    assert "Best: clip norm at 60.00%" in said


def test_a_duplicate_has_its_twins_confusion_and_seeds_share_what_they_say() -> None:
    grid = grid_of({"x": ("a", "b")}, [SMALL], 1)
    trials = [
        of_grid(grid, 0, 0.5), of_grid(grid, 1, None, "duplicate", duplicate_of=0),
    ]  # fmt: skip
    trials[0].user_attrs = {**trials[0].user_attrs, "confusion": [[1] * 3] * 3}
    report = Report(config_of(grid), Path("studies/made"), trials, None, 0)
    matrix = report.confusion_of(1)
    assert matrix is not None
    assert matrix.tolist() == [[1] * 3] * 3
    assert "where the networks are equal, the initial weights" in words(render(report))


def test_many_configurations_are_not_all_named() -> None:
    grid = grid_of({"x": tuple(f"v{n}" for n in range(30))}, [SMALL], 1)
    report = made(grid, [0.9] + [0.5 - n / 100 for n in range(29)])
    (worse,) = (line for line in answer_lines(report) if line.startswith("Worse"))
    assert worse.endswith("x v6 (by 45.00 points); and 23 others.")
    assert len(render(report)) < 6_000_000


def test_the_best_epoch_flatters() -> None:
    grid = grid_of({"x": ("a",)}, [SMALL], 1)
    for select, word in (("best", "which flatters every number"), ("last", "the last epoch")):
        lines = dict(method_lines(made(grid, [0.9], select=select)))
        assert word in lines["What is measured"]
        assert lines["Hardware"] == "not recorded"


def test_a_search_does_not_call_equal_what_it_can_not_tell_apart() -> None:
    """One training each shows nothing to be as good: the smaller is not recommended."""
    trials = [trained(0, 0.9, LARGE), trained(1, 0.895, SMALL), trained(2, 0.3, SMALL)]
    report = Report(config_of(), Path("studies/made"), trials, "an abacus", 1)
    assert answer_lines(report)[1] == (
        "1 other is not distinguished from it, with one training each; `budgetnas finalists` "
        "trains the best with several seeds, and tells."
    )
    lines = dict(method_lines(report))
    assert lines["Hardware"] == "an abacus"
    assert lines["Test part"].endswith("Retrainings have opened it once so far.")


def test_everything_a_user_names_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    grid = grid_of({evil: (evil, "b")}, [SMALL], 1)
    about = About(question=evil, claim=evil, source=evil, command=evil, scaled=evil)
    report = made(grid, [0.5, None], about=about)
    report.trials[1].user_attrs = {**report.trials[1].user_attrs, "failure": evil}
    report.trials[0].user_attrs = {**report.trials[0].user_attrs, "confusion": [[1] * 3] * 3}
    page = render(report)
    assert "<script>alert" not in page
    assert "<b>" not in re.sub(r"<script>/\*\*.*?</script>", "", page, flags=re.DOTALL)
    assert words(page).count(evil) >= 8


def test_large_numbers_are_rounded() -> None:
    assert [rounded(n) for n in (None, 0, 999, 1_124_624, 5e9, 7e13)] == [
        "\N{EN DASH}", "0", "999", "1.12M", "5G", "7e+04G",
    ]  # fmt: skip


def test_the_command(budgetnas: Program) -> None:
    found = run(trials=1)
    ended = budgetnas("report", "studies/digits-12k")
    assert ended.status == 0, ended.err
    assert ended.out.startswith("Best: trial ")
    assert ended.out.endswith("Report: studies/digits-12k/report.html\n")
    said = budgetnas("report", "digits-12k", "--out", "page.html", "--json").json()
    assert (said["study"], said["report"], said["n"]) == ("digits-12k", "page.html", 1)
    assert found.best is not None
    assert said["best"]["value"] == found.best.value
    assert Path("page.html").is_file()
    assert budgetnas("report", "studies/digits-12k/study.toml").out == ended.out
    complaint = budgetnas("report", "studies/nothing").complaint()
    assert "no study 'nothing' in ./studies; known: digits-12k" in complaint
    assert "name has letters" in budgetnas("report", "../elsewhere").complaint()


def test_the_command_says_which_of_several_studies_it_took(budgetnas: Program) -> None:
    write_file("rates", GRID)
    run_study("rates", quick=QUICK)
    for asked in ("rates", "studies/rates/study.toml", "rates/quick-digits"):
        ended = budgetnas("report", asked)
        assert (ended.status, ended.err) == (0, "")
        assert ended.out.endswith("Report: studies/rates/quick-digits/report.html\n")
    begun = run_study("rates", timeout=1e-9).study
    os.utime(f"studies/{begun}/study.toml", (0, 0))
    assert budgetnas("report", "rates").err == "study rates/quick-digits (the newest of 2)\n"
    assert budgetnas("report", "rates/quick-digits").err == ""


def test_what_is_found_as_plain_data() -> None:
    grid = grid_of({"x": ("a", "b")}, [SMALL], 1)
    assert made(grid, [0.5, 0.5]).as_json() == {
        "study": "made", "n": 1,
        "best": {"configuration": "x a", "value": 0.5, "margin": None, "params": 398,
                 "equivalent": [], "not_distinguished": ["x b"]},
        "winner": None,
    }  # fmt: skip
    unfinished = Report(config_of(), Path("s"), [trained(0, 0.5, stopped=True)], None, 0)
    assert unfinished.as_json()["best"] is None
    assert answer_lines(unfinished) == ["No training has been finished: 1 stopped early."]
    assert "No training has been finished" in words(render(unfinished))


def test_a_report_is_read_by_name() -> None:
    run(trials=1)
    assert read_report(None).config.name == "digits-12k"
    assert isinstance(find_report("digits-12k"), Report)


def test_the_best_for_every_budget() -> None:
    trials = [trained(0, 0.5), trained(1, 0.9, LARGE), trained(2, 0.4, LARGE)]
    report = Report(config_of(), Path("studies/made"), trials, None, 0)
    page = render(report)
    assert "The best for every budget" in page
    added = trials[1].user_attrs["params"] - trials[0].user_attrs["params"]
    assert f"<td>40.00</td><td>{added:,}</td></tr>" in page, "of 17,544 parameters no 228 a 100k"
    assert "228" not in words(page)
    alone = Report(config_of(), Path("studies/made"), trials[:1], None, 0)
    assert "The best for every budget" not in render(alone)


def test_what_stopping_early_has_saved() -> None:
    trials = [trained(0, 0.5), trained(1, 0.4, stopped=True, epochs=1)]
    report = Report(config_of(), Path("studies/made"), trials, None, 0)
    assert answer_lines(report)[-1] == (
        "They were trained for 3 epochs, 0.75 times as many as without stopping early."
    )
    whole = Report(config_of(), Path("studies/made"), trials[:1], None, 0)
    assert "stopping early" not in answer_lines(whole)[-1]

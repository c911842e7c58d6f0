"""Every committed study: read, complete, and run in miniature."""

import html
import shutil
from pathlib import Path

import pytest

from budgetnas.analysis import count_study
from budgetnas.arch import PRESETS, count_params
from budgetnas.recipe import CyclicLR
from budgetnas.report import write_report
from budgetnas.study import Quick, StudyFile
from budgetnas.workflows.run import run_study

STUDIES = Path(__file__).parents[1] / "studies"
FILES = sorted(STUDIES.glob("*/study.toml"))
NAMES = [path.parent.name for path in FILES]
MINIATURE = Quick(
    epochs=1, seeds=1, trials=2, train_samples=40, image_size=8, width=1 / 16, batch_size=20
)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_it_says_what_it_asks_and_how_to_run_it(path: Path) -> None:
    file = StudyFile.read(path)
    assert file.question.endswith("?")
    assert file.command == f"budgetnas run studies/{path.parent.name}"
    opening = [line.partition(" = ")[0] for line in path.read_text().splitlines()[:3]]
    assert opening == ["question", "command", "time"]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_nothing_in_it_is_over_its_budget(path: Path) -> None:
    file = StudyFile.read(path)
    if file.train and not file.search:
        for cell in file.cells(str(path), 3, 10, None):
            assert file.budget.excess(cell.arch) <= 0, cell


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_it_runs_in_miniature_and_is_reported(path: Path) -> None:
    name = path.parent.name
    folder = Path("studies") / name
    folder.mkdir(parents=True)
    shutil.copy(path, folder)
    file = StudyFile.read(path)
    if not file.train:
        assert count_study(name).networks
    else:
        result = run_study(name, quick=MINIATURE, dataset="digits")
        expected = 2 if file.search else len(file.cells(str(path), 3, 10, None))
        assert result.trained + result.failed + result.duplicates == expected
        assert result.duplicates == 0 or name == "er-08-lr-batch-size", "of 40 images, all is one"
        assert result.failed == 0 or name == "er-06-optimizers", "only Adam at 0.1 may diverge"
    page = write_report(name)
    assert file.question in html.unescape(page.read_text())


def test_the_first_papers_claims_about_what_fits() -> None:
    shutil.copytree(STUDIES / "er-claims", "studies/er-claims")
    counted = count_study("er-claims").networks
    params = {net.network: net.params for net in counted}
    assert params["4 stages"] == count_params(PRESETS["modified-resnet-large"])
    fits = {net.network: net.feasible for net in counted}
    assert fits == {
        "3 stages": True,
        "4 stages": True,
        "5 stages": False,
        "kernel 5, 3 stages": True,
        "kernel 5, 4 stages": False,
        "kernel 5, shortcut kernel 3, [2,1,1]": True,
        "kernel 7, 3 stages": False,
        "kernel 7, 2 stages": True,
        "shortcut kernel 9, 3 stages": True,
        "shortcut kernel 11, 3 stages": False,
        "5 stages from 16": True,
        "kernel 5, 4 stages from 32": True,
    }


def test_the_twelve_schedules_of_the_first_paper() -> None:
    """By torch's names, with the arguments of its program, once an epoch, over 200 epochs."""
    path = STUDIES / "er-09-schedules" / "study.toml"
    cells = {
        cell.values["schedule"]: cell.recipe
        for cell in StudyFile.read(path).cells("f", 3, 10, None)
    }
    assert list(cells) == [
        "CosineAnnealingLR", "LambdaLR", "MultiplicativeLR", "StepLR", "MultiStepLR",
        "ExponentialLR", "CyclicLR", "CyclicLR2", "CyclicLR3", "OneCycleLR", "OneCycleLR2",
        "CosineAnnealingWarmRestarts",
    ]  # fmt: skip
    for name, recipe in cells.items():
        assert recipe.schedule.name == name.rstrip("23")
        assert getattr(recipe.schedule, "per") == "epoch"  # noqa: B009
        assert recipe.epochs == (100 if "OneCycle" in name else 200)
    modes = [cells[name].schedule for name in ("CyclicLR", "CyclicLR2", "CyclicLR3")]
    assert [mode.mode for mode in modes if isinstance(mode, CyclicLR)] == [
        "triangular", "triangular2", "exp_range",
    ]  # fmt: skip


def test_the_final_network_and_what_it_is_compared_with_are_the_published_ones() -> None:
    path = STUDIES / "er-16-final" / "study.toml"
    cells = StudyFile.read(path).cells("f", 3, 10, None)
    assert [count_params(cell.arch) for cell in cells] == [4_697_742] * 2 + [11_173_962] * 2
    strategies, none = cells[0].recipe, cells[1].recipe
    assert strategies.clip is not None
    assert strategies.lookahead is not None
    assert (none.clip, none.lookahead, none.augment, none.normalize.name) == (
        None, None, (), "none",
    )  # fmt: skip
    assert (none.optimizer, none.schedule) == (strategies.optimizer, strategies.schedule)

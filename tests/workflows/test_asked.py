"""What Python functions take: dicts for files, and data folders of any name."""

from pathlib import Path
from typing import Any

import pytest

from budgetnas.errors import InputError
from budgetnas.space import Fill, Space
from budgetnas.study import StudyConfig, known_studies
from budgetnas.workflows.plan import plan
from budgetnas.workflows.retrain import retrain
from budgetnas.workflows.search import search
from tests.data import pictures
from tests.trials.small import run, trials_of


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"space": {"arch": {"depht": 2}}}, "space: arch.depht: unknown key, known: block"),
        ({"space": {"arch": {"width": "wide"}}}, "space: arch.width: "),
        ({"recipe": {"epohcs": 2}}, "recipe: epohcs: unknown key, known: augment"),
        ({"recipe": {"base": "long"}}, "recipe: base: unknown recipe 'long', known: short"),
    ],
)
def test_a_dict_is_checked_like_a_file(asked: dict[str, Any], problem: str) -> None:
    functions = [search, plan] if "space" in asked else [search, plan, retrain]
    for function in functions:
        target = "efficient-resnet" if function is retrain else "12k"
        with pytest.raises(InputError) as refused:
            function(target, dataset="digits", **asked)
        assert str(refused.value).startswith(f"--{problem}")
        assert "\n" not in str(refused.value)
    assert not Path("studies").exists()


def test_a_dict_says_what_a_file_says() -> None:
    table = {"arch": {"stages": [1, 2], "width": [4, 8], "depth": 1}}
    result = run(1, space=table, recipe={"base": "full", "batch_size": 64})
    config = StudyConfig.read(Path("studies") / result.study)
    space = Space.from_table(table, "t")
    assert config.proposal == Fill(space=space)
    assert (config.recipe.batch_size, config.recipe.label_smoothing) == (64, 0.1)


def test_folders_in_two_languages_are_two_studies() -> None:
    pictures.fill()
    names = []
    for folder in ("日本", "中国"):
        Path("images").rename(folder)
        result = run(1, dataset="folder", data_dir=folder, image_size=8, epochs=1)
        Path(folder).rename("images")
        names.append(result.study)
    assert names == ["folder-日本-12k", "folder-中国-12k"]
    assert sorted(known_studies()) == sorted(names)
    again = run(1, study=names[0], budget=None, dataset=None, data_dir="images", epochs=1)
    assert (again.study, again.trained) == (names[0], 1)
    assert len(trials_of(again)) == again.trained + again.over_budget + again.duplicates

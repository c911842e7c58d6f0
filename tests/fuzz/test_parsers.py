"""Whatever is read is a value that survives being written, or refused on one line."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from budgetnas._version import __version__
from budgetnas.arch import PRESETS, SE, Arch, Budget, count_macs, count_params
from budgetnas.data import DataSource
from budgetnas.errors import BudgetnasError
from budgetnas.recipe import RECIPES, Numerics, Recipe, load_recipe
from budgetnas.space import Free, RandomSuggester, Space
from budgetnas.study import DataFacts, StudyConfig, StudyFile
from tests.fuzz.conftest import FUZZ
from tests.fuzz.inputs import (
    as_json,
    as_toml,
    changed,
    damaged,
    json_values,
    keys,
    toml_values,
)

T = TypeVar("T")

NET = PRESETS["efficient-resnet"].changed(se=SE(where="block"), block="bottleneck", dropout=0.1)
SPACE = {
    "arch": {
        "block": ["basic", "bottleneck"],
        "stages": {"low": 1, "high": 3},
        "width": {"low": 16, "high": 64, "step": 16, "log": True},
        "kernel": [3, 5],
        "dropout": {"low": 0.0, "high": 0.5},
        "stage": {"2": {"depth": 3, "width": {"low": 8, "high": 16, "step": 4}}},
    },
    "recipe": {
        "lr": {"low": 0.01, "high": 1, "log": True},
        "lookahead": [True, False],
        "clip": ["off", "norm"],
        "batch_size": 64,
    },
}
RECIPE: dict[str, Any] = {
    "base": "efficient-resnets",
    "epochs": 3,
    "optimizer": {"name": "sgd", "lr": 0.1},
    "schedule": {
        "name": "SequentialLR",
        "milestones": [2],
        "schedulers": [{"name": "LinearLR"}, {"name": "MultiStepLR", "milestones": [3, 5]}],
    },
    "lookahead": {"k": 5},
    "clip": "none",
    "augment": [{"name": "crop", "padding": 4}, {"name": "rotate", "degrees": 3}],
    "init": {"name": "normal", "std": 0.1},
}
STUDY = StudyConfig(
    name="digits-100k",
    version=__version__,
    seed=0,
    pruner="median",
    budget=Budget(limit=100_000),
    data=DataSource.choose("digits"),
    facts=DataFacts(
        channels=1, classes=("a", "b"), fingerprint="0", train=10, val=2, split="0",
        val_counts=(1, 1),
    ),
    numerics=Numerics(),
    recipe=RECIPES["full"],
    proposal=Free(),
).model_dump(mode="json", exclude_none=True)  # fmt: skip


ASKED = {
    "question": "Which?",
    "command": "budgetnas run studies/asked",
    "time": {"cpu": "a minute", "gpu": "an hour"},
    "budget": "5M",
    "seeds": 3,
    "select": "best",
    "confusion": True,
    "data": {"dataset": "digits", "train_samples": 100},
    "recipe": {"base": "full", "epochs": 30, "schedule": {"name": "StepLR", "step_size": 3}},
    "arch": {"depths": [1, 2], "widths": [8, 16], "kernels": [3, 5], "se": "block"},
    "grid": [
        {"name": "rate", "field": "recipe.optimizer.lr", "values": [0.1, 0.2]},
        {"name": "all", "values": {"a": {"arch": "resnet18", "recipe": {"clip": "none"}}}},
        {"name": "dropout", "field": "arch.dropout", "values": {"no": 0.0, "some": 0.5}},
    ],
    "quick": {"epochs": 2, "width": 0.5, "recipe": {"label_smoothing": 0.1}},
}


def outcome(parse: Callable[[], T]) -> T | None:
    """The value, or None if it was refused as it should be."""
    try:
        return parse()
    except BudgetnasError as error:
        complaint = str(error)
    assert complaint.isprintable(), repr(complaint)
    return None


def check_arch(text: str) -> None:
    arch = outcome(lambda: Arch.from_json(text, "net.json"))
    if arch is not None:
        assert Arch.from_json(arch.to_json()) == arch
        check_kept(json.loads(text), json.loads(arch.to_json()))
        assert count_params(arch) > 0
        assert count_macs(arch) > 0
        assert str(arch).isprintable()


def check_kept(given: Any, back: Any) -> None:
    """Nothing that was said became something else: 16.0 is not taken for 16, nor true for 1."""
    match given:
        case dict():
            for key, value in given.items():
                check_kept(value, back[key])
        case list():
            for one, other in zip(given, back, strict=True):
                check_kept(one, other)
        case "none":
            assert back in (None, "none")
        case _:
            assert given == back
            assert type(given) is type(back) or (type(given) is int and type(back) is float)


def check_space(text: str) -> None:
    path = written("space.toml", text)
    space = outcome(lambda: Space.from_file(path))
    if space is not None:
        assert Space.from_file(written("again.toml", space.to_toml())) == space
        least = count_params(space.smallest(3, 10))
        assert count_params(space.draw(RandomSuggester(0), 3, 10).arch) >= least


def check_recipe(text: str) -> None:
    path = written("recipe.toml", text)
    recipe = outcome(lambda: load_recipe(str(path)))
    if recipe is not None:
        assert load_recipe(str(written("again.toml", recipe.to_toml()))) == recipe
        assert isinstance(recipe.adapted(1, mirror=False, image_size=8)[0], Recipe)


def check_asked(text: str) -> None:
    path = written("studies/asked/study.toml", text)
    asked = outcome(lambda: StudyFile.read(path))
    if asked is not None and not asked.search:
        names = [axis.named() for axis in asked.axes()]
        in_full = asked.cells("s", 3, 10, None)
        assert len(in_full) == math.prod(map(len, names))
        for whole, part in zip(in_full, asked.cells("s", 3, 10, asked.quick), strict=True):
            assert part.values == whole.values
            assert count_params(whole.arch) > 0
            assert str(part).isprintable()


def check_study(text: str) -> None:
    folder = written("studies/digits-100k/study.toml", text).parent
    study = outcome(lambda: StudyConfig.read(folder))
    if study is not None:
        study.write(folder)
        assert StudyConfig.read(folder) == study


def written(name: str, text: str) -> Path:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(text.encode(errors="surrogatepass"))
    return Path(name)


@FUZZ
@given(
    st.text(alphabet="0123456789_.eE+-kKmMgG \t\u0660\u00b2", max_size=40)
    | st.from_regex(r"\d{1,20}(_\d{1,3})*(\.\d{1,30})?(e\+?\d{1,3})?[kMG]?", fullmatch=True)
    | st.from_regex(r"[1-9]\d{0,2}(_\d{3})?(\.\d{1,3}0{0,40})?([eE]\+?\d|[kMG])", fullmatch=True)
    | st.text()
)
def test_budgets(text: str) -> None:
    budget = outcome(lambda: Budget.from_text(text))
    if budget is not None:
        assert 1 <= budget.limit <= 10**15
        assert Budget.from_text(str(budget)) == budget


@FUZZ
@given(damaged(NET.to_json()) | st.text(max_size=30))
def test_arch_texts(text: str) -> None:
    check_arch(text)


@FUZZ
@given(json_values)
def test_arch_values(value: Any) -> None:
    check_arch(as_json(value))


@FUZZ
@given(changed(NET.model_dump(mode="json"), json_values))
def test_arch_changes(value: Any) -> None:
    check_arch(as_json(value))


@FUZZ
@given(damaged(as_toml(SPACE)))
def test_space_texts(text: str) -> None:
    check_space(text)


@FUZZ
@given(
    changed(SPACE, toml_values)
    | st.fixed_dictionaries(
        {}, optional={name: st.dictionaries(keys, toml_values) for name in ("arch", "recipe")}
    )
)
def test_space_values(value: Any) -> None:
    check_space(as_toml(value))


@FUZZ
@given(damaged(as_toml(RECIPE)))
def test_recipe_texts(text: str) -> None:
    check_recipe(text)


@FUZZ
@given(changed(RECIPE, toml_values) | st.dictionaries(keys, toml_values))
def test_recipe_values(value: Any) -> None:
    check_recipe(as_toml(value))


@FUZZ
@given(damaged(as_toml(STUDY)))
def test_study_texts(text: str) -> None:
    check_study(text)


@FUZZ
@given(changed(STUDY, toml_values))
def test_study_values(value: Any) -> None:
    check_study(as_toml(value))


@FUZZ
@given(damaged(as_toml(ASKED)))
def test_study_file_texts(text: str) -> None:
    check_asked(text)


@FUZZ
@given(changed(ASKED, toml_values))
def test_study_file_values(value: Any) -> None:
    check_asked(as_toml(value))

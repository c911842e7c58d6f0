"""Duplicates: the same network and recipe, whatever the description says."""

import itertools
import json
from typing import Any

import pytest

from budgetnas.arch import Arch
from budgetnas.recipe import RECIPES
from budgetnas.searching import loop
from budgetnas.space import Overrides, Space
from budgetnas.study.trial_record import Kind, TrialRecord
from tests.searching.small import run, trials_of


def test_duplicates_are_never_trained_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loop.REJECTED_IN_A_ROW == 1_000
    monkeypatch.setattr(loop, "REJECTED_IN_A_ROW", 100)  # thousand draws take a minute
    tiny = Space.parse(
        # only the first stage's unused shortcut kernel differs: one network
        {"arch": {"stages": 1, "width": 8, "depth": 1, "block": "basic", "se": "none",
                  "shortcut_kernel": [1, 3, 5, 7, 9]}}, "test",
    )  # fmt: skip
    result = run(trials=3, space=tiny, sampler="random")
    assert (result.trained, result.stopped) == (1, "exhausted")
    assert result.duplicates == 100
    assert {t.user_attrs.get("duplicate_of") for t in trials_of(result)} == {None, 0}


# each opens one field that has no effect beside the others
WITHOUT_EFFECT: dict[str, dict[str, Any]] = {
    "an unused shortcut kernel": {"arch": {"shortcut_kernel": [1, 3, 5, 7, 9]}},
    "a reduction to the same middle": {"arch": {"se": "block", "se_reduction": [8, 9, 15, 99]}},
    "a reduction of no gate": {"arch": {"se": "none", "se_reduction": [2, 4, 8]}},
    "a batch beyond the images": {"recipe": {"batch_size": [500, 1000, 2000]}},
    "the limit of no clipping": {"recipe": {"clip": "off", "clip_limit": [0.1, 0.5, 1.0]}},
    "the steps of no lookahead": {"recipe": {"lookahead": False, "lookahead_k": [3, 4, 5]}},
}


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_fields_without_effect_make_duplicates(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REJECTED_IN_A_ROW", 6)
    fixed = {"stages": 1, "width": 8, "depth": 1, "block": "basic", "se": "none",
             "shortcut_kernel": 1}  # fmt: skip
    opened = WITHOUT_EFFECT[name]
    space = Space.parse(
        {"arch": fixed | opened.get("arch", {}), "recipe": opened.get("recipe", {})}, "test"
    )
    result = run(trials=2, epochs=1, space=space, sampler="random", train_samples=300)
    assert (result.trained, result.duplicates, result.stopped) == (1, 6, "exhausted")


def test_a_field_with_effect_makes_none() -> None:
    fixed = {"stages": 1, "width": 8, "depth": 1, "block": "basic", "shortcut_kernel": 1}
    space = Space.parse({"arch": fixed, "recipe": {"batch_size": [100, 150]}}, "test")
    result = run(trials=2, epochs=1, space=space, sampler="random", train_samples=300)
    assert result.trained == 2
    trained = [t for t in trials_of(result) if TrialRecord(t).kind is Kind.TRAINED]
    assert len({t.user_attrs["recipe"] for t in trained}) == 2


def test_equal_digests_are_equal_layers() -> None:
    """Of all ways to write a one-stage network, those with the same layers share a digest."""
    archs = [
        Arch.from_json(json.dumps({
            "block": block, "stem_width": 8, "se": se,
            "stages": [{"width": 8, "depth": 1, "shortcut_kernel": kernel}],
        }))
        for block, se, kernel in itertools.product(
            ["basic", "preact"],
            [None, {"where": "stem", "reduction": 8}, {"where": "stem", "reduction": 99}],
            [1, 3],
        )
    ]  # fmt: skip
    assert len({arch.digest() for arch in archs}) == 2 * 2


def test_recipes_are_compared_by_what_they_do() -> None:
    short = RECIPES["short"]
    same = Overrides(batch_size=5000).apply(short)
    assert same != short.changed(batch_size=1000)
    assert same.canonical(300) == short.changed(batch_size=1000).canonical(300)
    assert same.canonical(3000) != short.changed(batch_size=1000).canonical(3000)

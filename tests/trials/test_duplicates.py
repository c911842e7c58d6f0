"""Duplicates: the same network and recipe, whatever the description says."""

import itertools
import json

from budgetnas.arch import Arch
from budgetnas.recipe import RECIPES
from budgetnas.space import Overrides


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

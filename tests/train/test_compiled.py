"""torch.compile: the same training, and used only where the whole of it is faster."""

import pytest
import torch

from budgetnas.arch import Arch
from budgetnas.data.images import ImageSet
from budgetnas.recipe import Numerics, Recipe
from budgetnas.train import initial_model, recipe_statistics, train, worth_compiling
from budgetnas.train._numerics import Verdict

ARCH = Arch.parse(
    {"in_channels": 1, "block": "basic", "stem_width": 4, "stages": [{"width": 4, "depth": 1}]},
    "test",
)


def test_a_verdict_says_what_follows() -> None:
    assert Verdict(plain=100, compiled=60).pays
    assert str(Verdict(plain=1000, compiled=60.2)) == (
        "torch.compile: used: the training would take about 60 s with it, compiling included, "
        "1,000 s without"
    )
    assert not Verdict(plain=50, compiled=60).pays
    assert "not used" in str(Verdict(plain=50, compiled=60))
    impossible = Verdict(plain=50, compiled=None, why_not="no compiler")
    assert not impossible.pays
    assert str(impossible) == "torch.compile: not here: no compiler"


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"sharpness": {"last": 0.5}, "mix": {"name": "mixup"}}])
def test_a_compiled_training_is_the_training(digits: ImageSet, changes: dict[str, object]) -> None:
    """The last batch is another shape, and runs as it is."""
    images = digits.take(torch.arange(100))
    how = Recipe.parse({"epochs": 2, "batch_size": 40, "augment": [], **changes}, "test")
    statistics = recipe_statistics(how, images)
    plain, compiled = (
        [
            epoch.train_loss
            for epoch in train(
                initial_model(ARCH, how.init, 0), images, how, Numerics(compiled=way), 0,
                statistics=statistics,
            )
        ]
        for way in (False, True)
    )  # fmt: skip
    assert compiled == pytest.approx(plain, rel=1e-3)


@pytest.mark.slow
def test_a_short_training_is_not_worth_it(digits: ImageSet) -> None:
    images = digits.take(torch.arange(100))
    how = Recipe.parse({"epochs": 2, "batch_size": 50, "augment": []}, "test")
    settled = (images, how, Numerics(), recipe_statistics(how, images), torch.device("cpu"))
    verdict = worth_compiling(ARCH.changed(stem_width=8), *settled)
    assert verdict.compiled is not None, verdict.why_not
    assert verdict.compiled > verdict.plain > 0


def test_without_a_compiler_it_is_not_used(digits: ImageSet) -> None:
    images = digits.take(torch.arange(40))
    how = Recipe.parse({"epochs": 2, "batch_size": 20, "augment": []}, "test")
    settled = (images, how, Numerics(), recipe_statistics(how, images), torch.device("cpu"))
    broken = {"cpp.cxx": ("/no/such/compiler",), "force_disable_caches": True}
    with torch._inductor.config.patch(broken):
        verdict = worth_compiling(ARCH.changed(stem_width=12), *settled)
    assert not verdict.pays
    assert verdict.why_not

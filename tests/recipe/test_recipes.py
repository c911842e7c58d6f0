"""Recipes: the papers' settings, files that change any field, and what they refuse."""

import tomllib
from pathlib import Path

import pytest

from budgetnas.errors import InputError
from budgetnas.recipe import (
    RECIPES,
    SAM,
    SGD,
    ClipValue,
    CosineAnnealingLR,
    Crop,
    CutMix,
    Cutout,
    CyclicLR,
    FixedStatistics,
    Flip,
    Recipe,
    Rotate,
    TrainingStatistics,
    TrivialAugment,
    load_recipe,
)
from budgetnas.train import schedule_table


@pytest.mark.parametrize("name", RECIPES)
def test_named_recipes_survive_toml_and_have_a_schedule(name: str) -> None:
    recipe = RECIPES[name]
    assert Recipe.parse(tomllib.loads(recipe.to_toml()), name) == recipe
    table = schedule_table(recipe, 10)
    assert len(table.lr) == 10 * recipe.epochs
    assert all(rate > 0 for rate in table.lr)


def test_the_first_papers_program() -> None:
    recipe = RECIPES["efficient-resnets"]
    assert recipe.optimizer == SGD(
        lr=0.1, momentum=0.9, nesterov=False, weight_decay=5e-4, decay_norm_and_bias=True
    )
    assert (recipe.epochs, recipe.batch_size) == (200, 128)
    assert recipe.schedule == CosineAnnealingLR()
    assert recipe.clip == ClipValue(limit=0.1)
    assert recipe.lookahead is not None
    assert (recipe.lookahead.k, recipe.lookahead.alpha, recipe.lookahead.evaluate) == (
        5,
        0.5,
        "fast",
    )
    assert recipe.augment == (Crop(padding=4), Flip())


def test_the_second_papers_settings() -> None:
    recipe = RECIPES["modified-resnet"]
    assert recipe.optimizer == SGD(lr=0.01, momentum=0.9, nesterov=True)
    assert recipe.epochs == 30
    assert isinstance(recipe.schedule, CyclicLR)
    assert (recipe.schedule.base_lr, recipe.schedule.max_lr) == (1e-6, 1e-2)
    assert set(recipe.augment) == {Rotate(degrees=5), Flip(), Crop(padding=2)}


def write(text: str) -> str:
    Path("r.toml").write_text(text)
    return "r.toml"


def test_a_file_changes_any_field() -> None:
    recipe = load_recipe(
        write(
            'base = "full"\nepochs = 3\nlookahead = "none"\naugment = []\n'
            'clip = { name = "norm", limit = 2 }\nschedule = { name = "StepLR", step_size = 2 }\n'
            "[optimizer]\nlr = 0.05\n"
        )
    )
    full = RECIPES["full"]
    assert recipe.optimizer == full.optimizer.changed(lr=0.05)
    assert (recipe.epochs, recipe.lookahead, recipe.augment) == (3, None, ())
    assert recipe.schedule.name == "StepLR"
    assert recipe.label_smoothing == full.label_smoothing


def test_later_options_are_written_only_where_they_are_set() -> None:
    """Or every training from before them would get another digest, and be done again."""
    assert not {"mix", "sharpness", "class_weights"} & RECIPES["full"].model_dump().keys()
    text = (
        'mix = { name = "cutmix" }\nsharpness = { adaptive = true }\nclass_weights = "balanced"\n'
    )
    recipe = load_recipe(write(f'base = "full"\n{text}augment = [{{ name = "trivial" }}]\n'))
    assert (recipe.mix, recipe.sharpness) == (CutMix(), SAM(adaptive=True))
    assert recipe.augment == (TrivialAugment(),)
    assert recipe.class_weights == "balanced"
    assert Recipe.parse(tomllib.loads(recipe.to_toml()), "again") == recipe
    none = 'mix = "none"\nsharpness = "none"\nclass_weights = "none"\n'
    without = load_recipe(write(f'base = "full"\n{none}'))
    assert without == RECIPES["full"]


def test_another_optimizer_starts_from_its_own_values() -> None:
    recipe = load_recipe(write('[optimizer]\nname = "adamw"\nlr = 0.001\n'))
    assert recipe.optimizer.name == "adamw"
    assert recipe.optimizer.weight_decay == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 0", "epochs: must be greater than or equal to 1, got 0"),
        (
            "epoch = 1",
            "epoch: unknown key, known: augment, average, base, batch_size, class_weights",
        ),
        ('base = "best"', "base: unknown recipe 'best', known: short, full"),
        ("base = []", "base: unknown recipe []"),
        ('optimizer = { name = "lion", lr = 1 }', "unknown name 'lion', known: sgd, adam, adamw"),
        ("optimizer = { lr = -1 }", "lr: must be greater than 0, got -1"),
        ("optimizer = { betas = 1 }", "betas: unknown key, known: decay_norm_and_bias, lr"),
        ('schedule = { name = "ReduceLROnPlateau" }', "unknown name 'ReduceLROnPlateau', known:"),
        ('init = { name = "lecun" }', "known: default, xavier_uniform, xavier_normal"),
        ('augment = [{ name = "mixup" }]', "known: crop, flip, rotate, cutout, trivial"),
        ('mix = { name = "mosaic" }', "unknown name 'mosaic', known: mixup, cutmix"),
        ('mix = { name = "mixup", alpha = 0 }', "alpha: must be greater than or equal to 0.01"),
        ('mix = { name = "cutmix", probability = 0 }', "probability: must be greater than 0"),
        ("sharpness = { rho = 0 }", "sharpness.rho: must be greater than 0, got 0"),
        ("sharpness = { last = 1.5 }", "sharpness.last: must be less than or equal to 1, got"),
        ("label_smoothing = 1.0", "label_smoothing: must be less than 1, got 1.0"),
        ("clip = 1", "clip: "),
        ("epochs = 'x", "not valid TOML"),
    ],
)
def test_what_a_file_can_not_say(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(write(text))
    assert message in str(caught.value)
    assert str(caught.value).startswith("r.toml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["best", "", "no/such.toml", "."])
def test_unknown_recipes(name: str) -> None:
    with pytest.raises(InputError):
        load_recipe(name)


def test_named_recipes_adapt_to_the_images() -> None:
    recipe, notices = RECIPES["efficient-resnets"].adapted(channels=1, mirror=False, image_size=32)
    assert recipe.augment == (Crop(padding=4),)
    assert recipe.normalize == TrainingStatistics()
    assert len(notices) == 2
    same, nothing = RECIPES["full"].adapted(channels=3, mirror=True, image_size=32)
    assert (same, nothing) == (RECIPES["full"], [])
    assert Cutout() in same.augment
    assert isinstance(RECIPES["efficient-resnets"].normalize, FixedStatistics)


@pytest.mark.parametrize(
    ("images", "batch"),
    [(45_000, 128), (2_560, 128), (2_559, 64), (1_298, 64), (1_279, 32), (300, 16), (90, 16)],
)
def test_few_images_make_smaller_batches(images: int, batch: int) -> None:
    for name, recipe in RECIPES.items():
        fitted, notices = recipe.adapted(3, mirror=True, image_size=32, images=images)
        assert fitted == recipe.changed(batch_size=batch), name
        assert fitted.adapted(3, mirror=True, image_size=32, images=images) == (fitted, [])
        assert len(notices) == (batch != 128)
    short = RECIPES["short"].changed(batch_size=10)
    assert short.adapted(3, mirror=True, image_size=32, images=images) == (short, [])


def test_a_training_of_few_steps_says_so() -> None:
    short = RECIPES["short"]
    assert short.few_steps(45_000) is None
    few = short.few_steps(90)
    assert few is not None
    assert few.startswith("a training has 9 steps, 9 epochs of 1: few")
    assert short.changed(batch_size=8).few_steps(90) is None
    assert short.changed(batch_size=89).epoch_steps(90) == 1, "none is alone"

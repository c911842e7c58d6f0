"""The accuracy after ten epochs on real images, of the engine and of the usual loop."""

import sys
from dataclasses import replace
from statistics import mean, stdev

from gpu_setting import RESNET20, Line, Setting

from budgetnas.arch import PRESETS
from budgetnas.bench import Plan, usual_epochs
from budgetnas.data import DataSource
from budgetnas.data.images import ImageSet, split_images
from budgetnas.data.load import load_train
from budgetnas.recipe import Cosine, Default, Numerics, Recipe
from budgetnas.train import Normalizer, evaluate, initial_model, recipe_statistics, train

SEEDS = (0, 1, 2)


def accuracy(setting: Setting) -> list[Line]:
    """Ten epochs on real images: the engine with its batch beside the usual loop with its own."""
    source = DataSource.choose("folder", setting.data_dir)
    if setting.smoke:
        source = DataSource.choose("digits")
    images = load_train(source)
    parts = split_images(images, 0)
    part, val = images.take(parts.train), images.take(parts.val).to(setting.device)
    arch = PRESETS["efficient-resnet"]
    if setting.smoke:
        arch = PRESETS["modified-resnet-small"].adapted(images.channels, len(images.classes))
    engine, usual = list[float](), list[float]()
    for seed in SEEDS[: 1 if setting.smoke else None]:
        plan = replace(setting.plan(arch, 50_000, 512), seed=seed)
        engine.append(_engine_accuracy(setting, plan, part, val))
        usual.append(_usual_accuracy(setting, plan, part, val))
        print(f"seed {seed}: engine {engine[-1]:.2%}, usual {usual[-1]:.2%}", file=sys.stderr)
    differences = [here - there for here, there in zip(engine, usual, strict=True)]
    noise = 2 * stdev(differences) / len(SEEDS) ** 0.5 if len(differences) > 1 else 0.0
    said = (
        f"{mean(engine):.2%} and {mean(usual):.2%} of {len(val):,} validation images, "
        f"difference {mean(differences) * 100:+.2f} ± {noise * 100:.2f} points "
        f"(n = {len(differences)} seeds; twice the standard error)"
    )
    met = mean(differences) >= -max(noise, 0.003)  # 5,000 images tell no less apart
    return [Line("accuracy after 10 epochs, engine and usual loop", "equal within noise", said,
                 met)]  # fmt: skip


def _ten_epochs(setting: Setting, batch: int, lr: float) -> Recipe:
    recipe = setting.plan(RESNET20, 512, 128).recipe
    return recipe.changed(
        epochs=1 if setting.smoke else 10, batch_size=batch, schedule=Cosine(warmup=0.2),
        optimizer=recipe.optimizer.changed(lr=lr),
    )  # fmt: skip


def _engine_accuracy(setting: Setting, plan: Plan, part: ImageSet, val: ImageSet) -> float:
    recipe = _ten_epochs(setting, 512, setting.engine_lr)
    model = initial_model(plan.arch, Default(), plan.seed)
    statistics, numerics = recipe_statistics(recipe, part), plan.setups["engine"].numerics
    placed = part.to(plan.device)
    *_, last = train(model, placed, recipe, numerics, plan.seed, statistics=statistics, val=val)
    assert last.val_accuracy is not None
    return last.val_accuracy


def _usual_accuracy(setting: Setting, plan: Plan, part: ImageSet, val: ImageSet) -> float:
    """Train the usual loop; it may load as fast as it can, which no accuracy depends on."""
    recipe, device = _ten_epochs(setting, 128, 0.1), plan.device
    setup = replace(
        plan.setups["usual"], batch=128, loader_workers=plan.setups["tuned"].loader_workers
    )
    model = initial_model(plan.arch, Default(), plan.seed)
    statistics = recipe_statistics(recipe, part)
    for _ in usual_epochs(model, part, recipe, setup, statistics, device, plan.seed):
        pass
    plain = Numerics(channels_last=False)
    normalize = Normalizer(statistics, plain, device)
    return evaluate(model, val, normalize, plain, 128).accuracy

"""`retrain`: one architecture, the full recipe, all training images, the test set opened once."""

import csv
import io
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from budgetnas._version import __version__
from budgetnas.arch import count_macs, count_params
from budgetnas.data import DataSource
from budgetnas.data.heldout import check_test, count_openings, open_test
from budgetnas.data.images import ImageSet
from budgetnas.data.load import load_train
from budgetnas.errors import InputError
from budgetnas.events import (
    Loading,
    Notice,
    RunEpochEnded,
    RunStarted,
    TestOpened,
    Watcher,
    nobody,
)
from budgetnas.files import write_atomic
from budgetnas.model import build_model
from budgetnas.recipe import RECIPES, Recipe, load_recipe
from budgetnas.report.tables import confusion_table, per_class_table
from budgetnas.retraining.checkpoint import read_tensors, write_tensors
from budgetnas.retraining.run import RunConfig, environment, write_json
from budgetnas.retraining.target import (
    StudyTarget,
    Target,
    find_study_target,
    find_target,
    fit_to_data,
    is_of_a_study,
)
from budgetnas.seeds import derive_seed
from budgetnas.spec import parse_json, read_text
from budgetnas.study.config import require_same
from budgetnas.train.engine import Epoch, recipe_statistics, train
from budgetnas.train.evaluate import Normalizer, evaluate
from budgetnas.train.init import initial_model
from budgetnas.train.numerics import choose_device, choose_numerics, device_title, use_threads

RUNS = Path("runs")
METRICS = ("epoch", "lr", "train_loss", "train_accuracy", "seconds")


@dataclass(frozen=True)
class RunResult:
    """A finished retraining, as `--json` prints it."""

    run: str
    """The run's folder."""
    target: str
    """What was asked to be retrained."""
    study: str | None
    """The study it comes from."""
    trial: int | None
    """The study's trial it comes from."""
    params: int
    """Trainable parameters."""
    macs: int
    """Multiply-adds for one image."""
    test_accuracy: float
    """Share right on the test part, in [0, 1], after the last epoch."""
    test_loss: float
    """Mean cross-entropy on the test part."""
    test_images: int
    """Size of the test part."""
    test_openings: int
    """How often this study's test part has been opened, this run included."""
    epochs: int
    """Epochs trained."""
    seconds: float
    """Time of all epochs together."""
    device: str
    """Where it was trained."""
    arch: dict[str, Any]
    """The architecture, as its JSON."""

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def retrain(
    target: str = "best",
    *,
    study: str | None = None,
    storage: str | None = None,
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    epochs: int | None = None,
    recipe: Recipe | str | None = None,
    seed: int | None = None,
    resume: bool = False,
    out: str | Path | None = None,
    device: str = "auto",
    watch: Watcher = nobody,
) -> RunResult:
    """Train one architecture on all training images, then open the test part once.

    Args:
        target: `best`, a trial's number, a preset's name, or an arch file.
        study: The study it belongs to; the only one, else the newest, where one is needed.
        storage: The study's storage, where it is not the one that the study was begun with.
        dataset: Name of the data set; the study's, else cifar10.
        data_dir: Where data sets are kept; the study's, else ./data.
        image_size: Side of an image in pixels; the study's, else the data set's own.
        epochs: Instead of the recipe's.
        recipe: How to train; `full` by default. Fields that the trial had drawn replace those of
            a named recipe.
        seed: What every random choice is derived from; the study's, else 0.
        resume: Continue a run that was interrupted, after its last finished epoch.
        out: The run's folder; a new one in the study's `runs`, else in ./runs.
        device: auto, cpu, cuda or cuda:N.
        watch: Told what happens.

    Raises:
        InputError: If what is asked can't be.
        TrialFailed: If the training diverges or does not fit into memory.
        KeyboardInterrupt: As it came; every finished epoch is kept.
    """
    if epochs is not None and epochs < 1:
        raise InputError(f"epochs >= 1 must hold, got {epochs}")
    asked = _Asked(
        target,
        dataset,
        None if data_dir is None else str(Path(data_dir).expanduser()),
        image_size,
        epochs,
        load_recipe(recipe) if isinstance(recipe, str) else recipe,
        recipe is None or (isinstance(recipe, str) and recipe in RECIPES),
        seed,
    )
    where = choose_device(device)
    origin = find_study_target(study) if study or is_of_a_study(target) else None
    if origin and origin.guessed:
        watch(Notice(f"study {origin.name}"))
    base = (origin.folder if origin else Path()) / RUNS
    if resume:
        folder = Path(out) if out else _unfinished(base, target)
        config = RunConfig.read(folder)
        asked.require_same(config)
        done = folder / "result.json"
        if done.is_file():
            watch(Notice(f"{folder} is finished already"))
            return RunResult(**parse_json(read_text(done), str(done)))
        images = _load_again(config, asked, watch)
    else:
        found = find_target(target, origin, storage)
        folder = _new_folder(Path(out) if out else None, base, target, found)
        config, images = _begin(asked, found, origin, where, watch)
    check_test(config.data, config.classes)
    log = origin.folder if origin else RUNS
    return _Retraining(config, folder, log, where, watch).run(images)


@dataclass(frozen=True)
class _Asked:
    """What the caller asked for; None where nothing was said."""

    target: str
    dataset: str | None
    data_dir: str | None
    image_size: int | None
    epochs: int | None
    recipe: Recipe | None
    recipe_adapts: bool
    seed: int | None

    def source(self, origin: StudyTarget | None) -> DataSource:
        """The data that is asked for, what is not said being the study's."""
        if origin is None or (self.dataset and self.dataset != origin.config.data.dataset):
            return DataSource.choose(self.dataset or "cifar10", self.data_dir, self.image_size)
        data = origin.config.data
        return DataSource.choose(
            data.dataset, self.data_dir or data.data_dir, self.image_size or data.image_size
        )

    def full_recipe(self, found: Target, channels: int, mirror: bool) -> tuple[Recipe, list[str]]:
        """The recipe that is asked for, fitted to images and trial if it is a named one."""
        recipe = self.recipe or load_recipe("full")
        if self.epochs is not None:
            recipe = recipe.changed(epochs=self.epochs)
        if not self.recipe_adapts:
            return recipe, []
        recipe, notices = recipe.adapted(channels, mirror)
        drawn = found.overrides.model_dump(exclude_none=True)
        if drawn:
            listed = ", ".join(f"{name} {value}" for name, value in drawn.items())
            notices.append(f"as drawn by trial {found.trial}: {listed}")
        return found.overrides.apply(recipe), notices

    def require_same(self, began: RunConfig) -> None:
        """Refuse to resume a run with other options than it began with."""
        options: dict[str, tuple[object, object]] = {
            "the target": (began.target, self.target),
            "--dataset": (began.data.dataset, self.dataset),
            "--image-size": (began.data.image_size, self.image_size),
            "--epochs": (began.recipe.epochs, self.epochs),
            "--seed": (began.seed, self.seed),
        }
        require_same(began.target, {k: v for k, v in options.items() if v[1] is not None})


def _begin(
    asked: _Asked,
    found: Target,
    origin: StudyTarget | None,
    device: torch.device,
    watch: Watcher,
) -> tuple[RunConfig, ImageSet]:
    """Settle everything that defines a new run, and load its images."""
    source = asked.source(origin)
    images = load_train(source, lambda *progress: watch(Loading(*progress)))
    arch, notice = fit_to_data(found, images.channels, len(images.classes), asked.target)
    recipe, notices = asked.full_recipe(found, images.channels, source.info.mirror)
    for text in [notice, *(f"recipe: {n}" for n in notices)]:
        if text:
            watch(Notice(text))
    statistics = recipe_statistics(recipe, images)
    seed = asked.seed if asked.seed is not None else origin.config.seed if origin else 0
    config = RunConfig(
        target=asked.target,
        study=origin.name if origin else None,
        trial=found.trial,
        version=__version__,
        seed=seed,
        arch=arch,
        recipe=recipe,
        data=source,
        classes=images.classes,
        fingerprint=images.fingerprint(),
        mean=statistics.mean,
        std=statistics.std,
        numerics=origin.config.numerics if origin else choose_numerics(device),
    )
    return config, images


def _load_again(config: RunConfig, asked: _Asked, watch: Watcher) -> ImageSet:
    """Load the images of a run that is resumed; they may have been moved, not changed."""
    source = config.data
    if asked.data_dir is not None:
        source = source.changed(data_dir=asked.data_dir)
    images = load_train(source, lambda *progress: watch(Loading(*progress)))
    require_same(config.target, {"the data": (config.fingerprint, images.fingerprint())})
    return images


def _new_folder(out: Path | None, base: Path, target: str, found: Target) -> Path:
    """Choose the folder of a new run."""
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"--out must be a new or empty folder (or give --resume), got {out}")
        return out
    title = f"trial{found.trial}" if found.trial is not None else Path(target).stem
    title = re.sub(r"[^A-Za-z0-9._-]+", "-", title)[:60]
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{title}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
    return next(base / name for name in names if not (base / name).exists())


def _unfinished(base: Path, target: str) -> Path:
    """Find the newest run of this target that has no result."""
    for path in sorted(base.glob("*/run.json"), reverse=True):
        if (
            not (path.parent / "result.json").exists()
            and RunConfig.read(path.parent).target == target
        ):
            return path.parent
    raise InputError(
        f"no unfinished run of {target!r} in ./{base} to resume; --out names a folder"
    )


@dataclass
class _Retraining:
    """A retraining in its folder."""

    config: RunConfig
    folder: Path
    log: Path
    device: torch.device
    watch: Watcher

    def run(self, images: ImageSet) -> RunResult:
        """Train what is left to train, then test."""
        use_threads(self.config.numerics)
        checkpoint = self.folder / "checkpoint.safetensors"
        state = read_tensors(checkpoint) if checkpoint.is_file() else None
        done = int(state["epochs_done"]) if state else 0
        if state is None:
            self.config.write(self.folder)
            write_json(self.folder / "environment.json", environment(device_title(self.device)))
        config = self.config
        self.watch(
            RunStarted(
                self.folder, str(config.arch), count_params(config.arch), len(images),
                device_title(self.device), config.recipe.epochs, done,
            )
        )  # fmt: skip
        seed = derive_seed(config.seed, "retrain")
        model = initial_model(config.arch, config.recipe.init, derive_seed(seed, "init"))
        rows = _read_metrics(self.folder / "metrics.csv")[:done]
        for epoch in train(
            model, images.to(self.device), config.recipe, config.numerics, seed,
            statistics=config.statistics, state=state,
        ):  # fmt: skip
            rows.append({name: getattr(epoch, name, epoch.number) for name in METRICS})
            self._keep(epoch, rows)
            self.watch(
                RunEpochEnded(
                    epoch.number, config.recipe.epochs, epoch.lr,
                    epoch.train_loss, epoch.train_accuracy, epoch.seconds,
                )
            )  # fmt: skip
        return self._test(sum(float(row["seconds"]) for row in rows))

    def _keep(self, epoch: Epoch, rows: list[dict[str, Any]]) -> None:
        """Write metrics, then weights after the last epoch, then the checkpoint.

        In this order a checkpoint never claims an epoch whose metrics or weights are missing.
        """
        write_atomic(self.folder / "metrics.csv", _to_csv(rows))
        if epoch.number == self.config.recipe.epochs:
            write_tensors(self.folder / "weights.safetensors", epoch.weights())
        write_tensors(self.folder / "checkpoint.safetensors", epoch.state())

    def _test(self, seconds: float) -> RunResult:
        """Open the test part, once, and write down everything it says."""
        config, arch = self.config, self.config.arch
        self.watch(TestOpened(count_openings(self.log) + 1))
        test = open_test(
            config.data, arch.in_channels, self.log, str(self.folder),
            lambda *progress: self.watch(Loading(*progress)),
        )  # fmt: skip
        model = build_model(arch)
        model.load_state_dict(read_tensors(self.folder / "weights.safetensors"))
        model.to(self.device)
        normalize = Normalizer(config.statistics, config.numerics, self.device)
        measured = evaluate(model, test.to(self.device), normalize, config.numerics)
        self._write_tables(test, measured.predictions)
        result = RunResult(
            run=str(self.folder),
            target=config.target,
            study=config.study,
            trial=config.trial,
            params=count_params(arch),
            macs=count_macs(arch, config.data.image_size),
            test_accuracy=measured.accuracy,
            test_loss=measured.loss,
            test_images=len(test),
            test_openings=count_openings(self.log),
            epochs=config.recipe.epochs,
            seconds=round(seconds, 3),
            device=device_title(self.device),
            arch=arch.model_dump(mode="json"),
        )
        write_json(self.folder / "result.json", result.as_json())
        return result

    def _write_tables(self, test: ImageSet, predictions: torch.Tensor) -> None:
        labels, guesses = test.labels.numpy(), predictions.numpy()
        tables = {
            "predictions": pd.DataFrame({"label": labels, "prediction": guesses}),
            "confusion": confusion_table(labels, guesses, test.classes),
            "per_class": per_class_table(labels, guesses, test.classes),
        }
        for name, table in tables.items():
            write_atomic(self.folder / f"{name}.csv", table.to_csv(index=name != "predictions"))


def _to_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, METRICS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _read_metrics(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return list(csv.DictReader(io.StringIO(read_text(path))))

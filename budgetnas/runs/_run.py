"""A run: the folder of one retraining, and what can be read back from it.

=======================  ====================================================================
run.json                 what defines the run: arch, recipe, data, seed, numerics
arch.json, recipe.toml   the same architecture and recipe, alone
environment.json         versions and hardware
metrics.csv              a line an epoch; on validation or test images too, where --select says
checkpoint.safetensors   all that `--resume` needs, with a checksum; replaced after every epoch
checkpoint-before...     the one of the epoch before, should the newest be damaged
weights.safetensors      the selected epoch's weights, as the model's `state_dict`
result.json              test accuracy and loss, whether test-selected, sizes, times; written last
predictions.csv          a line a test image: its file, its class, the prediction, its probability
confusion.csv            test images by class and by prediction
per_class.csv            precision, recall and F1 of each class
unreadable.txt           files that could not be read and were left out, where there are some
=======================  ====================================================================
"""

import contextlib
import hashlib
import importlib.metadata
import json
import platform
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias

import numpy as np
import torch
from PIL import Image
from pydantic import Field, TypeAdapter, ValidationError, model_validator
from torch import Tensor, nn

from budgetnas.arch import Arch
from budgetnas.data import DataSource, Depth, ImageFormat, View
from budgetnas.data.images import ImageSet, Statistics, split_images
from budgetnas.data.load import (
    UNREADABLE,
    Pixels,
    decoded_file,
    load_train,
    preprocessed,
    to_channels,
)
from budgetnas.errors import InputError, first_line
from budgetnas.events import Loading, Notice, Watcher
from budgetnas.files import write_atomic
from budgetnas.metric import (
    DEFAULT_METRIC,
    SELECTIONS,
    Metric,
    Part,
    evaluated_part,
    selection_problem,
)
from budgetnas.model import model_to_load
from budgetnas.plugins import Plugins
from budgetnas.recipe import Numerics, Recipe
from budgetnas.space import Overrides
from budgetnas.spec import Spec, parse_json, read_text
from budgetnas.study import STUDIES, config_path, explain_version, require_same
from budgetnas.train import Normalizer, memory_guard, read_tensors, recipe_statistics

RESULT = "result.json"


class RunConfig(Spec):
    """The definition of a run, from its first epoch on: the content of run.json."""

    plugins: Plugins = ()
    """Modules that register what the other fields name; before them, since they import it."""
    target: str
    """The target: best, a trial's number, a preset, an arch file."""
    study: str | None = None
    """The study it comes from."""
    trial: int | None = None
    """The study's trial it comes from."""
    version: str
    """The version of budgetnas that began it."""
    seed: Annotated[int, Field(ge=0)]
    """Seed of every random choice."""
    arch: Arch
    """The architecture."""
    recipe: Recipe
    """The recipe."""
    overrides: Overrides = Overrides()
    """Recipe fields that the trial had drawn; they are in the recipe already."""
    data: DataSource
    """The images: all of their training part, minus those that `select` holds out."""
    classes: tuple[str, ...]
    """The classes' names, in the order of the labels."""
    fingerprint: str
    """Digest of the training part's images and labels."""
    depth: Depth | None = None
    """How pictures of more than 8 bits become 8; None if the training part had none."""
    images: Annotated[int, Field(ge=1)]
    """Number of images it trains on."""
    select: str = "last"
    """Whose weights are kept: last, best-val or best-test; see `budgetnas.metric.SELECTIONS`."""
    metric: Metric = DEFAULT_METRIC
    """By what best-val and best-test tell the best epoch."""
    test_curves: bool = False
    """Evaluate the test part after every epoch, as best-test does in any case."""
    mean: tuple[float, ...]
    """Mean of each channel, of values in [0, 1]."""
    std: tuple[float, ...]
    """Standard deviation of each channel, of values in [0, 1]."""
    numerics: Numerics
    """The arithmetic."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        for field, length, needed in (
            ("classes", len(self.classes), self.arch.num_classes),
            ("mean", len(self.mean), self.arch.in_channels),
            ("std", len(self.std), self.arch.in_channels),
        ):
            if length != needed:
                raise ValueError(f"{field}: the arch needs {needed} entries, got {length}")
        if problem := selection_problem(self.select, self.test_curves):
            raise ValueError(problem)
        return self

    @property
    def evaluated(self) -> Part | None:
        """The part that is evaluated after every epoch, if any."""
        return evaluated_part(self.select, self.test_curves)

    @property
    def test_selected(self) -> bool:
        """Whether the test part is seen before the end, so that its result may be chosen by it."""
        return self.evaluated == "test"

    @property
    def statistics(self) -> Statistics:
        return Statistics(self.mean, self.std)

    @property
    def format(self) -> ImageFormat:
        """Channels and depth of the training part."""
        return ImageFormat(self.arch.in_channels, self.depth)

    def digest(self) -> bytes:
        """Identify everything that the weights depend on, wherever the images are."""
        definition = self.model_dump_json(exclude={"data": {"data_dir"}, "version": True})
        return hashlib.sha256(definition.encode()).digest()

    @classmethod
    def read(cls, folder: Path) -> Self:
        path = folder / "run.json"
        data = parse_json(read_text(path), str(path))
        with explain_version(data, str(path)):
            return cls.parse(data, str(path))

    def write(self, folder: Path) -> None:
        write_atomic(folder / "run.json", self.model_dump_json(indent=2) + "\n")
        write_atomic(folder / "arch.json", self.arch.to_json() + "\n")
        write_atomic(folder / "recipe.toml", self.recipe.to_toml())


@dataclass(frozen=True)
class RunResult:
    """A finished retraining, as `--json` prints it."""

    run: str
    """The run's folder."""
    target: str
    """The target that was asked for."""
    study: str | None
    """The study it comes from."""
    trial: int | None
    """The study's trial it comes from."""
    params: int
    """Trainable parameters."""
    macs: int
    """Multiply-adds for one image."""
    test_accuracy: float
    """Share right on the test part, in [0, 1], with the selected epoch's weights."""
    test_balanced_accuracy: float
    """Mean over the test part's classes of the share right, in [0, 1]."""
    largest_class: float | None
    """The share of the test images that the largest class has; null of equal classes."""
    test_loss: float
    """Mean cross-entropy on the test part."""
    test_selected: bool
    """Whether the test part was seen after every epoch: then all this is an upper bound."""
    select: str
    """Whose weights these are: last, best-val or best-test."""
    selected_epoch: int
    """The epoch whose weights these are, counted from 1."""
    last_test_accuracy: float | None
    """As `test_accuracy`, after the last epoch; None where its weights were never tested."""
    last_test_loss: float | None
    """As `test_loss`, after the last epoch; None where its weights were never tested."""
    test_images: int
    """Size of the test part."""
    test_in_train: int
    """Number of its images that are also training images."""
    test_unreadable: int
    """Number of unreadable images that were left out of it."""
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
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> Self:
        try:
            return TypeAdapter(cls).validate_python(parse_json(read_text(path), str(path)))
        except ValidationError as error:
            raise InputError(f"{path}: damaged: {error.errors()[0]['msg']}") from None


def environment(device: str) -> dict[str, Any]:
    """Return the versions and the hardware that a run's numbers depend on."""
    packages = ("budgetnas", "torch", "torchvision", "optuna", "numpy", "pillow")
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed as a package"
    return {
        "device": device,
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": versions,
        "cuda": torch.version.cuda,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def write_json(path: Path, value: dict[str, Any]) -> None:
    write_atomic(path, json.dumps(value, indent=2) + "\n")


Picture: TypeAlias = Image.Image | str | PathLike[str]
"""A picture: Pillow's, or the path of its file."""


@dataclass(frozen=True)
class Preprocess:
    """From a picture to what the network sees, as in the run's training."""

    format: ImageFormat
    """Channels and depth of the training images."""
    view: View
    """How pictures are brought to their images."""
    statistics: Statistics
    """Mean and deviation of each channel."""

    def __call__(self, pictures: Picture | Sequence[Picture]) -> Tensor:
        """Turn pictures into the network's input.

        Args:
            pictures: One, or a list of them: Pillow images of any size and mode, or paths.

        Returns:
            float32 [n, channels, size, size], on the CPU.

        Raises:
            InputError: With the file that can't be read.
        """
        listed = [pictures] if isinstance(pictures, Image.Image | str | PathLike) else pictures
        images = [to_channels(self._image(each), self.format.channels) for each in listed]
        if not images:
            raise InputError("at least one picture is needed, got none")
        normalize = Normalizer(self.statistics, Numerics(), torch.device("cpu"))
        return normalize(torch.from_numpy(np.stack(images)))

    def _image(self, picture: Picture) -> Pixels:
        """Return a picture as training would see it: [size, size, 3]."""
        if isinstance(picture, Image.Image):
            return preprocessed(picture, self.view, self.format.depth)
        return decoded_file(Path(picture), self.view, self.format.depth)


def load_run(path: str | Path) -> tuple[nn.Module, Preprocess]:
    """Load a finished run for use.

    Args:
        path: The run's folder.

    Returns:
        The model, in evaluation mode on the CPU, which maps float32 [n, c, size, size] to logits
        [n, classes], and whose `classes` are their names; and what turns a picture, its path or a
        list of either into the model's input.

    Raises:
        InputError: If the folder holds no finished run.
    """
    folder = Path(path)
    config = RunConfig.read(folder)
    model = model_to_load(config.arch)
    try:
        model.load_state_dict(read_tensors(folder / "weights.safetensors"))
    except RuntimeError as error:
        reason = first_line(error)
        raise InputError(f"{folder}: the weights are not the arch's: {reason}") from None
    model.eval()
    model.classes = config.classes  # type: ignore[assignment]  # a module may carry anything
    return model, Preprocess(config.format, config.data.view, config.statistics)


_MEMBER = re.compile(r"(.+)-seed[1-9]\d*", re.ASCII)


def hold_out(images: ImageSet, select: str, seed: int) -> tuple[ImageSet, ImageSet | None]:
    """Split the training images into those to train on and those to select the epoch by, if any.

    What is held out is what a study of this seed validates on: the images that their owner has put
    aside for that, else a tenth of each class.
    """
    if SELECTIONS[select] != "val":
        return images, None
    parts = split_images(images, seed)
    if not len(parts.val):
        raise InputError(
            f"--select {select} holds out a tenth of each class that has 2 different "
            "training images or more, got no such class"
        )
    return images.take(parts.train), images.take(parts.val)


def load_images(source: DataSource, watch: Watcher) -> ImageSet:
    with memory_guard("the images"):
        images = load_train(source, lambda *progress: watch(Loading(*progress)))
    for text in images.all_notices:
        watch(Notice(text))
    return images


def load_again(
    config: RunConfig, data_dir: str | Path | None, watch: Watcher
) -> tuple[RunConfig, ImageSet]:
    """Load the images of a run that is resumed; they may have been moved, not changed."""
    if data_dir is not None:
        config = config.changed(data=config.data.at(data_dir))
    images = load_images(config.data, watch)
    fingerprints = {"the data": (config.fingerprint, images.fingerprint())}
    require_same(f"the run of {config.target!r}", fingerprints, "leave out --resume")
    return config, images


def reseeded(began: RunConfig, seed: int, images: ImageSet) -> RunConfig:
    """Define the run that differs from another in its seed, and in what follows from that."""
    trained_on, _ = hold_out(images, began.select, seed)
    statistics = recipe_statistics(began.recipe, trained_on)
    return began.changed(
        seed=seed, images=len(trained_on), mean=statistics.mean, std=statistics.std
    )


def new_folder(out: Path | None, base: Path, target: str, trial: int | None) -> Path:
    if out is not None:
        if out.exists() and not (out.is_dir() and _nothing_trained(out)):
            raise InputError(f"--out must be a new or empty folder (or give --resume), got {out}")
        studies, place = STUDIES.resolve(), out.resolve()
        if place in (studies, studies.parent) or place.parent in (studies, *_studies_of(place)):
            raise InputError(f"--out must be no study's folder or its runs, got {out}")
        return out
    title = f"trial{trial}" if trial is not None else Path(target).stem
    title = re.sub(r"[^A-Za-z0-9._-]+", "-", title)[:60]
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{title}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
    return next(base / name for name in names if not (base / name).exists())


BEGINNING = {".lock", "run.json", "arch.json", "recipe.toml", "environment.json", UNREADABLE}
"""Files in the folder of a run that was killed before its first epoch."""


def _nothing_trained(folder: Path) -> bool:
    return all(path.name in BEGINNING or path.suffix == ".part" for path in folder.iterdir())


def _studies_of(place: Path) -> list[Path]:
    return [place.parent] if config_path(place.parent).exists() else []


def runs_of(base: Path, target: str) -> Iterator[Path]:
    """List the runs of this target, the newest first."""
    for path in sorted(base.glob("*/run.json"), reverse=True):
        began = None
        with contextlib.suppress(InputError):  # a damaged neighbour hides no other
            began = RunConfig.read(path.parent)
        if began and began.target == target:
            yield path.parent


def unfinished(base: Path, target: str) -> Path:
    """Find the newest run of this target that has no result."""
    for folder in runs_of(base, target):
        if not (folder / RESULT).exists():
            return folder
    raise InputError(
        f"no unfinished run of {target!r} in ./{base} to resume; --out names a folder"
    )


def member(first: Path, number: int) -> Path:
    """Return the folder of a later run of the series that begins in a folder."""
    return first.with_name(f"{first.name}-seed{number}")


def first_of(folder: Path) -> Path:
    """Return the folder of the first run of a series: `member` undone."""
    name = _MEMBER.fullmatch(folder.name)
    first = folder.with_name(name[1]) if name else folder
    return first if (first / "run.json").is_file() else folder

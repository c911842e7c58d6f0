"""`Retraining`: a run in its folder, epoch by epoch, and the test at its end."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from budgetnas.analysis import confusion_table, per_class_table
from budgetnas.arch import count_macs, count_params
from budgetnas.data import count_openings
from budgetnas.data.heldout import open_test
from budgetnas.data.images import ImageSet, count_common
from budgetnas.data.load import write_unreadable
from budgetnas.errors import InputError, RunStopped
from budgetnas.events import (
    STOP,
    Loading,
    Notice,
    Once,
    RunEpochEnded,
    RunStarted,
    TestOpened,
    Watcher,
)
from budgetnas.files import sweep, write_atomic
from budgetnas.metric import BUILT_IN, SELECTIONS, attribute_of, measure, unequal_share
from budgetnas.model import model_to_load
from budgetnas.runs._run import RESULT, RunConfig, RunResult, environment, write_json
from budgetnas.seeds import derive_seed
from budgetnas.train import (
    Checkpoints,
    Epoch,
    Evaluation,
    Fit,
    History,
    Normalizer,
    State,
    TrainingData,
    check_finite,
    device_title,
    evaluate,
    memory_guard,
    named,
    place,
    read_tensors,
    use_threads,
    write_tensors,
)


@dataclass
class Retraining:
    """A retraining in its folder."""

    config: RunConfig
    folder: Path
    log: Path
    device: torch.device
    watch: Watcher
    known: frozenset[bytes]
    """Digests of the training part's images, to find those that are also in the test part."""
    unreadable: tuple[str, ...] = ()
    """Files of the training part that can't be read and were left out."""
    _evaluated: ImageSet | None = None
    """The part that is evaluated after every epoch."""

    def run(self, images: ImageSet, val: ImageSet | None) -> RunResult:
        """Train what is left to train, then test.

        Args:
            images: What to train on.
            val: What is held out to select the epoch by, if anything is.
        """
        use_threads(self.config.numerics)
        sweep(self.folder)
        fit = Fit(
            self.config.arch, self.config.recipe, derive_seed(self.config.seed, "retrain"),
            run_history(self.config, self._measured), Checkpoints(self.folder),
            self.config.digest(),
            f"of another run than {self.folder / 'run.json'} says",
        )  # fmt: skip
        history = fit.history
        fit.resume(
            lambda text: self.watch(Notice(text)),
            lambda state, path: self._check(state, path, history),
        )
        self.config.write(self.folder)  # on resuming too: the images may have moved
        write_unreadable(self.folder, self.unreadable)
        if not history.rows:
            write_json(self.folder / "environment.json", environment(device_title(self.device)))
        config = self.config
        self.watch(
            RunStarted(
                self.folder, str(config.arch), count_params(config.arch), len(images),
                device_title(self.device), config.recipe.epochs, len(history.rows),
            )
        )  # fmt: skip
        test = self._open_test() if config.test_selected else None
        self._train(images, val if test is None else test, fit)
        self._write_metrics(history)  # once more: the last time may have been interrupted
        return self._test(self._open_test() if test is None else test, history)

    def _measured(self, epoch: Epoch) -> float:
        """Measure an epoch by a metric that users have registered."""
        assert epoch.val_predictions is not None, "it is evaluated"
        assert self._evaluated is not None, "it is evaluated"
        counts = self._evaluated.confusion(epoch.val_predictions)
        return measure(self.config.metric, counts.numpy())

    def _train(self, images: ImageSet, evaluated: ImageSet | None, fit: Fit) -> None:
        self._evaluated = evaluated
        config = self.config
        known = {config.recipe.normalize: config.statistics}
        with memory_guard("the network and the images"):
            data = TrainingData(images, evaluated, config.numerics, known).to(self.device)
        tell_once = Once(self.watch)
        for epoch in fit.epochs(data):
            tell_once(epoch.notices)
            self._keep(epoch, fit)
            row = fit.history.rows[-1]
            answer = self.watch(
                RunEpochEnded(
                    epoch.number, config.recipe.epochs, epoch.lr,
                    epoch.train_loss, epoch.train_accuracy, epoch.seconds,
                    row.get("val_accuracy"), row.get("test_accuracy"),
                    epoch.val_balanced_accuracy,
                )
            )  # fmt: skip
            if answer == STOP and epoch.number < config.recipe.epochs:
                raise RunStopped(
                    f"stopped by a callback after epoch {epoch.number} of {config.recipe.epochs}; "
                    f"to continue: budgetnas retrain {config.target} --resume --out {self.folder}"
                )

    def _check(self, state: State, path: Path, history: History) -> None:
        """Check that a checkpoint has its best epoch's weights; the last one, the run's."""
        weights = named(state, "model.") if SELECTIONS[self.config.select] else {}
        if _shapes(history.best) != _shapes(weights):
            raise InputError(f"{path}: damaged: it must have the weights of its best epoch")
        if len(history.rows) == self.config.recipe.epochs:
            self._check_weights(state)

    def _check_weights(self, state: State) -> None:
        """Raise for weights that are damaged, or not those of the last checkpoint."""
        path = self.folder / "weights.safetensors"
        read_tensors(path)
        if not torch.equal(state.get("weights", torch.empty(0)), _digest(path)):
            raise InputError(f"{path}: damaged: not the weights that this run ended with")

    def _keep(self, epoch: Epoch, fit: Fit) -> None:
        """Write weights after the last epoch, then the checkpoint, then its metrics for people.

        In this order a checkpoint never claims an epoch whose weights are missing.
        """
        more = {}
        if epoch.number == self.config.recipe.epochs:
            weights = self.folder / "weights.safetensors"
            write_tensors(weights, fit.history.best or epoch.weights())
            more["weights"] = _digest(weights)
        fit.save(epoch, **more)
        self._write_metrics(fit.history)

    def _write_metrics(self, history: History) -> None:
        table = pd.DataFrame(history.rows).astype({"epoch": int})
        write_atomic(self.folder / "metrics.csv", str(table.to_csv(index=False)))

    def _open_test(self) -> ImageSet:
        """Open the test part: before the first epoch if every epoch is evaluated on it."""
        config = self.config
        every_epoch = config.test_selected
        self.watch(TestOpened(count_openings(self.log) + 1, every_epoch))
        with memory_guard("the test images"):
            test = open_test(
                config.data, config.format, self.log, str(self.folder),
                config.fingerprint, lambda *progress: self.watch(Loading(*progress)),
                every_epoch=every_epoch,
            )  # fmt: skip
        write_unreadable(self.folder, (*self.unreadable, *test.unreadable))
        for text in (*test.notices, *filter(None, [self._known_notice(test)])):
            self.watch(Notice(text))
        return test

    def _known_notice(self, test: ImageSet) -> str | None:
        """Count the test images that are also training images, in words; None if there is none."""
        number = count_common(test.digests, self.known)
        if not number:
            return None
        return (
            f"{number:,} of {len(test):,} test images are training images, too: the test accuracy "
            "is higher than on new images, remove them from one of the parts"
        )

    def _measure(self, test: ImageSet, epoch: int) -> Evaluation:
        config = self.config
        model = model_to_load(config.arch)
        model.load_state_dict(read_tensors(self.folder / "weights.safetensors"))
        normalize = Normalizer(config.statistics, config.numerics, self.device)
        with memory_guard("the test images"):
            measured = evaluate(
                place(model, config.numerics, self.device),
                test.to(self.device),
                normalize,
                config.numerics,
                config.recipe.batch_size,
            )
        check_finite(measured.loss, "test", epoch)
        return measured

    def _test(self, test: ImageSet, history: History) -> RunResult:
        config, arch = self.config, self.config.arch
        measured = self._measure(test, history.selected)
        self._write_tables(test, measured)
        counts = torch.bincount(test.labels, minlength=len(test.classes))
        largest_class = unequal_share(counts.tolist())
        last = history.rows[-1]
        if history.selected == len(history.rows):
            last = {"test_accuracy": measured.accuracy, "test_loss": measured.loss}
        result = RunResult(
            run=str(self.folder),
            target=config.target,
            study=config.study,
            trial=config.trial,
            params=count_params(arch),
            macs=count_macs(arch, config.data.image_size),
            test_accuracy=measured.accuracy,
            test_balanced_accuracy=measured.balanced_accuracy,
            largest_class=largest_class,
            test_loss=measured.loss,
            test_selected=config.test_selected,
            select=config.select,
            selected_epoch=history.selected,
            last_test_accuracy=last.get("test_accuracy"),
            last_test_loss=last.get("test_loss"),
            test_images=len(test),
            test_unreadable=len(test.unreadable),
            test_in_train=count_common(test.digests, self.known),
            test_openings=count_openings(self.log),
            epochs=config.recipe.epochs,
            seconds=round(sum(row["seconds"] for row in history.rows), 3),
            device=device_title(self.device),
            arch=arch.model_dump(mode="json"),
        )
        write_json(self.folder / RESULT, result.as_json())
        return result

    def _write_tables(self, test: ImageSet, measured: Evaluation) -> None:
        labels, guesses = test.labels.numpy(), measured.predictions.numpy()
        tables = {
            "predictions": predictions_table(test, measured),
            "confusion": confusion_table(labels, guesses, test.classes),
            "per_class": per_class_table(labels, guesses, test.classes),
        }
        for name, table in tables.items():
            write_atomic(self.folder / f"{name}.csv", table.to_csv(index=name != "predictions"))


def run_history(config: RunConfig, measured: Callable[[Epoch], float]) -> History:
    """Return the history of a run without epochs: its metrics, and how its epoch is selected.

    Args:
        config: The run's.
        measured: Measures its metric, where that is none of the package's own.
    """
    columns: dict[str, str | Callable[[Epoch], float]] = {"epoch": "number"}
    columns |= {name: name for name in ("lr", "train_loss", "train_accuracy")}
    if part := config.evaluated:
        names = ("loss", "accuracy", "balanced_accuracy")
        columns |= {f"{part}_{name}": f"val_{name}" for name in names}
        if config.metric not in BUILT_IN:
            columns[attribute_of(config.metric).replace("val_", f"{part}_", 1)] = measured
    columns["seconds"] = "seconds"
    part = SELECTIONS[config.select]
    if part is None:
        return History(columns, None, lambda epoch: {})
    metric = attribute_of(config.metric).replace("val_", f"{part}_", 1)
    return History(columns, (metric, f"{part}_loss"), Epoch.weights)


def predictions_table(images: ImageSet, measured: Evaluation) -> pd.DataFrame:
    """List what was predicted for each image.

    Returns:
        A row an image: `image`, its file as seen from the data set's folder, else its index;
        `class` and `prediction`, both by name; `probability` of the prediction, in (0, 1].
    """
    assert measured.probabilities is not None, "they were asked for"
    names = np.array(images.classes, dtype=object)
    return pd.DataFrame(
        {
            "image": images.files or range(len(images)),
            "class": names[images.labels.numpy()],
            "prediction": names[measured.predictions.numpy()],
            "probability": measured.probabilities.double().numpy().round(6),
        }
    )


def _digest(path: Path) -> torch.Tensor:
    return torch.tensor(list(hashlib.sha256(path.read_bytes()).digest()), dtype=torch.uint8)


def _shapes(tensors: State) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (value.shape, value.dtype) for name, value in tensors.items()}

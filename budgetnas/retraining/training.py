"""`Retraining`: a run in its folder, epoch by epoch, and the test at its end."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pandas as pd
import torch

from budgetnas.arch import count_macs, count_params
from budgetnas.data.heldout import count_openings, open_test
from budgetnas.data.images import ImageSet
from budgetnas.errors import InputError
from budgetnas.events import Loading, Notice, RunEpochEnded, RunStarted, TestOpened, Watcher
from budgetnas.files import sweep, write_atomic
from budgetnas.model import build_model
from budgetnas.report.tables import confusion_table, per_class_table
from budgetnas.retraining.run import RunConfig, RunResult, environment, write_json
from budgetnas.seeds import derive_seed
from budgetnas.train.checkpoint import Checkpoints, epochs_done, read_tensors, write_tensors
from budgetnas.train.engine import Epoch, State, check_finite, place, train
from budgetnas.train.evaluate import Normalizer, evaluate
from budgetnas.train.init import initial_model
from budgetnas.train.memory import memory_guard
from budgetnas.train.numerics import device_title, use_threads

METRICS = ("epoch", "lr", "train_loss", "train_accuracy", "seconds")
Row: TypeAlias = dict[str, float]
"""The metrics of one epoch."""


@dataclass
class Retraining:
    """A retraining in its folder."""

    config: RunConfig
    folder: Path
    log: Path
    device: torch.device
    watch: Watcher

    def run(self, images: ImageSet) -> RunResult:
        """Train what is left to train, then test."""
        use_threads(self.config.numerics)
        sweep(self.folder)
        checkpoints = Checkpoints(self.folder)
        state = checkpoints.read(self._check, lambda text: self.watch(Notice(text)))
        rows = _rows(state)
        self.config.write(self.folder)  # on resuming too: the images may have moved
        if state is None:
            write_json(self.folder / "environment.json", environment(device_title(self.device)))
        config = self.config
        self.watch(
            RunStarted(
                self.folder, str(config.arch), count_params(config.arch), len(images),
                device_title(self.device), config.recipe.epochs, len(rows),
            )
        )  # fmt: skip
        seed = derive_seed(config.seed, "retrain")
        with memory_guard("the network and the images"):
            model = initial_model(config.arch, config.recipe.init, derive_seed(seed, "init"))
            placed = images.to(self.device)
        for epoch in train(
            model, placed, config.recipe, config.numerics, seed,
            statistics=config.statistics, state=state,
        ):  # fmt: skip
            rows.append(_metrics(epoch))
            self._keep(epoch, rows, checkpoints)
            self.watch(
                RunEpochEnded(
                    epoch.number, config.recipe.epochs, epoch.lr,
                    epoch.train_loss, epoch.train_accuracy, epoch.seconds,
                )
            )  # fmt: skip
        self._write_metrics(rows)  # once more: the last time may have been interrupted
        return self._test(sum(row["seconds"] for row in rows))

    def _check(self, state: State, path: Path) -> None:
        """Refuse a checkpoint of another run, and the last one where its weights are damaged."""
        if epochs_done(state, path, self.config.recipe.epochs) != len(_rows(state)):
            raise InputError(f"{path}: damaged: it must have the metrics of each of its epochs")
        if not torch.equal(state.get("definition", torch.empty(0)), self._definition()):
            raise InputError(f"{path}: of another run than {self.folder / 'run.json'} says")
        if len(_rows(state)) == self.config.recipe.epochs:
            self._check_weights(state)

    def _check_weights(self, state: State) -> None:
        """Refuse weights that are damaged, or not those that the last checkpoint is of."""
        path = self.folder / "weights.safetensors"
        read_tensors(path)
        if not torch.equal(state.get("weights", torch.empty(0)), _digest(path)):
            raise InputError(f"{path}: damaged: not the weights of this run's last epoch")

    def _keep(self, epoch: Epoch, rows: list[Row], checkpoints: Checkpoints) -> None:
        """Write weights after the last epoch, then the checkpoint, then its metrics for people.

        In this order a checkpoint never claims an epoch whose weights are missing.
        """
        table = torch.tensor([list(row.values()) for row in rows], dtype=torch.float64)
        state = {**epoch.state(), "metrics": table, "definition": self._definition()}
        if epoch.number == self.config.recipe.epochs:
            weights = self.folder / "weights.safetensors"
            write_tensors(weights, epoch.weights())
            state["weights"] = _digest(weights)
        checkpoints.write(state)
        self._write_metrics(rows)

    def _definition(self) -> torch.Tensor:
        return torch.tensor(list(self.config.digest()), dtype=torch.uint8)

    def _write_metrics(self, rows: list[Row]) -> None:
        table = pd.DataFrame(rows).astype({"epoch": int})
        write_atomic(self.folder / "metrics.csv", table.to_csv(index=False))

    def _test(self, seconds: float) -> RunResult:
        """Open the test part, once, and write down everything it says."""
        config, arch = self.config, self.config.arch
        model = build_model(arch)
        model.load_state_dict(read_tensors(self.folder / "weights.safetensors"))
        self.watch(TestOpened(count_openings(self.log) + 1))
        with memory_guard("the test images"):
            test = open_test(
                config.data, arch.in_channels, self.log, str(self.folder), config.fingerprint,
                lambda *progress: self.watch(Loading(*progress)),
            )  # fmt: skip
        normalize = Normalizer(config.statistics, config.numerics, self.device)
        with memory_guard("the test images"):
            measured = evaluate(
                place(model, config.numerics, self.device),
                test.to(self.device),
                normalize,
                config.numerics,
                config.recipe.batch_size,
            )
        check_finite(measured.loss, "test", config.recipe.epochs)
        self._write_tables(test, measured.predictions)
        result = RunResult(
            run=str(self.folder),
            target=config.target,
            study=config.study,
            trial=config.trial,
            params=count_params(arch),
            macs=count_macs(arch, config.data.image_size),
            test_accuracy=measured.accuracy,
            test_balanced_accuracy=measured.balanced_accuracy,
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


def _digest(path: Path) -> torch.Tensor:
    return torch.tensor(list(hashlib.sha256(path.read_bytes()).digest()), dtype=torch.uint8)


def _metrics(epoch: Epoch) -> Row:
    return {
        "epoch": float(epoch.number),
        "lr": epoch.lr,
        "train_loss": epoch.train_loss,
        "train_accuracy": epoch.train_accuracy,
        "seconds": epoch.seconds,
    }


def _rows(state: State | None) -> list[Row]:
    """Read the metrics of the epochs before a checkpoint, which it holds."""
    table = None if state is None else state.get("metrics")
    if table is None or table.ndim != 2 or table.shape[1] != len(METRICS):
        return []
    return [dict(zip(METRICS, row, strict=True)) for row in table.tolist()]

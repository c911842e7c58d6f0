"""`Retraining`: a run in its folder, epoch by epoch, and the test at its end."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from budgetnas.arch import count_macs, count_params
from budgetnas.data.heldout import count_openings, open_test
from budgetnas.data.images import ImageSet
from budgetnas.events import Loading, RunEpochEnded, RunStarted, TestOpened, Watcher
from budgetnas.files import write_atomic
from budgetnas.model import build_model
from budgetnas.report.tables import confusion_table, per_class_table
from budgetnas.retraining.run import RunConfig, RunResult, environment, write_json
from budgetnas.seeds import derive_seed
from budgetnas.spec import read_text
from budgetnas.train.checkpoint import epochs_done, read_tensors, write_tensors
from budgetnas.train.engine import Epoch, check_finite, place, train
from budgetnas.train.evaluate import Normalizer, evaluate
from budgetnas.train.init import initial_model
from budgetnas.train.memory import memory_guard
from budgetnas.train.numerics import device_title, use_threads

METRICS = ("epoch", "lr", "train_loss", "train_accuracy", "seconds")


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
        checkpoint = self.folder / "checkpoint.safetensors"
        state = read_tensors(checkpoint) if checkpoint.is_file() else None
        done = epochs_done(state, checkpoint, self.config.recipe.epochs) if state else 0
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
        with memory_guard("the network and the images"):
            model = initial_model(config.arch, config.recipe.init, derive_seed(seed, "init"))
            placed = images.to(self.device)
        rows = _read_metrics(self.folder / "metrics.csv")[:done]
        for epoch in train(
            model, placed, config.recipe, config.numerics, seed,
            statistics=config.statistics, state=state,
        ):  # fmt: skip
            rows.append(_metrics(epoch))
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


def _metrics(epoch: Epoch) -> dict[str, Any]:
    return {
        "epoch": epoch.number,
        "lr": epoch.lr,
        "train_loss": epoch.train_loss,
        "train_accuracy": epoch.train_accuracy,
        "seconds": epoch.seconds,
    }


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

"""A surrogate of training, fitted on really trained small networks, and searches on it.

`fitted()` reads studies/small-networks/results/networks.csv and learns the accuracy after every
epoch from what a network is. `search_on` runs the program's own loop, with its samplers,
proposals, pruners and rules, on an executor that trains nothing and reports the predictions.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import optuna
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kendalltau
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from budgetnas.analysis import best_trial
from budgetnas.arch import Arch, Budget, count_macs, count_params
from budgetnas.data import DataSource
from budgetnas.events import ignore
from budgetnas.executors import Decision, EpochResult, TrialEvent, TrialJob
from budgetnas.metric import Measurements
from budgetnas.recipe import Numerics, load_recipe
from budgetnas.space import Proposal
from budgetnas.study import DataFacts, StudyConfig
from budgetnas.study.trial_record import Kind, TrialRecord
from budgetnas.trials import Loop, Record

TABLE = Path("studies/small-networks/results/networks.csv")
EPOCHS, BATCH, SIZE = 9, 64, 12
FOLDS = 10
FEATURES = 13
"""Numbers that describe a network."""
Floats = NDArray[np.float64]

# what learns accuracies [n, epochs] from features [n, f]
MODELS: dict[str, Callable[[], Any]] = {
    "ridge": lambda: make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13))),
    "trees": lambda: ExtraTreesRegressor(500, min_samples_leaf=2, random_state=0),
    "gp": lambda: make_pipeline(
        StandardScaler(),
        GaussianProcessRegressor(RBF([3.0] * FEATURES) + WhiteKernel(0.1), normalize_y=True),
    ),
}


def features(arch: Arch) -> list[float]:
    """Describe a network by numbers: sizes by their logarithms, the rest by what it has."""
    widths = [stage.width for stage in arch.stages]
    depths = [stage.depth for stage in arch.stages]
    return [
        math.log(count_params(arch)),
        math.log(count_macs(arch, SIZE)),
        float(len(widths)),
        math.log(sum(depths)),
        math.log(widths[0]),
        math.log(widths[-1]),
        math.log(max(widths) / min(widths)),
        math.log(min(widths)),
        float(depths[0]),
        float(depths[-1]),
        float(arch.block == "preact"),
        float(arch.se is not None and arch.se.where == "block"),
        float(arch.se is not None and arch.se.where == "stem"),
    ]


@dataclass(frozen=True)
class Surrogate:
    """What a network's accuracy would be after each epoch.

    Three parts add up: what the model says of a network; what it can't say, which is drawn for
    each network, always the same; and what a seed adds, drawn for each training. Both are normal,
    with the covariances over epochs that were measured, so that early ranks are as misleading
    here as they were in training.
    """

    model: Any
    own: Floats
    """Covariance of what the model can't say, float64 [epochs, epochs]."""
    noise: Floats
    """Covariance of what a seed adds, float64 [epochs, epochs]."""

    def mean(self, arch: Arch) -> Floats:
        """Return the accuracy after each epoch in the mean over seeds, float64 [epochs]."""
        predicted: Floats = self.model.predict(np.array([features(arch)]))[0]
        return predicted + _normal(self.own, int(arch.digest()[:8], 16))

    def trained(self, arch: Arch, seed: int) -> Floats:
        """Return the accuracies of one training with this seed."""
        return self.mean(arch) + _normal(self.noise, seed)


def _normal(covariance: Floats, seed: int) -> Floats:
    random = np.random.default_rng(seed)
    drawn: Floats = random.multivariate_normal(np.zeros(len(covariance)), covariance)
    return drawn


def read_table(path: Path = TABLE) -> pd.DataFrame:
    """Read the trained networks: a row a training."""
    return pd.read_csv(path)


def learnable(table: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return features [n, f] and mean accuracies [n, epochs] of each network."""
    columns = [f"val_accuracy_{epoch}" for epoch in range(1, EPOCHS + 1)]
    means = table.groupby("arch", sort=False)[columns].mean()
    described = [features(Arch.from_json(text)) for text in means.index]
    return np.array(described), means.to_numpy()


def seed_noise(table: pd.DataFrame) -> Floats:
    """Pool the covariance over epochs of what seeds change, from networks trained twice or more.

    Returns:
        float64 [epochs, epochs].
    """
    columns = [f"val_accuracy_{epoch}" for epoch in range(1, EPOCHS + 1)]
    groups = table.groupby("arch")[columns]
    repeated = table[groups.transform("count")[columns[0]] >= 2]
    off = repeated[columns] - repeated.groupby("arch")[columns].transform("mean")
    df = len(repeated) - repeated["arch"].nunique()
    covariance: Floats = off.to_numpy().T @ off.to_numpy() / df
    return covariance


def held_out(name: str, x: Floats, y: Floats) -> Floats:
    """Predict each network by a model that has not seen it: float64 [n, epochs]."""
    predicted = np.empty_like(y)
    for seen, unseen in KFold(FOLDS, shuffle=True, random_state=0).split(x):
        predicted[unseen] = MODELS[name]().fit(x[seen], y[seen]).predict(x[unseen])
    return predicted


def held_out_tau(
    name: str, x: Floats, y: Floats, resamples: int = 1_000
) -> tuple[float, float, float]:
    """Return Kendall's tau of predictions for networks not seen, with its 95 % interval."""
    predicted, actual = held_out(name, x, y)[:, -1], y[:, -1]
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(y), len(y)) for _ in range(resamples)]
    taus = [kendalltau(predicted[each], actual[each]).statistic for each in draws]
    low, high = np.quantile(taus, [0.025, 0.975])
    return float(kendalltau(predicted, actual).statistic), float(low), float(high)


def fitted(name: str, table: pd.DataFrame) -> Surrogate:
    """Fit a surrogate on all trained networks; how wrong it is, networks not seen tell."""
    x, y = learnable(table)
    noise = seed_noise(table)
    off = y - held_out(name, x, y)
    seeds = len(table) / len(y)
    own = _without(off.T @ off / len(y), noise / seeds)
    return Surrogate(MODELS[name]().fit(x, y), own, noise)


def _without(covariance: Floats, part: Floats) -> Floats:
    """Take a covariance out of another; what would be negative is nothing."""
    values, vectors = np.linalg.eigh(covariance - part)
    rest: Floats = vectors @ np.diag(np.maximum(values, 0)) @ vectors.T
    return rest


class SurrogateExecutor:
    """Trains nothing: reports what the surrogate predicts, an epoch at a time."""

    def __init__(self, surrogate: Surrogate) -> None:
        self._surrogate = surrogate
        self._trial = 0
        self._epochs: Iterator[EpochResult] | None = None

    @property
    def slots(self) -> int:
        """One, or none."""
        return int(self._epochs is None)

    @property
    def has_event(self) -> bool:
        """Never: events are made within `next_event`."""
        return False

    def submit(self, job: TrialJob) -> None:
        """Look up a trial's accuracies."""
        self._trial = job.trial
        values = self._surrogate.trained(job.arch, job.seed)
        self._epochs = iter(_results(values[: job.recipe.epochs]))

    def next_event(self) -> tuple[int, TrialEvent]:
        """Report the next epoch."""
        assert self._epochs is not None, "a trial was submitted"
        return self._trial, next(self._epochs)

    def reply(self, trial: int, decision: Decision) -> None:
        """Go on, or drop the trial."""
        if decision is Decision.STOP:
            self._epochs = None


def _results(values: Floats) -> Iterator[EpochResult]:
    for epoch, value in enumerate(map(float, values), start=1):
        attributes: Measurements = {"val_accuracy": value, "epochs": epoch}
        yield EpochResult(epoch, value, value, attributes, 0.0)


@dataclass(frozen=True)
class Searched:
    """A search on the surrogate."""

    surrogate: Surrogate
    trials: Sequence[optuna.trial.FrozenTrial]

    @cached_property
    def trained(self) -> list[optuna.trial.FrozenTrial]:
        """Its trained trials, in order."""
        return [trial for trial in self.trials if TrialRecord(trial).kind is Kind.TRAINED]

    @property
    def feasible_share(self) -> float:
        """Which of its draws fit."""
        over = sum(TrialRecord(trial).kind is Kind.OVER_BUDGET for trial in self.trials)
        return 1 - over / len(self.trials)

    @property
    def epochs(self) -> int:
        """Epochs that it trained."""
        return sum(TrialRecord(trial).epochs for trial in self.trained)

    def found(self, epochs: float = math.inf) -> float:
        """Return the true accuracy, without a seed's luck, of what it takes for the best.

        Args:
            epochs: Of what it has trained in so many epochs.
        """
        within, spent = [], 0
        for trial in self.trained:
            spent += TrialRecord(trial).epochs
            if spent > epochs:
                break
            within.append(trial)
        best = best_trial(within)
        assert best is not None, "something was completed"
        return float(self.surrogate.mean(best.arch)[-1])


def search_on(
    surrogate: Surrogate,
    proposal: Proposal,
    budget: str,
    *,
    trials: int,
    seed: int,
    pruner: str = "halving",
) -> Searched:
    """Run a search for so many trained trials on the surrogate."""
    config = StudyConfig(
        name="surrogate", version="", seed=seed, pruner=pruner, budget=Budget.from_text(budget),
        data=DataSource.choose("cifar10", None, SIZE),
        facts=DataFacts(channels=3, classes=tuple("0123456789"), fingerprint="", train=2_000,
                        val=2_500, split="", val_counts=(250,) * 10),
        numerics=Numerics(),
        recipe=load_recipe("short").changed(epochs=EPOCHS, batch_size=BATCH),
        proposal=proposal,
    )  # fmt: skip
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    with TemporaryDirectory() as folder:
        record = Record(study, config, Path(folder))
        Loop(record, SurrogateExecutor(surrogate), ignore).run(trials, math.inf)
    return Searched(surrogate, study.get_trials(deepcopy=False))

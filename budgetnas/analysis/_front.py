"""The best of a study for each budget: which trained networks no cheaper one is as good as."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from budgetnas.study.metric import Metric
from budgetnas.study.trials import best_trial, best_trials, measured


@dataclass(frozen=True)
class Step:
    """A network of the front."""

    number: int
    """The trial's."""
    params: int
    """Trainable parameters."""
    value: float
    """Its metric on the validation images, in [0, 1]."""
    gain: float | None
    """Accuracy gained over the network before it, in [0, 1]; None of the first. It is never given
    for so many parameters: over a few thousand, chance would become points a 100,000."""
    added: int | None
    """Parameters more than the network before it; None of the first."""


def best_within(
    trials: Iterable[FrozenTrial], params: int, metric: Metric | None = None
) -> FrozenTrial | None:
    """Find the best completed trial of at most so many parameters; of equals, the smallest."""
    within = (trial for trial in trials if trial.user_attrs.get("params", 0) <= params)
    return best_trial(within, metric)


def front(trials: Iterable[FrozenTrial], metric: Metric | None = None) -> Sequence[Step]:
    """List the completed trials that are better than every one of as few parameters or fewer."""
    known = [(measured(t, metric) or 0.0, t) for t in best_trials(trials, metric=metric)]
    steps: list[Step] = []
    for value, trial in sorted(known, key=lambda pair: (pair[1].user_attrs["params"], -pair[0])):
        params = trial.user_attrs["params"]
        if not steps:
            steps.append(Step(trial.number, params, value, None, None))
        elif value > (before := steps[-1]).value:
            gain, added = value - before.value, params - before.params
            steps.append(Step(trial.number, params, value, gain, added))
    return steps

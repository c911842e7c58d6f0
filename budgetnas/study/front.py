"""The best of a study for each budget: which trained networks no cheaper one is as good as."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from budgetnas.study.trials import best_trial, best_trials


@dataclass(frozen=True)
class Step:
    """A network of the front."""

    number: int
    """The trial's."""
    params: int
    """Trainable parameters."""
    value: float
    """Validation accuracy, in [0, 1]."""
    gain: float | None
    """Accuracy gained over the network before it for each 100,000 parameters more; None of the
    first."""


def best_within(trials: Iterable[FrozenTrial], params: int) -> FrozenTrial | None:
    """Find the best completed trial of at most so many parameters; of equals, the smallest."""
    return best_trial(trial for trial in trials if trial.user_attrs.get("params", 0) <= params)


def front(trials: Iterable[FrozenTrial]) -> Sequence[Step]:
    """List the completed trials that are better than every one of as few parameters or fewer."""
    ordered = sorted(best_trials(trials), key=lambda t: (t.user_attrs["params"], -(t.value or 0)))
    steps: list[Step] = []
    for trial in ordered:
        value, params = trial.value or 0.0, trial.user_attrs["params"]
        if not steps:
            steps.append(Step(trial.number, params, value, None))
        elif value > steps[-1].value:
            gain = (value - steps[-1].value) / (params - steps[-1].params) * 100_000
            steps.append(Step(trial.number, params, value, gain))
    return steps

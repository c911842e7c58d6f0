"""What to retrain: `best`, a trial's number, a preset, or an arch file."""

from dataclasses import dataclass, field

from optuna.trial import FrozenTrial

from budgetnas.arch import Arch, find_arch
from budgetnas.errors import InputError
from budgetnas.recipe import Recipe
from budgetnas.space import Grid, Overrides, Proposal
from budgetnas.spec import parse_json
from budgetnas.study.begun import BegunStudy
from budgetnas.study.trials import best_trial


@dataclass(frozen=True)
class Target:
    """An architecture to retrain, and where it comes from."""

    arch: Arch
    """As described; images and classes may still differ."""
    trial: int | None = None
    """The trial's number."""
    overrides: Overrides = field(default_factory=Overrides)
    """Recipe fields that the trial had drawn."""
    recipe: Recipe | None = None
    """The whole recipe, where the trial's configuration says one."""


def is_of_a_study(target: str) -> bool:
    """Say whether a target can only be found in a study."""
    return target == "best" or (target.isascii() and target.isdecimal() and len(target) < 19)


def find_target(target: str, study: BegunStudy | None, storage: str | None) -> Target:
    """Find the architecture that the user means.

    Raises:
        InputError: With what is known where the target is not.
    """
    if is_of_a_study(target):
        assert study is not None, "a trial is looked up in a study"
        return _from_trial(_find_trial(target, study, storage), study.config.proposal)
    return Target(find_arch(target, also="best, a trial's number"))


def _find_trial(target: str, study: BegunStudy, storage: str | None) -> FrozenTrial:
    trials = study.trials(storage)
    if target == "best":
        best = best_trial(trials)
        if best is None:
            raise InputError(f"study {study.name!r} has no completed trial to retrain yet")
        return best
    number = int(target)
    if number >= len(trials):
        raise InputError(
            f"study {study.name!r} has trials 0 to {len(trials) - 1}, got {number}"
            if trials
            else f"study {study.name!r} has no trials yet, got {number}"
        )
    trial = trials[number]
    if "arch" not in trial.user_attrs:
        raise InputError(f"trial {number} of study {study.name!r} has drawn no architecture yet")
    excess = trial.user_attrs.get("excess", 0)
    if excess > 0:
        raise InputError(
            f"trial {number} of study {study.name!r} is over the budget "
            f"{study.config.budget} by {excess:,} parameters"
        )
    return trial


def _from_trial(trial: FrozenTrial, proposal: Proposal) -> Target:
    where = f"trial {trial.number}"
    drawn = trial.user_attrs.get("recipe", "{}")
    return Target(
        Arch.from_json(trial.user_attrs["arch"], where),
        trial=trial.number,
        overrides=Overrides.parse(parse_json(drawn, where), where),
        recipe=proposal.at(trial.number)[0].recipe if isinstance(proposal, Grid) else None,
    )

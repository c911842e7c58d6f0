"""`SearchRequest`: what a user asks of a search, be it a new study or one to continue."""

from dataclasses import dataclass
from pathlib import Path

from budgetnas._version import __version__
from budgetnas.arch import Budget
from budgetnas.data import DataSource
from budgetnas.errors import InputError
from budgetnas.searching.plan import Plan, Settled
from budgetnas.searching.pruners import DEFAULT_PRUNER
from budgetnas.space import DEFAULT_PROPOSAL, DEFAULT_SAMPLER, PROPOSALS, Fill, Free, Grid, Space
from budgetnas.study.asked_recipe import AskedRecipe
from budgetnas.study.config import DataFacts, StudyConfig, require_same
from budgetnas.study.metric import DEFAULT_METRIC, Metric
from budgetnas.study.place import budget_needed, default_name


@dataclass(frozen=True)
class SearchRequest:
    """What the caller asked for; None where nothing was said."""

    budget: Budget | None
    dataset: str | None
    data_dir: str | Path | None
    image_size: int | None
    fit: str | None
    background: str | None
    skip_unreadable: bool | None
    train_samples: int | None
    epochs: int | None
    space: Space | None
    recipe: AskedRecipe
    sampler: str | None
    pruner: str | None
    seed: int | None
    storage: str | None
    limits: tuple[Budget, ...] | None = None
    also: tuple[Budget, ...] | None = None
    proposal: str | None = None
    presets: bool | None = None
    metric: Metric | None = None

    def proposed(self) -> Free | Fill:
        """Where networks shall come from."""
        kind = PROPOSALS[self.proposal or DEFAULT_PROPOSAL]
        presets = True if self.presets is None else self.presets
        return kind(
            sampler=self.sampler or DEFAULT_SAMPLER, space=self.space or Space(), presets=presets
        )

    def source(self) -> DataSource:
        """The data that is asked for."""
        return DataSource.choose(
            "cifar10" if self.dataset is None else self.dataset,
            self.data_dir,
            self.image_size,
            self.fit,
            self.background,
            self.skip_unreadable,
        )

    def default_name(self) -> str:
        """The name of a study that is not given one."""
        if self.budget is None:
            raise budget_needed(None)
        return default_name(self.source(), self.budget)

    def plan(self, name: str) -> Plan:
        """What a new study shall be."""
        if self.budget is None:
            raise budget_needed(name)
        source = self.source()

        def settle(facts: DataFacts) -> Settled:
            recipe, notices = self.recipe.fitted(source, facts.channels, facts.train)
            return Settled(recipe, self.proposed(), notices)

        return Plan(
            name, source, self.seed or 0, self.train_samples, at_most=False,
            budget=self.budget, pruner=self.pruner or DEFAULT_PRUNER, settle=settle,
            limits=self.limits or (), smaller=self.also or (),
            metric=self.metric or DEFAULT_METRIC,
        )  # fmt: skip

    def require_same(self, began: StudyConfig) -> None:
        """Refuse to continue the study with other options than it began with."""
        if isinstance(began.proposal, Grid):
            raise InputError(f"study {began.name!r} is no search: budgetnas run continues it")
        options: dict[str, tuple[object, object]] = {
            "the version of budgetnas": (began.version, __version__),
            "--budget": (began.budget, self.budget),
            "--also": (began.smaller, self.also),
            "--max-macs, --max-bytes": (began.limits, self.limits),
            "--proposal": (began.proposal.name, self.proposal),
            "--presets": (began.proposal.presets, self.presets),
            "--dataset": (began.data.dataset, self.dataset),
            "--image-size": (began.data.image_size, self.image_size),
            "--fit": (began.data.fit, self.fit),
            "--background": (began.data.background, self.background),
            "--skip-unreadable": (began.data.skip_unreadable, self.skip_unreadable),
            "--train-samples": (began.train_samples, self.train_samples),
            "--epochs": (began.recipe.epochs, self.epochs),
            "--space": (began.proposal.space, self.space),
            "--sampler": (began.proposal.sampler, self.sampler),
            "--pruner": (began.pruner, self.pruner),
            "--metric": (began.metric, self.metric),
            "--seed": (began.seed, self.seed),
        }
        if self.recipe.given:
            again, _ = self.recipe.fitted(began.data, began.facts.channels, began.facts.train)
            options["--recipe"] = (began.recipe, again)
        given = {name: both for name, both in options.items() if both[1] is not None}
        require_same(f"study {began.name!r}", given)


def as_budget(budget: Budget | str | int | None) -> Budget | None:
    """Read a budget in any of its forms."""
    if budget is None or isinstance(budget, Budget):
        return budget
    return Budget.from_text(str(budget))


def at_least_one(name: str, value: int | None) -> int | None:
    """Refuse a number below one."""
    if value is not None and value < 1:
        raise InputError(f"{name} >= 1 must hold, got {value}")
    return value

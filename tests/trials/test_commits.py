"""How often a search waits for its storage: each commit is a wait for the disk."""

from itertools import pairwise

from budgetnas.events import Event, TrialEnded
from budgetnas.study.trial_record import Kind
from tests.commits import commits_of
from tests.trials.small import FREE, run


def test_a_trial_is_a_commit_each_for_its_number_its_draws_its_epochs_and_its_end() -> None:
    ends: list[tuple[Kind, int]] = []

    def watch(event: Event) -> None:
        if isinstance(event, TrialEnded):
            ends.append((event.kind, len(commits)))

    with commits_of() as commits:
        run(trials=3, epochs=9, train_samples=100, watch=watch, **{**FREE, "pruner": "none"})
    counted = [(kind, after - before) for (_, before), (kind, after) in pairwise(ends)]
    trained = [n for kind, n in counted if kind is Kind.TRAINED]
    rejected = [n for kind, n in counted if kind in (Kind.OVER_BUDGET, Kind.DUPLICATE)]
    assert trained, "or nothing is bounded"
    assert max(trained) <= 1 + 1 + 9 + 1
    assert rejected, "or nothing is bounded"
    assert max(rejected) <= 1 + 1

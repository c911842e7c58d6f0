"""What a search draws, first and later: presets, fill, several limits, several budgets."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial

from budgetnas.arch import PRESETS, Arch, Budget, count_macs, count_params
from budgetnas.errors import InputError
from budgetnas.space import PROPOSALS, Fill, Space
from budgetnas.study import StudyConfig
from budgetnas.study.trial_record import Kind, TrialRecord
from budgetnas.trials import SAMPLERS, Limits, published
from budgetnas.trials._proposers import wanted
from budgetnas.workflows.search import search
from tests.trials.scripted import Scripted, always, config_of, fuller_is_better
from tests.trials.small import FREE, SMALL, run, trials_of


def archs_of(listed: Sequence[FrozenTrial]) -> list[Arch]:
    return [Arch.from_json(trial.user_attrs["arch"]) for trial in listed]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_draw_of_fill_fits(sampler: str) -> None:
    study = Scripted(config_of(proposal=Fill(space=SMALL, sampler=sampler)))
    study.run(always(0.3, 0.5, 0.7), trials=6)
    assert study.kinds.count(Kind.TRAINED) == 6
    assert Kind.OVER_BUDGET not in study.kinds
    for arch in archs_of(study.trials):
        assert 0.5 * 12_000 < count_params(arch) <= 12_000


def test_the_published_networks_come_first() -> None:
    result = run(trials=2, budget="80k", space=None, image_size=8, train_samples=100, epochs=1)
    first, second = trials_of(result)
    assert first.user_attrs["preset"] == "modified-resnet-small"
    assert archs_of([first])[0] == PRESETS["modified-resnet-small"].adapted(1, 10)
    assert first.params["block"] == "basic"
    assert first.params["stages"] == 3
    assert first.params["ratio_2"] == first.params["ratio_3"] == 2
    assert first.params["fill"] == pytest.approx(77_754 / 80_000)
    assert "preset" not in second.user_attrs


def test_not_if_told_not_to_nor_outside_of_a_space() -> None:
    result = run(trials=1, presets=False, budget="80k", space=None, epochs=1, train_samples=100)
    assert "preset" not in trials_of(result)[0].user_attrs
    narrow = run(trials=1, study="narrow", budget="80k", epochs=1, train_samples=100)
    assert "preset" not in trials_of(narrow)[0].user_attrs, "the space holds none of them"


@pytest.mark.parametrize("name", PROPOSALS)
def test_what_a_preset_would_have_had_to_draw(name: str) -> None:
    """Each preset of the default space, drawn from the values it is said to have, is itself."""
    result = run(trials=1, budget="80k", space=None, epochs=1, train_samples=100)
    began = StudyConfig.read(Path("studies") / result.study)
    proposal = PROPOSALS[name](space=Space())
    config = began.changed(budget=Budget.from_text("20M"), proposal=proposal)
    names = [known.name for known in published(proposal.space, Limits.of(config))]
    assert names[0] == "resnet18"
    assert set(names) == set(PRESETS)
    values = wanted(PRESETS["efficient-resnet"], config)
    assert (values["width_2"], values["ratio_3"], values["se"]) == (128, 2, "stem")
    assert values["fill"] == pytest.approx(4_697_742 / 20e6)


def test_each_limit_is_a_constraint_of_its_own() -> None:
    result = run(trials=4, budget="12k", max_macs="60k", max_bytes="20k", bits=16, **FREE)
    listed = trials_of(result)
    over = [trial for trial in listed if TrialRecord(trial).kind is Kind.OVER_BUDGET]
    assert over
    for trial, arch in zip(listed, archs_of(listed), strict=True):
        params, macs = count_params(arch), count_macs(arch, 8)
        costs = {"params": params / 12_000, "macs": macs / 60_000, "bytes-16": params / 10_000}
        for cost, load in costs.items():
            assert trial.constraints[cost] == pytest.approx(load - 1)
        assert (max(costs.values()) > 1) == (TrialRecord(trial).kind is Kind.OVER_BUDGET)
    assert any(trial.user_attrs["excess"] <= 0 for trial in over), "of another limit"


def test_an_impossible_combination_says_what_it_would_take() -> None:
    with pytest.raises(
        InputError,
        match=r"fits at most 12k parameters and 100 multiply-adds: the smallest, basic \[1\]",
    ):
        run(max_macs=100)
    with pytest.raises(InputError, match="no network of the space fits a budget of 200"):
        run(also="200")
    assert not list(Path("studies").glob("*/study.toml"))


def test_several_budgets_take_turns() -> None:
    result = run(trials=6, also="6k")
    listed = trials_of(result)
    limits = [12_000 if trial.number % 2 == 0 else 6_000 for trial in listed]
    for arch, limit in zip(archs_of(listed), limits, strict=True):
        assert count_params(arch) <= limit
    config = StudyConfig.read(Path("studies") / result.study)
    assert config.smaller == (Budget.from_text("6k"),)
    sizes = [config.budget_for(trial.user_attrs["params"]).limit for trial in listed]
    assert sizes.count(6_000) >= 3


def test_small_networks_are_judged_among_small_ones() -> None:
    """The first of each budget passes every rung: nobody of its size was better."""
    result = run(trials=2, also="3k", epochs=3)
    large, small = trials_of(result)
    assert small.user_attrs["params"] <= 3_000 < large.user_attrs["params"]
    assert len(small.intermediate_values) == len(large.intermediate_values) == 3


@pytest.mark.parametrize("cost", ["also", "macs", "params"])
def test_a_search_by_fill_goes_on_as_it_would_have(cost: str) -> None:
    config = config_of(
        budget=Budget.from_text("80k"), proposal=Fill(space=Space()),
        smaller=(Budget.from_text("6k"),) if cost == "also" else (),
        limits=(Budget(limit=1_000_000, cost="macs"),) if cost == "macs" else (),
    )  # fmt: skip
    whole, parts = Scripted(config), Scripted(config)
    whole.run(fuller_is_better, trials=14)
    for trials in (1, 5, 12, 14):
        parts.run(fuller_is_better, trials=trials)
    assert whole.kinds.count(Kind.TRAINED) == 14
    assert parts.drawn == whole.drawn


def test_other_limits_do_not_continue_a_study() -> None:
    run(trials=1, max_macs="1M")
    for option, value, says in (
        ("max_macs", "2M", "--max-macs was 1000000, now 2000000"),
        ("also", "6k", "--also"),
        ("proposal", "free", "--proposal was fill, now free"),
        ("presets", False, "--presets was True, now False"),
    ):
        with pytest.raises(InputError, match=says):
            search(study="digits-12k", trials=1, **{option: value})

"""Study files: what they may say, their configurations, and what `--quick` makes of them."""

import os
from pathlib import Path
from typing import Any

import pytest

from budgetnas.arch import PRESETS, count_params
from budgetnas.errors import InputError
from budgetnas.recipe import RECIPES, Cosine, Init, TorchSchedule
from budgetnas.space import Cell
from budgetnas.study import Network, Quick, StudyFile, find_file, known_studies
from budgetnas.study._tables import narrowed

HEAD = """
question = "Which?"
command = "budgetnas run studies/which"
time = { cpu = "a minute", gpu = "an hour" }
"""
AXIS = """
[[grid]]
name = "rate"
field = "recipe.optimizer.lr"
values = [0.1, 0.2]
"""


def read(text: str) -> StudyFile:
    path = Path("studies/which/study.toml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + text)
    return StudyFile.read(path)


def cells(text: str, quick: Quick | None = None) -> tuple[Cell, ...]:
    return read(text).cells("f", 3, 10, quick)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_said_as_a_table(name: str) -> None:
    assert Network.of(PRESETS[name]).arch(3, 10) == PRESETS[name]


def test_a_list_of_presets() -> None:
    first, second = cells('presets = ["resnet18", "wrn-16-4"]\nbudget = "12M"')
    assert (first.arch, second.arch) == (PRESETS["resnet18"], PRESETS["wrn-16-4"])
    assert first.values == {"network": "resnet18"}
    assert str(second) == "network wrn-16-4"
    assert first.recipe == RECIPES["short"]


def test_a_grid_is_every_value_with_every_other_the_last_changing_fastest() -> None:
    momentum = AXIS.replace("rate", "m").replace("lr", "momentum").replace("0.1, 0.2", "0.5, 0.9")
    found = cells(AXIS + momentum)
    assert [tuple(cell.values.values()) for cell in found] == [
        ("0.1", "0.5"), ("0.1", "0.9"), ("0.2", "0.5"), ("0.2", "0.9"),
    ]  # fmt: skip
    optimizers = [cell.recipe.optimizer for cell in found]
    assert [(o.lr, o.momentum) for o in optimizers] == [
        (0.1, 0.5), (0.1, 0.9), (0.2, 0.5), (0.2, 0.9),
    ]  # fmt: skip
    assert {cell.arch for cell in found} == {PRESETS["efficient-resnet"]}


def test_a_value_may_change_network_and_recipe_at_once() -> None:
    big, small = cells(
        """
        recipe = "full"
        arch = { base = "efficient-resnet", se = "block" }
        [[grid]]
        name = "all"
        [grid.values]
        big = { recipe = { epochs = 3, lookahead = "none" } }
        [grid.values.small]
        arch = { depths = [1], widths = [8] }
        recipe = { base = "short", batch_size = 8 }
        """
    )
    assert big.recipe == RECIPES["full"].changed(epochs=3, lookahead=None)
    assert str(big.arch) == "basic [4,4,3] x (64,128,256), SE block/16"
    assert small.recipe == RECIPES["short"].changed(batch_size=8)
    assert str(small.arch) == "basic [1] x (8)"  # a network of its own keeps nothing


def test_stages_of_another_number_keep_nothing_that_was_said_of_each() -> None:
    arch = "{ depths = [1, 1], widths = [8, 16], kernels = [3, 5] }"
    (cell,) = cells(
        f'arch = {arch}\n[[grid]]\nname = "n"\nfield = "arch"\n[grid.values]\n'
        "three = { depths = [1, 1, 1], widths = [8, 8, 8] }"
    )
    assert [stage.kernel for stage in cell.arch.stages] == [3, 3, 3]


@pytest.mark.parametrize("budget", ["5e6", "5_000_000", '"5M"', "5000000"])
def test_a_budget_reads_as_it_does_everywhere(budget: str) -> None:
    assert read(f"budget = {budget}" + AXIS).budget.limit == 5_000_000


def test_quick_changes_no_axis_and_treats_all_alike() -> None:
    """What a configuration says whole (with a base) is scaled as what another changes."""
    quick = Quick(epochs=8, width=0.5, batch_size=16, recipe={"label_smoothing": 0.2})
    whole, part = cells(
        """
        recipe = "efficient-resnets"
        [[grid]]
        name = "training"
        field = "recipe"
        values = { whole = { base = "efficient-resnets" }, part = { clip = "none" } }
        """,
        quick,
    )
    assert part.recipe == whole.recipe.changed(clip=None)
    assert (whole.recipe.epochs, whole.recipe.batch_size) == (8, 16)
    assert whole.recipe.label_smoothing == 0.2
    batches = cells(AXIS.replace("optimizer.lr", "batch_size").replace("0.1, 0.2", "64, 8"), quick)
    assert [cell.recipe.batch_size for cell in batches] == [64, 8]
    lengths = cells(AXIS.replace("optimizer.lr", "epochs").replace("0.1, 0.2", "8, 16"), quick)
    assert lengths[0].recipe.epochs < lengths[1].recipe.epochs


def test_quick_makes_everything_smaller() -> None:
    text = """
    recipe = "efficient-resnets"
    seeds = 5
    [[grid]]
    name = "length"
    field = "recipe.epochs"
    values = { whole = 200, half = 100, little = 1 }
    """
    quick = Quick(epochs=8, width=0.25, batch_size=16)
    found = cells(text, quick)
    assert [cell.recipe.epochs for cell in found] == [8, 4, 1]
    assert {cell.recipe.batch_size for cell in found} == {16}
    assert {str(cell.arch) for cell in found} == {
        "basic [4,4,3] x (16,32,64), SE stem/16",
    }
    assert [cell.recipe.epochs for cell in cells(text)] == [200, 100, 1]


def test_a_narrow_network_stays_a_network() -> None:
    tiny = narrowed(PRESETS["modified-resnet-small"], 1e-6)
    assert {stage.width for stage in tiny.stages} == {4}
    assert count_params(tiny) < count_params(PRESETS["modified-resnet-small"])


KNOWN_SCHEDULES = [Cosine, *TorchSchedule.__origin__.__args__]  # type: ignore[attr-defined]
KNOWN_INITS = Init.__origin__.__args__  # type: ignore[attr-defined]


def names(specs: Any) -> str:
    return ", ".join(spec.model_fields["name"].default for spec in specs)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            'quick = { recipe = { epoch = 3 } }' + AXIS,
            "quick.recipe: epoch: unknown key, known: augment, average, base",
        ),
        (
            AXIS.replace("[0.1, 0.2]", "[-1, 'x']"),
            "recipe: optimizer.lr: must be greater than 0, got -1; rate 'x': recipe: optimizer",
        ),
        ("sedes = 3" + AXIS, "sedes: unknown key, known: arch, budget, claim, command, confusion"),
        ("quick = { epoch = 3 }" + AXIS, "quick.epoch: unknown key, known: batch_size, epochs"),
        (AXIS + "valuse = 3", "grid.0.valuse: unknown key, known: field, name, values"),
        ('budget = "5Q"' + AXIS, "budget: a budget is a whole number such as 5e6, 5M, 500k"),
        ('select = "test"' + AXIS, "select: must be 'last' or 'best', got 'test'"),
        ("seeds = 0" + AXIS, "seeds: must be greater than or equal to 1, got 0"),
        ('recipe = "fast"' + AXIS, "recipe: base: unknown recipe 'fast', known: short, full"),
        ("recipe = { epochs = 0 }" + AXIS, "recipe: epochs: must be greater than or equal to 1"),
        ('arch = "resnet19"' + AXIS, "arch: unknown preset 'resnet19', known: efficient-resnet"),
        ("arch = { depth = [1] }" + AXIS, "rate '0.1': arch: depths: required, but absent"),
        (
            "arch = { depths = [1, 1], widths = [8] }" + AXIS,
            "arch: widths: one for each of the 2 stages is needed, got 1",
        ),
        ('presets = ["resnet19"]', "network 'resnet19': arch: unknown preset 'resnet19', known"),
        (
            AXIS.replace("0.1, 0.2", ", ".join(f"0.{n}" for n in range(1001, 1202)))
            + AXIS.replace("rate", "m").replace("lr", "momentum").replace(
                "0.1, 0.2", ", ".join(f"0.{n}" for n in range(1001, 1202))
            ),
            "a grid may have at most 10,000 configurations, got 40,401",
        ),
        ("", "one of grid, presets and search is needed, got none of them"),
        (
            'presets = ["resnet18"]' + AXIS,
            "one of grid, presets and search is needed, got grid and presets",
        ),
        ("seeds = 2\n[search]\ntrials = 3", "a search has one seed, and trains"),
        ("[search]\ntrails = 3", "search.trails: unknown key, known: presets, proposal, pruner"),
        ("[search]\nspace = { arch = { with = 3 } }", "search.space: arch.with: unknown key"),
        (AXIS.replace("lr", "rl"), "rate '0.1': recipe: optimizer.rl: unknown key, known: decay_"),
        (AXIS.replace("recipe.", "recpie."), "grid.0: field: must be arch, recipe or a field of"),
        (AXIS.replace("[0.1, 0.2]", "[]"), "grid.0: values: at least 1 needed, got none"),
        (AXIS.replace("0.2", "0.1"), "grid.0: values: must differ, got [0.1, 0.1]"),
        (AXIS.replace('"rate"', '"seed"'), "grid.0: name: 'seed' is what the seeds are called"),
        (
            AXIS + AXIS.replace("rate", "again"),
            "grid: an axis may not undo another: 'again' sets recipe.optimizer.lr, as 'rate'",
        ),
        (
            AXIS + '[[grid]]\nname = "o"\nvalues = { a = { recipe = { optimizer = {lr = 1} } } }',
            "grid: an axis may not undo another: 'o' sets recipe.optimizer, as 'rate' before it",
        ),
        (
            AXIS.replace("[0.1, 0.2]", "[{a = 1}]"),
            "grid.0: values: tables need names: values = { one = {...}, two = {...} }",
        ),
        (
            "quick = { recipe = { epochs = 3 } }" + AXIS,
            "quick.recipe: epochs is a key of its own here, beside recipe",
        ),
        ("recipe = { bose = 3 }" + AXIS, "recipe: bose: unknown key, known: augment, average,"),
        (AXIS + AXIS, "grid: axes must have different names, got rate, rate"),
        (
            '[[grid]]\nname = "x"\nvalues = { a = { recpie = 1 } }',
            "x 'a': without a field, a value must be a table of arch, recipe or both",
        ),
        ('[[grid]]\nname = "x"\nvalues = { a = { recipe = 1 } }', "must be a recipe's name or a"),
        ('[[grid]]\nname = "x"\nvalues = { a = { arch = 1 } }', "must be a preset or a table"),
        (
            'recipe = { schedule = { name = "Cosin" } }' + AXIS,
            f"recipe: schedule: unknown name 'Cosin', known: {names(KNOWN_SCHEDULES)}",
        ),
        (
            '[[grid]]\nname = "i"\nfield = "recipe.init"\nvalues = { x = { name = "xaver" } }',
            f"i 'x': recipe: init: unknown name 'xaver', known: {names(KNOWN_INITS)}",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be(text: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        read(text)
    assert str(refused.value).startswith("studies/which/study.toml: ")
    assert says in str(refused.value)


def test_a_file_is_found_by_itself_its_folder_and_its_name() -> None:
    read(AXIS)
    for text in ("which", "studies/which", "studies/which/", "studies/which/study.toml"):
        path, name = find_file(text)
        assert (path.resolve(), name) == (Path("studies/which/study.toml").resolve(), "which")
    with pytest.raises(InputError, match=r"no study file wich; in \./studies: which"):
        find_file("wich")


def test_a_file_elsewhere_would_leave_its_studies_nowhere() -> None:
    read(AXIS)
    for place in ("elsewhere", "studies/which/deeper", "studies"):
        Path(place).mkdir(exist_ok=True)
        Path(place, "study.toml").write_text(HEAD + AXIS)
        with pytest.raises(InputError, match=r"must be \./studies/NAME/study\.toml"):
            find_file(place)
    Path("studies/which/other.toml").write_text(HEAD + AXIS)
    with pytest.raises(InputError, match=r"no study file studies/which/other\.toml"):
        find_file("studies/which/other.toml")


def test_a_pipe_in_the_way_is_waited_for_by_nobody() -> None:
    read(AXIS)
    Path("studies/pipe").mkdir()
    os.mkfifo("studies/pipe/study.toml")
    Path("studies/endless").mkdir()
    Path("studies/endless/study.toml").symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"no study file lost; in \./studies: which"):
        find_file("lost")
    assert known_studies() == []


def test_values_are_called_what_the_file_calls_them() -> None:
    text = AXIS.replace("recipe.optimizer.lr", "arch.widths").replace("0.1, 0.2", "[8], [16]")
    found = cells("arch = { depths = [1], widths = [4] }" + text)
    assert [cell.values["rate"] for cell in found] == ["[8]", "[16]"]
    text = AXIS.replace("optimizer.lr", "optimizer.nesterov").replace("0.1, 0.2", "true, false")
    assert [cell.values["rate"] for cell in cells(text)] == ["true", "false"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('recipe = "full"' + AXIS, False),
        ('recipe = { base = "full", batch_size = 64 }' + AXIS, True),
        (AXIS.replace("optimizer.lr", "batch_size").replace("0.1, 0.2", "64, 8"), True),
        ('[[grid]]\nname = "n"\nvalues = { a = { recipe = { batch_size = 8 } } }', True),
        ('[[grid]]\nname = "n"\nfield = "recipe"\nvalues = ["full", "short"]', False),
    ],
)
def test_a_file_may_say_how_large_batches_are(text: str, says: bool) -> None:
    assert read(text).says_batch() == says

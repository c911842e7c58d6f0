"""``count`` and ``presets`` as a user types them."""

import json
from pathlib import Path

from budgetnas.arch import PRESETS, count_macs, count_params
from budgetnas.recipe import RECIPES
from tests.conftest import Program


def test_table_and_totals(budgetnas: Program) -> None:
    ended = budgetnas("count", "modified-resnet-small", "--budget", "5M")
    assert ended.status == 0
    lines = [line.split() for line in ended.out.splitlines()]
    assert ["stem.conv", "Conv2d", "[16,", "32,", "32]", "432", "442,368"] in lines
    assert "Total params: 78,042" in ended.out
    assert "0.30 MiB" in ended.out
    assert "Budget 5,000,000 parameters: fits, 4,921,958 to spare" in ended.out
    assert "over by 28,042" in budgetnas("count", "modified-resnet-small", "--budget", "50k").out


def test_json_is_the_contracts(budgetnas: Program) -> None:
    answer = budgetnas("count", "wrn-16-4", "--json", "--budget", "1M").json()
    assert set(answer) == {"params", "macs", "layers", "budget", "feasible"}
    assert (answer["params"], answer["budget"], answer["feasible"]) == (
        2_748_890,
        1_000_000,
        False,
    )
    assert sum(layer["params"] for layer in answer["layers"]) == answer["params"]
    assert sum(layer["macs"] for layer in answer["layers"]) == answer["macs"]
    assert answer["layers"][0] == {
        "name": "stem.conv", "type": "Conv2d", "output": [16, 32, 32],
        "params": 432, "macs": 442_368,
    }  # fmt: skip
    without = budgetnas("count", "wrn-16-4", "--json").json()
    assert (without["budget"], without["feasible"]) == (None, None)


def test_files_and_stdin(budgetnas: Program) -> None:
    text = PRESETS["resnet56"].to_json()
    Path("net.json").write_text(text)
    for ended in (
        budgetnas("count", "net.json", "--json"),
        budgetnas("count", "-", "--json", stdin=text),
        budgetnas("count", "-", "--json", stdin=f"\ufeff{text}"),
    ):
        assert ended.json()["params"] == 855_770


def test_a_preset_adapts_a_file_does_not(budgetnas: Program) -> None:
    ended = budgetnas("count", "resnet56", "--dataset", "digits", "--json")
    adapted = PRESETS["resnet56"].adapted(1, 10)
    assert ended.json()["params"] == count_params(adapted)
    assert ended.json()["macs"] == count_macs(adapted, 8)
    assert "adapted to the data: in_channels=1, num_classes=10" in ended.err
    Path("net.json").write_text(PRESETS["resnet56"].to_json())
    complaint = budgetnas("count", "net.json", "--dataset", "digits").complaint()
    assert "net.json: the arch must fit the data" in complaint


def test_image_size_changes_macs_only(budgetnas: Program) -> None:
    small, large = (
        budgetnas("count", "resnet18", "--image-size", size, "--json").json() for size in (32, 64)
    )
    assert small["params"] == large["params"]
    convolutions = large["macs"] - 512 * 10
    assert convolutions == 4 * (small["macs"] - 512 * 10)


def test_presets_lists_all_names(budgetnas: Program) -> None:
    out = budgetnas("presets").out
    for name in (*PRESETS, *RECIPES):
        assert f"{name} " in out
    assert "4,697,742" in out


def test_no_line_is_cut_when_piped(budgetnas: Program) -> None:
    deep = json.loads(PRESETS["resnet110"].to_json())
    ended = budgetnas("count", "-", stdin=json.dumps(deep))
    assert "stages.2.17.branch.norm2" in ended.out

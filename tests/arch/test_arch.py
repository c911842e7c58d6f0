"""Descriptions: what they say, what they refuse, and when two are one network."""

import random

import pytest

from budgetnas.arch import PRESETS, SE, Arch, Stage
from budgetnas.errors import InputError
from tests.archs import random_arch

CONTRACT = """
{"in_channels": 3, "num_classes": 10, "block": "basic", "stem_width": 64,
 "stages": [{"width": 64,  "depth": 4, "kernel": 3, "shortcut_kernel": 1},
            {"width": 128, "depth": 4, "kernel": 3, "shortcut_kernel": 1},
            {"width": 256, "depth": 3, "kernel": 3, "shortcut_kernel": 1}],
 "se": {"where": "stem", "reduction": 16}, "norm": "batch", "dropout": 0.0}
"""


def test_json_of_the_contract() -> None:
    assert Arch.from_json(CONTRACT) == PRESETS["efficient-resnet"]


def test_absent_fields_take_the_contracts_values() -> None:
    arch = Arch.from_json(
        '{"block": "basic", "stem_width": 8, "stages": [{"width": 8, "depth": 1}]}'
    )
    assert (arch.in_channels, arch.num_classes, arch.se, arch.norm, arch.dropout) == (
        3, 10, None, "batch", 0.0,
    )  # fmt: skip
    assert (arch.stages[0].kernel, arch.stages[0].shortcut_kernel) == (3, 1)


def test_json_round_trip() -> None:
    rng = random.Random(0)
    for _ in range(100):
        arch = random_arch(rng)
        assert Arch.from_json(arch.to_json()) == arch


def _with(**changes: object) -> dict[str, object]:
    return {"block": "basic", "stem_width": 8, "stages": [{"width": 8, "depth": 1}], **changes}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_with(block="conv"), "unknown block 'conv', known: basic, bottleneck, preact"),
        (_with(depth=3), "depth: unknown key, known: block, dropout, in_channels, norm"),
        (_with(stages=[]), "stages: at least 1 needed, got []"),
        (_with(stages=[{"width": 8}]), "stages.0.depth: required, but absent"),
        (_with(stages=[{"width": 8, "depth": 1, "kernel": 4}]), "a kernel must be odd, got 4"),
        (_with(stem_width=0), "stem_width: must be greater than or equal to 1, got 0"),
        (_with(dropout=1), "dropout: must be less than 1, got 1"),
        (_with(norm="layer"), "norm: must be 'batch' or 'none', got 'layer'"),
        (_with(se={"where": "head"}), "se.where: must be 'stem' or 'block', got 'head'"),
        (_with(num_classes=1), "num_classes: must be greater than or equal to 2, got 1"),
        (
            _with(block="bottleneck", stages=[{"width": 6, "depth": 1}]),
            "a bottleneck's width must be divisible by 4, got stages.0.width=6",
        ),
        ([], "must be a table of keys, got []"),
    ],
)
def test_what_can_not_be(data: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Arch.parse(data, "a.json")
    assert message in str(caught.value)
    assert str(caught.value).startswith("a.json: ")


def test_all_problems_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Arch.parse(_with(stem_width=-1, norm="x", foo=1), "a.json")
    assert str(caught.value).count(";") == 2


def test_damaged_json_names_its_source() -> None:
    with pytest.raises(InputError, match=r"stdin: not valid JSON"):
        Arch.from_json("{", "stdin")


def _arch(**changes: object) -> Arch:
    return Arch.parse(_with(**changes), "test")


def test_fields_without_effect_make_no_other_network() -> None:
    unused = _arch(stages=[{"width": 8, "depth": 2, "shortcut_kernel": 9}])
    plain = _arch(stages=[{"width": 8, "depth": 2}])
    assert unused != plain
    assert unused.digest() == plain.digest()
    # 8 // 16 and 8 // 32 both leave a middle of one channel
    gates = [_arch(se=SE(where="stem", reduction=r)) for r in (16, 32)]
    assert len({gate.digest() for gate in gates}) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"stem_width": 16},
        {"norm": "none"},
        {"dropout": 0.1},
        {"block": "preact"},
        {"num_classes": 11},
        {"se": {"where": "block"}},
        {"stages": [{"width": 8, "depth": 1, "kernel": 5}]},
    ],
)
def test_fields_with_effect_make_another_network(changes: dict[str, object]) -> None:
    assert _arch(**changes).digest() != _arch().digest()


def test_short_words_say_everything() -> None:
    assert str(PRESETS["efficient-resnet"]) == "basic [4,4,3] x (64,128,256), SE stem/16"
    arch = Arch(
        block="preact", stem_width=16, norm="none", dropout=0.25,
        stages=(Stage(width=8, depth=1, kernel=5), Stage(width=8, depth=1)),
    )  # fmt: skip
    assert str(arch) == "preact [1,1] x (8,8), stem 16, kernel 5,3, no norm, dropout 0.25"

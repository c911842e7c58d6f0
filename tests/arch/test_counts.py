"""Published numbers: what no comparison of our counter with our model could catch."""

import pytest

from budgetnas.arch import (
    BLOCKS,
    PRESETS,
    Arch,
    Stage,
    Style,
    count_macs,
    count_params,
    layer_table,
)
from budgetnas.arch._blocks import bottleneck

PUBLISHED = {
    "efficient-resnet": 4_697_742,  # Efficient ResNets, table 1
    "resnet18": 11_173_962,  # the same
    "modified-resnet-small": 78_042,  # Modified ResNet, layer listings
    "modified-resnet-medium": 1_228_970,
    "modified-resnet-large": 4_903_242,
    "resnet56": 855_770,  # pycls' model zoo
    "resnet110": 1_730_714,
    "wrn-16-4": 2_748_890,  # Wide ResNet
}


@pytest.mark.parametrize("name", PRESETS)
def test_published_params(name: str) -> None:
    assert count_params(PRESETS[name]) == PUBLISHED[name]


@pytest.mark.parametrize(("name", "macs"), [("resnet56", 125_747_840), ("resnet110", 253_149_824)])
def test_published_macs(name: str, macs: int) -> None:
    assert count_macs(PRESETS[name]) == macs


@pytest.mark.parametrize(
    ("depths", "params"), [([4, 4, 3], 4_697_162), ([4, 5, 3], 4_992_586), ([3, 5, 3], 4_918_602)]
)
def test_published_params_without_gate(depths: list[int], params: int) -> None:
    stages = [{"width": w, "depth": d} for w, d in zip((64, 128, 256), depths, strict=True)]
    arch = Arch.parse({"block": "basic", "stem_width": 64, "stages": stages}, "test")
    assert count_params(arch) == params


def test_bottleneck_of_resnet50() -> None:
    # He et al., 2015: the first block of conv3_x, 256 to 512 channels, is in every ResNet-50:
    # 256*128 + 128*128*9 + 128*512 + 256*512 weights, and batch norms of 128, 128, 512, 512
    assert bottleneck(256, 512, 2, Style(Stage(width=512, depth=1))).params() == 379_392


def test_every_block_has_a_published_number() -> None:
    assert set(BLOCKS) == {arch.block for arch in PRESETS.values()} | {"bottleneck"}


# Modified ResNet's listing of the small network: output shape and params, blocks left out.
LISTING = """
16,32,32 432; 16,32,32 32; 16,32,32 2304; 16,32,32 32; 16,32,32 2304; 16,32,32 32;
32,16,16 4608; 32,16,16 64; 32,16,16 9216; 32,16,16 64; 32,16,16 512; 32,16,16 64;
64,8,8 18432; 64,8,8 128; 64,8,8 36864; 64,8,8 128; 64,8,8 2048; 64,8,8 128;
64,1,1 0; 10,1,1 650
"""


def test_layer_table_is_the_published_listing() -> None:
    rows = layer_table(PRESETS["modified-resnet-small"])
    listed = [f"{','.join(map(str, row.output))} {row.params}" for row in rows]
    assert listed == [entry.strip() for entry in LISTING.split(";")]


@pytest.mark.parametrize("name", PRESETS)
def test_rows_add_up(name: str) -> None:
    rows = layer_table(PRESETS[name], 40)
    assert sum(row.params for row in rows) == count_params(PRESETS[name])
    assert sum(row.macs for row in rows) == count_macs(PRESETS[name], 40)


def test_pool_kernel_is_derived() -> None:
    # Efficient ResNets, section 2.5: the pool sees a map of 32 / 2**(N - 1)
    for number in (1, 2, 3, 4):
        stages = tuple(Stage(width=8, depth=1) for _ in range(number))
        rows = layer_table(Arch(block="basic", stem_width=8, stages=stages))
        before_pool = [row.output for row in rows if row.type != "AdaptiveAvgPool2d"][-2]
        assert before_pool == (8, 32 // 2 ** (number - 1), 32 // 2 ** (number - 1))

"""The model is the description: counted by torch, run through hooks."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from budgetnas.arch import PRESETS, Arch, Conv, count_macs, count_params, layer_table
from budgetnas.model import StridedConv, build_layer, build_model
from tests.archs import random_arch
from tests.conftest import environment


def torch_params(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def hooked_macs(model: nn.Module, arch: Arch, size: int) -> int:
    """Multiply-adds of one image, as hooks on convolutions and linear layers see them."""
    total = 0

    def see(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            per_output = module.in_channels * module.kernel_size[0] * module.kernel_size[1]
            total += output.numel() * per_output
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features

    for module in model.modules():
        module.register_forward_hook(see)
    model.eval()
    model(torch.empty(1, arch.in_channels, size, size, device="meta"))
    return total


@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.slow)])
def test_counter_equals_torch_on_random_archs(count: int) -> None:
    rng = random.Random(2026)
    for _ in range(count):
        arch, size = random_arch(rng), rng.choice([1, 8, 28, 32, 33])
        with torch.device("meta"):
            model = build_model(arch)
        assert torch_params(model) == count_params(arch), arch
        assert hooked_macs(model, arch, size) == count_macs(arch, size), (arch, size)


def test_rows_are_named_as_in_the_state_dict() -> None:
    rng = random.Random(1)
    for _ in range(50):
        arch = random_arch(rng)
        state = build_model(arch).state_dict()
        owners = {name.rpartition(".")[0] for name in state}
        rows = [row for row in layer_table(arch) if row.params]
        assert {row.name for row in rows} == owners
        for row in rows:
            sizes = [
                v.numel()
                for n, v in state.items()
                if n in (f"{row.name}.weight", f"{row.name}.bias")
            ]
            assert sum(sizes) == row.params  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_maps_images_to_logits(name: str) -> None:
    arch = PRESETS[name].adapted(in_channels=1, num_classes=7)
    with torch.no_grad():
        logits = build_model(arch).eval()(torch.randn(2, 1, 16, 16))
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()


def test_preactivated_identity_adds_the_raw_input() -> None:
    """With a branch of zeros, an identity block is the identity, negative values included."""
    arch = Arch.parse(
        {"block": "preact", "stem_width": 4, "stages": [{"width": 4, "depth": 1}]}, "test"
    )
    block = build_model(arch).get_submodule("stages.0.0").eval()
    for parameter in block.get_submodule("branch").parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(block(x.clone()), x)


def test_original_block_adds_before_the_activation() -> None:
    """With a branch of zeros, an original identity block is a ReLU."""
    arch = Arch.parse(
        {"block": "basic", "stem_width": 4, "stages": [{"width": 4, "depth": 1}]}, "test"
    )
    block = build_model(arch).get_submodule("stages.0.0").eval()
    for parameter in block.get_submodule("branch").parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(block(x.clone()), x.relu())


def test_gate_scales_channels() -> None:
    arch = Arch.parse(
        {"block": "basic", "stem_width": 8, "se": {"where": "stem", "reduction": 4},
         "stages": [{"width": 8, "depth": 1}]}, "test",
    )  # fmt: skip
    gate = build_model(arch).get_submodule("stem.se")
    x = torch.rand(3, 8, 5, 5) + 1
    ratio = gate(x) / x
    assert torch.allclose(ratio, ratio[:, :, :1, :1].expand_as(ratio))
    assert ((ratio > 0) & (ratio < 1)).all()


def test_dropout_sits_after_each_block_and_before_the_linear_layer() -> None:
    arch = PRESETS["modified-resnet-small"].changed(dropout=0.3)
    names = [n for n, m in build_model(arch).named_modules() if isinstance(m, nn.Dropout)]
    blocks = [f"stages.{stage}.0.post.dropout" for stage in range(3)]
    assert names == [*blocks, "head.dropout"]


@pytest.mark.parametrize(("w_in", "size", "stride"), [(2, 8, 2), (8, 7, 2), (20, 5, 3), (1, 1, 2)])
def test_a_skipping_convolution_is_the_convolution(w_in: int, size: int, stride: int) -> None:
    ours = build_layer(Conv(w_in, 6, kernel=1, stride=stride, bias=True))
    assert isinstance(ours, StridedConv)
    theirs = nn.Conv2d(w_in, 6, 1, stride)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, w_in, size, size)
    outputs = [module(x) for module in (ours, theirs)]
    torch.testing.assert_close(*outputs)
    for output in outputs:
        output.square().sum().backward()
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)


CORRUPTING = """
import torch
from budgetnas.arch import Conv
from budgetnas.model import build_layer

torch.set_num_threads(threads)
conv = build_layer(Conv(w_in, 16, kernel=1, stride=2, bias=False))
conv = conv.to(memory_format=torch.channels_last)
x = torch.randn(batch, w_in, 16, 16).contiguous(memory_format=torch.channels_last)
for _ in range(60):
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
        conv(x).sum().backward()
    kept = [torch.randn(size) for size in range(1, 300, 6)]
print("alive")
"""


@pytest.mark.parametrize(
    ("w_in", "batch", "dtype", "threads"),
    [
        (4, 20, "float32", 1),  # torch's own convolution dies with AVX2 alone,
        (8, 27, "bfloat16", 2),  # with AVX512-BF16,
        (12, 81, "float32", 2),  # with AVX-512,
        (12, 28, "bfloat16", 3),  # and with a batch that is even, but no multiple of the threads
    ],
)
def test_strided_shortcuts_corrupt_no_memory(
    w_in: int, batch: int, dtype: str, threads: int
) -> None:
    given = f"w_in, batch, dtype, threads = {w_in, batch, dtype, threads}"
    done = subprocess.run(
        [sys.executable, "-c", given + CORRUPTING],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "alive\n", done.stderr


@pytest.mark.parametrize("height", [1, 7])
def test_on_maps_1_wide_weights_that_meet_no_pixel_have_no_gradient(height: int) -> None:
    """In bfloat16 oneDNN 3.12 leaves what was in memory there, if the stride is 2."""
    conv = build_layer(Conv(24, 8, kernel=5, stride=2, bias=False))
    x = torch.randn(5, 24, height, 1)
    for _ in range(30):
        unused = [torch.full((8 * 24 * 5 * 5,), torch.nan, dtype=torch.bfloat16) for _ in range(9)]
        del unused
        conv.weight.grad = None
        with torch.autocast("cpu", torch.bfloat16):
            conv(x).sum().backward()
        gradient = conv.weight.grad
        assert isinstance(gradient, Tensor)
        assert gradient[..., 2].any()
        assert not gradient[..., [0, 1, 3, 4]].any()


SECONDS = float(os.environ.get("CONVOLUTION_SECONDS", "10"))


@pytest.mark.slow
@pytest.mark.timeout(300 + 2 * SECONDS)
def test_layers_train_as_in_float64_and_corrupt_no_memory(tmp_path: Path) -> None:
    """Random shapes in other processes: both types and layouts, 1 to 4 threads, odd batches."""
    script = Path(__file__).parents[1] / "studies" / "measure_convolutions.py"
    done = subprocess.run(
        [sys.executable, script, "--built", "--together", "100", "--macs", "3e5",
         "--shapes", "1000000", "--seconds", str(SECONDS), "--seed", str(int(SECONDS)),
         "--out", tmp_path],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" shapes, 0 built wrongly\n")
    print(done.stdout.splitlines()[-1])

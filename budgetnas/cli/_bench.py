"""``budgetnas bench``: how fast the engine is on this machine, beside the usual loops."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import Field

from budgetnas.arch import find_arch
from budgetnas.cli import signals
from budgetnas.cli._command import Output, command
from budgetnas.data import Side
from budgetnas.study.options import Device, Options, Seed, Shown, Text

if TYPE_CHECKING:
    from budgetnas.bench import BenchResult, Way

Batch = Annotated[int, Field(ge=2, le=1_000_000)]
Loaders = Annotated[int, Field(ge=0, le=1024)]


class _What(Options):
    """What is measured."""

    panel = "What to measure"

    net: Annotated[Text | None, Shown("PRESET|FILE")] = None
    """What is trained: efficient-resnet on a GPU, modified-resnet-small on a CPU, unless given."""
    batch: Annotated[Batch, Shown("N")] = 128
    """Batch size of all three loops."""
    engine_batch: Annotated[Batch | None, Shown("N")] = None
    """Batch size of the engine: 512 on a GPU, --batch on a CPU, unless given."""
    images: Annotated[Annotated[int, Field(ge=2, le=10_000_000)] | None, Shown("N")] = None
    """Images of an epoch: 50,000 on a GPU, 2,560 on a CPU, unless given."""
    runs: Annotated[int, Field(ge=1, le=1000), Shown("N")] = 5
    """Number of measured epochs of each."""
    loader_workers: Annotated[Loaders | None, Shown("N")] = None
    """Processes that load for the usual loop: 2 on a GPU, none on a CPU, unless given."""
    tuned_loader_workers: Annotated[Loaders | None, Shown("N")] = None
    """Processes that load for the tuned loop: one for each core, up to 16, on a GPU, none on a
    CPU, unless given."""
    image_size: Annotated[Side, Shown("PIXELS")] = 32
    """Side of an image."""
    seed: Annotated[Seed, Shown("N")] = 0
    """Seed of every random choice."""
    skip_workers: Annotated[bool, Shown(flags=("--skip-workers",))] = False
    """Do not measure what `--workers auto` would choose."""


class BenchOptions(_What, Device):
    """What may be asked of a benchmark."""


@command(BenchOptions, Output)
def bench(options: BenchOptions, output: Output) -> None:
    """Measure how fast this machine trains: the usual loop, a tuned one, and this engine.

    All train the same network on the same random images, an epoch each in turns: torchvision's
    transforms in a DataLoader, in float32; the same with persistent workers, bfloat16
    where the device has it, and channels last; and what `search` and `retrain` use. Example:
    `budgetnas bench --net resnet56 --runs 3`
    """
    if options.net is not None:
        find_arch(options.net)  # the rest takes seconds to import
    from budgetnas.bench import bench as run
    from budgetnas.bench import make_plan
    from budgetnas.progress import BenchProgress
    from budgetnas.train import choose_device

    asked = options.model_dump(exclude={"skip_workers", "device"})
    plan = make_plan(choose_device(options.device), **asked)
    watch = BenchProgress()
    with signals.ending(watch):
        result = run(plan, workers=not options.skip_workers, watch=watch)
    if output.as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        _print_result(result)


def _print_result(result: "BenchResult") -> None:
    import torch

    from budgetnas.bench import WAYS
    from budgetnas.cli._command import print_table

    plan = result.plan
    typer.echo(
        f"{plan.net}: {result.params:,} params, {result.macs:,} MACs; {plan.images:,} drawn "
        f"pictures of {plan.image_size}x{plan.image_size}, seed {plan.seed}"
    )
    typer.echo(f"{result.hardware}, torch {torch.__version__}\n")
    typer.echo(f"Images a second, medians of {plan.runs} epochs of each, in turns:\n")
    print_table(
        ["", ">images/s", ">from", ">to", ">engine is", ">batch", "dtype", "layout",
         ">loader workers"],
        [_row(result, way) for way in WAYS],
    )  # fmt: skip
    typer.echo()
    for line in _lines(result):
        typer.echo(line)


def _row(result: "BenchResult", way: "Way") -> list[str]:
    setup, rates = result.plan.setups[way], result.rounds[way]
    ratio = result.ratio.get(way)
    return [
        way,
        f"{result.images_per_second[way]:,.0f}",
        f"{min(rates):,.0f}",
        f"{max(rates):,.0f}",
        f"{ratio:.2f}x" if ratio else "",
        f"{setup.batch:,}",
        setup.numerics.dtype,
        "channels last" if setup.numerics.channels_last else "contiguous",
        str(setup.loader_workers) if ratio else "",
    ]


def _lines(result: "BenchResult") -> list[str]:
    lines = []
    if result.rate and result.floor:
        lines.append(
            f"Compute floor: {result.floor:.3f} s an epoch ({result.rate.flops / 1e12:.0f} "
            f"TFLOP/s, {result.rate.source}); the engine takes {result.over_floor:.2f} times that"
        )
    else:
        lines.append("Compute floor: this device's rate is not known")
    if result.plan.device.type == "cuda":
        share = result.outside_kernels
        said = "not known, the profiler saw none" if share is None else f"{share:.1%}"
        lines.append(f"Time outside kernels: {said} of the engine's steps")
    if result.workers:
        lines.append(result.workers.describe())
    return lines

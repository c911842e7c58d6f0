"""``budgetnas bench``: how fast the engine is on this machine, beside the usual loops."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from budgetnas.arch import find_arch
from budgetnas.cli.options import DeviceOption, JsonOption, SeedOption, some

if TYPE_CHECKING:
    from budgetnas.bench import BenchResult, Way


def bench(
    net: Annotated[
        str | None,
        typer.Option(
            parser=some,
            metavar="PRESET|FILE",
            help="What is trained: efficient-resnet on a GPU, modified-resnet-small on a CPU, "
            "unless given.",
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option(min=2, max=1_000_000, metavar="N", help="Batch size of all three loops.")
    ] = 128,
    engine_batch: Annotated[
        int | None,
        typer.Option(
            min=2, max=1_000_000, metavar="N",
            help="Batch size of the engine: 512 on a GPU, --batch on a CPU, unless given.",
        ),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(
            min=2, max=10_000_000, metavar="N",
            help="Images of an epoch: 50,000 on a GPU, 2,560 on a CPU, unless given.",
        ),
    ] = None,
    runs: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Number of measured epochs of each.")
    ] = 5,
    loader_workers: Annotated[
        int | None,
        typer.Option(
            min=0, max=1024, metavar="N",
            help="Processes that load for the usual loop: 2 on a GPU, none on a CPU, unless "
            "given.",
        ),
    ] = None,
    tuned_loader_workers: Annotated[
        int | None,
        typer.Option(
            min=0, max=1024, metavar="N",
            help="Processes that load for the tuned loop: one for each core, up to 16, on a GPU, "
            "none on a CPU, unless given.",
        ),
    ] = None,
    image_size: Annotated[
        int, typer.Option(min=1, max=4096, metavar="PIXELS", help="Side of an image.")
    ] = 32,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    skip_workers: Annotated[
        bool,
        typer.Option(
            "--skip-workers", help="Do not measure what `--workers auto` would choose."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Measure how fast this machine trains: the usual loop, a tuned one, and this engine.

    All train the same network on the same random images, an epoch each in turns: torchvision's
    transforms in a DataLoader, in float32; the same with persistent workers, bfloat16
    where the device has it, and channels last; and what `search` and `retrain` use. Example:
    `budgetnas bench --net resnet56 --runs 3`
    """
    if net is not None:
        find_arch(net)  # the rest takes seconds to import
    from budgetnas.bench import bench as run
    from budgetnas.bench import make_plan
    from budgetnas.cli.watch import BenchProgress, shown
    from budgetnas.train import choose_device

    plan = make_plan(
        choose_device(device), net=net, batch=batch, engine_batch=engine_batch, images=images,
        runs=runs, loader_workers=loader_workers, tuned_loader_workers=tuned_loader_workers,
        image_size=image_size, seed=seed or 0,
    )  # fmt: skip
    watch = BenchProgress()
    with shown(watch):
        result = run(plan, workers=not skip_workers, watch=watch)
    if as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        _print_result(result)


def _print_result(result: "BenchResult") -> None:
    import torch

    from budgetnas.bench import WAYS
    from budgetnas.cli.console import print_table

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
    """Return lines of what else was measured."""
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

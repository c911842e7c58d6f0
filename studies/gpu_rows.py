"""What `measure_gpu.py` measures, each in a process of its own: `python gpu_rows.py ROW`.

A row prints its lines as JSON. With --smoke everything is tiny and real images are digits, so that
all of it runs on a CPU in seconds; its numbers mean nothing.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import islice
from statistics import median
from typing import Any

import torch
from gpu_accuracy import accuracy
from gpu_setting import RESNET20, Line, Setting, trained
from program import budgetnas

from budgetnas.arch import PRESETS, Arch, count_params
from budgetnas.bench import draw_pictures, measure, times_as_long
from budgetnas.executors import measure_workers
from budgetnas.recipe import Average
from budgetnas.train import choose_device, give_memory_back

BFLOAT16_ROUNDING = 2**-8


def quiet(what: str, done: int, total: int) -> None:
    """Tell nobody."""


def speed(setting: Setting) -> list[Line]:
    """The engine over the usual loop and the tuned one, over the floor, and outside kernels."""
    answer = _bench(setting, ["--runs", "5"])
    ratio, rates = answer["ratio"], answer["images_per_second"]
    said = {
        way: f"{ratio[way]:.2f}x ({rates['engine']:,.0f} images/s over {rates[way]:,.0f}, n = "
        f"{answer['runs']}, batch {answer['batch']['engine']} over {answer['batch'][way]}, "
        f"{answer['loader_workers'][way]} loader workers)"
        for way in ratio
    }
    over, outside = answer["over_floor"], answer["outside_kernels"]
    return [
        Line(f"{answer['net']}: engine over the usual loop", ">= 5x", said["usual"],
             ratio["usual"] >= 5),
        Line(f"{answer['net']}: engine over the tuned loop", ">= 1.1x", said["tuned"],
             ratio["tuned"] >= 1.1),
        Line("epoch over the compute floor", "<= 3.0",
             f"{over:.2f} (floor {answer['floor']['seconds']:.3f} s)" if over
             else "this device's rate is not known", over and over <= 3),
        Line("time outside kernels", "<= 5 %",
             "needs CUDA" if outside is None else f"{outside:.1%}",
             None if outside is None else outside <= 0.05),
    ]  # fmt: skip


def equal_batch(setting: Setting) -> list[Line]:
    """The engine over the usual loop, with its batch."""
    answer = _bench(setting, ["--runs", "3", "--images", "25600", "--engine-batch", "128"])
    return [
        Line(f"{answer['net']}: engine over the {way} loop, all with a batch of 128", "",
             f"{answer['ratio'][way]:.2f}x (n = {answer['runs']})", None)
        for way in answer["ratio"]
    ]  # fmt: skip


def _bench(setting: Setting, words: list[str]) -> dict[str, Any]:
    small = ["--runs", "1", "--images", "64", "--batch", "16", "--engine-batch", "16",
             "--image-size", "8"]  # fmt: skip
    device = ["--device", str(setting.device), "--skip-workers"]
    return budgetnas(["bench", *device, *(small if setting.smoke else words)])


def captured(setting: Setting) -> list[Line]:
    """A step that is replayed over one that is not."""
    plan = setting.plan(RESNET20, 128 * 100, 128)
    images = draw_pictures(plan)
    loops = {"eager": trained(plan, images, captured=False), "captured": trained(plan, images)}
    seconds = measure(loops, plan.runs, plan.device, quiet)
    steps = plan.images / plan.setups["engine"].batch
    each = {name: median(taken) / steps * 1000 for name, taken in seconds.items()}
    ratio = times_as_long(seconds["eager"], seconds["captured"])
    said = f"{ratio:.2f}x ({each['eager']:.2f} ms and {each['captured']:.2f} ms, n = {plan.runs})"
    what = f"captured over eager step, {count_params(RESNET20):,} params, batch 128"
    return [Line(what, ">= 3x", said, ratio >= 3)]


def losses(setting: Setting) -> list[Line]:
    """The first ten steps' losses, captured and eager, an epoch being a step."""
    plan = setting.plan(RESNET20, 128, 128)
    images = draw_pictures(plan)
    recipe = plan.recipe.changed(epochs=10, batch_size=len(images))
    ways = {"eager": False, "eager again": False, "captured": True}
    runs = {name: list(trained(plan, images, recipe, captured=way)) for name, way in ways.items()}
    found = {name: [epoch.train_loss for epoch in epochs] for name, epochs in runs.items()}
    notices = runs["captured"][-1].notices
    apart = {
        name: max(abs(a - b) / abs(b) for a, b in zip(values, found["eager"], strict=True))
        for name, values in found.items()
    }
    said = (
        f"at most {apart['captured']:.2e} of a loss apart; eager from itself "
        f"{apart['eager again']:.2e}{''.join(f'; {notice}' for notice in notices)}"
    )
    met = not notices and apart["captured"] <= max(BFLOAT16_ROUNDING, apart["eager again"])
    return [Line("losses of the first 10 steps, eager and captured", "bf16 rounding (3.9e-3)",
                 said, met)]  # fmt: skip


def memory(setting: Setting) -> list[Line]:
    """Peak memory after 100 trials over that after 5, of five networks in turns."""
    trials = 10 if setting.smoke else 100
    nets = [RESNET20.changed(stem_width=width) for width in (8, 16, 24, 32, 40)]
    images = draw_pictures(setting.plan(RESNET20, 128 * 8, 128))
    placed = images.to(setting.device)
    host, device = list[int](), list[int]()
    for trial in range(trials):
        plan = replace(setting.plan(nets[trial % len(nets)], 128 * 8, 128), seed=trial)
        for _ in islice(trained(plan, placed), 1):
            pass
        device.append(_device_memory(setting))
        host.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    peaks = {"host": host[-1] / host[4]}
    if setting.on_gpu:
        peaks["GPU"] = max(device) / max(device[:5])
    said = ", ".join(f"{where} {ratio:.3f}x" for where, ratio in peaks.items())
    what = f"peak memory after {trials} trials over after 5"
    return [Line(what, "<= 1.05x", said, max(peaks.values()) <= 1.05)]


def _device_memory(setting: Setting) -> int:
    """Bytes of the GPU that are in use, whoever holds them."""
    if not setting.on_gpu:
        return 0
    free, total = torch.cuda.mem_get_info(setting.device)
    return total - free


def workers(setting: Setting) -> list[Line]:
    """What several workers train together over what one does, of a net of at most 0.5M."""
    plan = setting.plan(RESNET20, 128 * 100, 128)
    numerics, images = plan.setups["engine"].numerics, draw_pictures(plan)
    seconds = 0.3 if setting.smoke else 3
    choice = measure_workers(
        plan.arch, plan.recipe, images, numerics, plan.device, seconds=seconds
    )
    rates = ", ".join(f"{count}: {rate:,.0f}" for count, rate in choice.rates.items())
    what = f"workers, {count_params(RESNET20):,} params: aggregate over one"
    said = f"{choice.speedup:.2f}x; {choice.describe()}; images/s {rates}"
    good = choice.speedup >= 1.2 or choice.workers == 1
    return [Line(what, ">= 1.2x, or one and why", said, good)]


def overhead(setting: Setting) -> list[Line]:
    """What a trial costs before it trains at its full speed: building, warming up, capturing."""
    return [
        line
        for name, arch in (("0.27M", RESNET20), ("efficient-resnet", PRESETS["efficient-resnet"]))
        for line in _overhead(setting, name, arch)
    ]


def _overhead(setting: Setting, name: str, arch: Arch) -> Iterator[Line]:
    plan = setting.plan(RESNET20 if setting.smoke else arch, 45_000, 128)
    placed = draw_pictures(plan).to(plan.device)
    costs, shares = list[float](), list[float]()
    for _ in range(3):  # of which the first starts the libraries, too
        started = time.perf_counter()
        epochs = trained(plan, placed)
        next(epochs)
        first = time.perf_counter() - started
        later = median(epoch.seconds for epoch in islice(epochs, 2))
        costs.append(first - later)
        shares.append((first - later) / (first + 9 * later))
        del epochs
        give_memory_back()
    cost, share = median(costs[1:]), median(shares[1:])
    said = f"{cost:.2f} s, {share:.1%} of a ten-epoch trial (first of a process {costs[0]:.2f} s)"
    yield Line(
        f"trial overhead, {name}, batch 128", "<= 2 s and <= 15 %", said,
        cost <= 2 and share <= 0.15,
    )  # fmt: skip


def average(setting: Setting) -> list[Line]:
    """What averaged weights cost an epoch."""
    lines = []
    for arch, batch in ((PRESETS["efficient-resnet"], 512), (RESNET20, 128)):
        plan = setting.plan(RESNET20 if setting.smoke else arch, 50 * batch, batch)
        images = draw_pictures(plan)
        averaged = plan.recipe.changed(average=Average())
        loops = {"plain": trained(plan, images), "averaged": trained(plan, images, averaged)}
        seconds = measure(loops, plan.runs, plan.device, quiet)
        longer = times_as_long(seconds["averaged"], seconds["plain"]) - 1
        said = f"{longer:+.1%} (n = {plan.runs})"
        what = f"averaged weights, {count_params(plan.arch):,} params, batch {batch}"
        lines.append(Line(what, "", said, None))
    return lines


# add yours here, the most important first: those for which no time is left are left out
ROWS: dict[str, Callable[[Setting], list[Line]]] = {
    "speed": speed,
    "accuracy": accuracy,
    "captured": captured,
    "losses": losses,
    "workers": workers,
    "overhead": overhead,
    "memory": memory,
    "average": average,
    "equal_batch": equal_batch,
}
ONLY_ON_A_GPU = ("captured", "losses")


def main() -> None:
    """Measure one row; print its lines."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("row", choices=ROWS)
    add_options(parser)
    asked = parser.parse_args()
    device = choose_device(asked.device)
    setting = Setting(asked.smoke, asked.data_dir, device, asked.engine_lr)
    if asked.row in ONLY_ON_A_GPU and not setting.on_gpu:
        lines = [Line(asked.row, "", "needs CUDA", None)]
    else:
        lines = ROWS[asked.row](setting)
    print(json.dumps([asdict(line) for line in lines]))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what a row and all of them can be told."""
    parser.add_argument("--data-dir", default="data/cifar10", help="real images, in class folders")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--engine-lr", type=float, default=0.4,
        help="the engine's peak learning rate with a batch of 512, where the usual loop has 0.1 "
        "with 128",
    )  # fmt: skip
    parser.add_argument("--smoke", action="store_true", help="tiny: to see that it runs")


if __name__ == "__main__":
    main()

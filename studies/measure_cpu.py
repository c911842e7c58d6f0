"""Measure the engine on this machine's CPU, in one call of some minutes, and write it as a table.

    python studies/measure_cpu.py

Writes cpu.md to studies/engine/results. The machine should have nothing else to do meanwhile.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir, closing
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from gpu_setting import Line, Setting, trained
from program import budgetnas, provenance
from torch.utils.data import DataLoader

from budgetnas.arch import PRESETS
from budgetnas.bench import Pictures, draw_pictures, measure, times_as_long
from budgetnas.data.images import ImageSet
from budgetnas.events import Event, TrialEnded
from budgetnas.recipe import Average, Lookahead
from budgetnas.study.trial_record import Kind
from budgetnas.train import Draws, Normalizer, augment, hardware, recipe_statistics
from budgetnas.workflows.search import search

RESULTS = Path("studies/engine/results")
SMALL = PRESETS["modified-resnet-small"]
CPU = torch.device("cpu")
RUNS = 7


def main() -> None:
    """Measure row by row, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    setting = Setting(smoke=False, data_dir="", device=CPU, engine_lr=0.1)
    lines = [line for row in ROWS for line in row(setting)]
    text = describe(lines)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "cpu.md").write_text(text)
    print(text)


def speed(setting: Setting) -> list[Line]:
    """The engine over the usual loop and the tuned one."""
    answer = budgetnas(["bench", "--runs", str(RUNS), "--device", "cpu"])
    rates, workers = answer["images_per_second"], answer["workers"]
    engine = f"{answer['dtype']['engine']}, batch {answer['batch']['engine']}"
    lines = [
        Line(
            f"{answer['net']}: engine over the {way} loop", f">= {target}x where AVX512-BF16 is",
            f"{answer['ratio'][way]:.2f}x ({rates['engine']:,.0f} images/s over "
            f"{rates[way]:,.0f}; {engine}; loader workers: {answer['loader_workers'][way]}; n = "
            f"{answer['runs']} epochs of {answer['images']:,} images)", None,
        )
        for way, target in (("usual", 2.3), ("tuned", 1.4))
    ]  # fmt: skip
    several = workers["images_per_second"].items()
    said = ", ".join(f"{count}: {rate:,.0f} images/s" for count, rate in several)
    return [*lines, Line("workers", "auto: >= 0.97x of one", f"chose {workers['chosen']} ({said})",
                         None)]  # fmt: skip


def data_path(setting: Setting) -> list[Line]:
    """Batches ready to train on, from one core: gathered, and transformed one by one."""
    plan = setting.plan(SMALL, 2_560, 128)
    images = draw_pictures(plan)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ways = {"engine": _gathered(images, setting), "per image": _transformed(images, setting)}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(RUNS + 1):
        for name, prepare in ways.items():
            started = time.perf_counter()
            prepare()
            if number:
                taken[name].append(time.perf_counter() - started)
    torch.set_num_threads(threads)
    ratio = times_as_long(taken["per image"], taken["engine"])
    each = {name: len(images) / median(seconds) for name, seconds in taken.items()}
    said = (
        f"{ratio:.1f}x ({each['engine']:,.0f} images/s over {each['per image']:,.0f}, crop, flip "
        f"and normalisation of 32x32, batch 128, n = {RUNS})"
    )
    what = "data path alone, one core, over per-image transforms"
    return [Line(what, ">= 3x", said, ratio >= 3)]


def _gathered(images: ImageSet, setting: Setting) -> Callable[[], None]:
    plan = setting.plan(SMALL, 2_560, 128)
    packed, draws = images.packed(), Draws(torch.Generator().manual_seed(0))
    statistics = recipe_statistics(plan.recipe, images)
    normalize = Normalizer(statistics, plan.setups["engine"].numerics, CPU)

    def prepare() -> None:
        assert packed.pixels is not None, "it is packed"
        order = torch.randperm(len(images))
        for start in range(0, len(images), 128):
            chosen = order[start : start + 128]
            normalize(
                augment(packed.pixels, images.size, chosen, plan.recipe.augment, draws,
                        normalize.grey_level)
            )  # fmt: skip

    return prepare


def _transformed(images: ImageSet, setting: Setting) -> Callable[[], None]:
    plan = setting.plan(SMALL, 2_560, 128)
    pictures = Pictures(images, recipe_statistics(plan.recipe, images))
    loader = DataLoader(pictures, batch_size=128, shuffle=True)

    def prepare() -> None:
        for _ in loader:
            pass

    return prepare


def options(setting: Setting) -> list[Line]:
    """What Lookahead and averaged weights cost."""
    plan = setting.plan(SMALL, 1_280, 128)
    images = draw_pictures(plan)
    recipes = {
        "plain": plan.recipe,
        "Lookahead": plan.recipe.changed(lookahead=Lookahead()),
        "averaged weights": plan.recipe.changed(average=Average()),
    }
    with_room = {name: recipe.changed(epochs=RUNS + 1) for name, recipe in recipes.items()}
    loops = {name: trained(plan, images, recipe) for name, recipe in with_room.items()}
    seconds = measure(loops, RUNS, CPU, lambda what, done, total: None)
    return [
        Line(f"{name}, an epoch over one without", "",
             f"{times_as_long(seconds[name], seconds['plain']):.3f}x (n = {RUNS})", None)
        for name in ("Lookahead", "averaged weights")
    ]  # fmt: skip


def overhead(setting: Setting) -> list[Line]:
    """What a trial costs before it trains at its full speed."""
    plan = setting.plan(SMALL, 5_120, 128)
    images = draw_pictures(plan).packed()
    costs, shares = list[float](), list[float]()
    for number in range(4):  # of which the first starts the libraries, too
        narrow = SMALL.changed(stem_width=8 * (number + 1))  # ever other shapes, as in a search
        started = time.perf_counter()
        with closing(trained(replace(plan, arch=narrow), images)) as epochs:  # type: ignore[type-var]
            next(epochs)
            first = time.perf_counter() - started
            later = min(next(epochs).seconds for _ in range(3))
        costs.append(max(0.0, first - later))
        shares.append(costs[-1] / (costs[-1] + 10 * later))
    said = (
        f"{median(costs[1:]):.2f} s, {median(shares[1:]):.1%} of ten epochs of "
        f"{len(images):,} images (n = 3; the first of a process {costs[0]:.2f} s)"
    )
    met = median(costs[1:]) <= 2 and median(shares[1:]) <= 0.15
    return [Line("trial overhead", "<= 2 s and <= 15 %", said, met)]


def memory(setting: Setting) -> list[Line]:
    """Peak memory of a search of 100 trials after all of them, over that after 5."""
    peaks: list[int] = []
    resident: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, TrialEnded) and event.kind is Kind.TRAINED:
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            resident.append(pages * os.sysconf("SC_PAGE_SIZE"))

    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        search("20k", trials=100, dataset="digits", epochs=1, pruner="none", watch=watch)
    ratio = peaks[99] / peaks[4]
    said = (
        f"peak {ratio:.3f}x ({peaks[4] / 1024:,.0f} MiB to {peaks[99] / 1024:,.0f} MiB), resident "
        f"{resident[99] / resident[4]:.3f}x (digits, at most 20k parameters, 100 networks drawn)"
    )
    return [Line("peak memory after 100 trials over after 5", "<= 1.05x", said, ratio <= 1.05)]


# the memory first: what others leave in this process is none of it
ROWS = (memory, speed, data_path, options, overhead)


def describe(lines: list[Line]) -> str:
    """Put the command, the commit and the hardware beside the numbers."""
    verdict = {True: "yes", False: "no", None: ""}
    rows = [
        f"| {line.what} | {line.target} | {line.measured} | {verdict[line.met]} |"
        for line in lines
    ]
    origin = provenance(hardware(CPU), 0, f"n is beside each number; torch {torch.__version__}")
    head = ["# The engine on a CPU", "", "    python studies/measure_cpu.py", "", origin, ""]
    table = ["| what | target | measured | met |", "|---|---|---|---|", *rows, ""]
    return "\n".join([*head, *table])


if __name__ == "__main__":
    main()

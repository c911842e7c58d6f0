"""Where the time of a training's step goes on a GPU, and what ideas would change: one table.

    PYTHONPATH=.:studies python studies/gpu/probe.py --out probe.json [--seconds 110]

Of each network and batch: the first step (cuDNN's searches in it), a step as it is and a replayed
one, the capture, an odd batch, a validation, memory, and how often the host waits in an epoch.
What there is no time for is left out. The table is written after each row.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from gpu_setting import RESNET20
from program import write_table
from torch import nn
from training import Measured, Training

import budgetnas.train._step as step_module
from budgetnas.arch import PRESETS, Arch, count_params
from budgetnas.recipe import RECIPES, SAM, Crop, Flip, Numerics, Recipe, TrivialAugment
from budgetnas.train import choose_device, give_memory_back, hardware

Around = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Case:
    """What is trained, and how."""

    name: str
    arch: Arch
    batch: int
    recipe: Recipe = RECIPES["short"]
    searches: bool = True
    """Whether cuDNN searches for the fastest kernels."""
    empties: bool = False
    """Whether torch gives its memory back after each search."""
    compiled: bool = False
    around: Around = nullcontext
    """What is changed meanwhile."""
    change: Callable[[nn.Module], None] = field(default=lambda model: None)
    """What is changed of the network."""


@dataclass(frozen=True)
class Row:
    """A row of the table. Seconds and milliseconds; None is what this device can't tell."""

    name: str
    params: int
    batch: int
    measured: Measured | None
    error: str | None
    """Why nothing was measured."""

    def as_json(self) -> dict[str, Any]:
        """Return plain data, the same columns in every row."""
        numbers = asdict(self.measured) if self.measured else {}
        columns = {column.name: numbers.get(column.name) for column in fields(Measured)}
        return {
            "name": self.name, "params": self.params, "batch": self.batch, **columns,
            "error": self.error,
        }  # fmt: skip

    def describe(self) -> str:
        """Write it on a line."""
        title = f"{self.name}, batch {self.batch}"
        if self.measured is None:
            return f"{title}: {self.error}"
        it = self.measured
        return (
            f"{title}: first step {it.first_step_s:.3f} s, as it is {it.eager_ms:.2f} ms, "
            f"replayed {it.captured_ms:.2f} ms (host {it.host_ms:.2f}), odd batch "
            f"{it.odd_ms:.2f} ms; {it.searches} searches, {it.waits} waits, {it.peak_mib} MiB"
            f"{f'; not captured: {it.refused}' if it.refused else ''}"
        )


def main() -> None:
    """Measure what there is time for; write the table after each row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="the table, a JSON file")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=110.0, help="begin no row after so many")
    parser.add_argument("--smoke", action="store_true", help="tiny, float32: to see that it runs")
    asked = parser.parse_args()
    until = time.monotonic() + asked.seconds
    device = choose_device(asked.device)
    rows = list[dict[str, Any]]()
    for case in smoke_cases() if asked.smoke else cases():
        if time.monotonic() > until:
            print(f"{case.name}, batch {case.batch}: no time is left")
            continue
        row = measured(case, device, asked.smoke)
        print(row.describe(), flush=True)
        rows.append(row.as_json())
        n = f"a step: median of {Training.rounds(asked.smoke)} epochs of {Training.STEPS} steps"
        write_table(asked.out, rows, device=hardware(device), seeds=[0], n=n)


def measured(case: Case, device: torch.device, smoke: bool) -> Row:
    """Measure a case; one that fails says why, and the others go on."""
    params = count_params(case.arch)
    try:
        with case.around(), kernels(case, device):
            numerics = Numerics(
                dtype="float32" if smoke else "bfloat16", captured=True,
                compiled=case.compiled,
            )  # fmt: skip
            training = Training(
                case.arch, case.recipe, case.batch, numerics, device, smoke, case.change
            )
            counted = training.measure()
        return Row(case.name, params, case.batch, counted, None)
    except Exception as error:  # whatever it is, the other rows stand
        return Row(case.name, params, case.batch, None, f"{type(error).__name__}: {error}"[:300])
    finally:
        give_memory_back()


@contextmanager
def kernels(case: Case, device: torch.device) -> Iterator[None]:
    """Let cuDNN look for kernels as the case says."""
    empties = getattr(torch._C, "_cudnn_set_conv_benchmark_empty_cache", None)
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = case.searches
    if empties is not None and device.type == "cuda":
        empties(case.empties)
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def cases() -> Iterator[Case]:
    """List what is measured, the most important first."""
    large, small = PRESETS["efficient-resnet"], PRESETS["modified-resnet-large"]
    yield Case("resnet20, libraries start", RESNET20, 128)
    for name, arch in (("efficient-resnet", large), ("resnet20", RESNET20),
                       ("modified-resnet-large", small)):  # fmt: skip
        for batch in (128, 512):
            yield Case(name, arch, batch)
    # another width each: what was searched for before is not searched for again
    for name, arch in (("efficient-resnet", large), ("resnet20", RESNET20)):
        yield Case(f"{name}, 8 wider", wider(arch, 8), 128)
        yield Case(f"{name}, 16 wider, memory given back", wider(arch, 16), 128, empties=True)
        yield Case(f"{name}, 24 wider, no search", wider(arch, 24), 128, searches=False)
    for name, arch, batch in (("efficient-resnet", large, 512), ("efficient-resnet", large, 128),
                              ("resnet20", RESNET20, 128)):  # fmt: skip
        yield Case(f"{name}, no search", arch, batch, searches=False)
        yield Case(f"{name}, float16", arch, batch, around=half_precision)
        yield Case(f"{name}, batches not counted", arch, batch, change=count_no_batches)
    yield from other_recipes(RESNET20, 128)
    for name, arch, batch in (("efficient-resnet", large, 512), ("resnet20", RESNET20, 128)):
        yield Case(f"{name}, compiled", arch, batch, compiled=True)


def other_recipes(arch: Arch, batch: int) -> Iterator[Case]:
    """List the options of a recipe that cost the most."""
    short = RECIPES["short"]
    trivial = short.changed(augment=(Crop(), Flip(), TrivialAugment()))
    yield Case("TrivialAugment", arch, batch, trivial)
    yield Case("SAM", arch, batch, short.changed(sharpness=SAM(last=1.0)))


def smoke_cases() -> Iterator[Case]:
    """List one of each kind, tiny."""
    arch = PRESETS["modified-resnet-small"].changed(
        stages=PRESETS["modified-resnet-small"].stages[:1], stem_width=8
    )
    yield Case("tiny", arch, 8)
    yield Case(
        "tiny, no search", wider(arch, 4), 8, searches=False, empties=True,
        change=count_no_batches,
    )  # fmt: skip
    yield Case("tiny, float16", arch, 8, around=half_precision)
    _, sharp = other_recipes(arch, 8)
    yield sharp


def wider(arch: Arch, by: int) -> Arch:
    """Widen all stages and the stem."""
    stages = tuple(stage.changed(width=stage.width + by) for stage in arch.stages)
    return arch.changed(stages=stages, stem_width=arch.stem_width + by)


def half_precision() -> AbstractContextManager[object]:
    """Compute in float16, for which cuDNN has a norm of its own."""

    def autocast(numerics: Numerics, device: torch.device) -> AbstractContextManager[object]:
        return torch.autocast(device.type, torch.float16, cache_enabled=False)

    return mock.patch.object(step_module, "autocast", autocast)


def count_no_batches(model: nn.Module) -> None:
    """Let batch norm count no batches: a kernel less for each."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.num_batches_tracked = None


if __name__ == "__main__":
    main()

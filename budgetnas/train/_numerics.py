"""Choosing the arithmetic that is fastest on a device; whether torch.compile pays for itself."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from budgetnas.arch import PRESETS, Arch
from budgetnas.data.images import ImageSet, Statistics
from budgetnas.errors import first_line
from budgetnas.files import cache_folder, write_atomic
from budgetnas.recipe import Default, Numerics, Recipe
from budgetnas.train._device import attempt, place, processor
from budgetnas.train._engine import train
from budgetnas.train._evaluate import autocast
from budgetnas.train._optim import initial_model
from budgetnas.train._step import batch_bounds

NET, IMAGES, SIZE = "modified-resnet-small", 32, 32
"""What is timed: a network of 78,042 parameters, images, and their side in pixels."""

ROUNDS = 4
"""Steps of each candidate, in turn; the first warms up, the fastest of the others counts."""

MARGIN = 1.1
"""How much faster another arithmetic must be than what is usually the fastest."""


def choose_numerics(
    device: torch.device, tell: Callable[[str], object] = lambda text: None
) -> Numerics:
    """Choose the arithmetic for a device: on a CPU by a short measurement, kept on this machine.

    The answer is the same each time on the same machine, so that the same command gives
    the same numbers. It is stored with the study or run that it is chosen for. Where measuring
    fails it is plain float32, and `tell` is told why, on a line.
    """
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        return _numerics("bfloat16" if fast else "float32", captured=True)
    kept = _read()
    if kept is None:
        fallback = "arithmetic: float32; the fastest cannot be measured here"
        kept = attempt(lambda: measured_numerics(cpu_candidates()), fallback, tell)
        if kept is None:
            return _numerics("float32", channels_last=False)
        _write(kept)
    return kept


def cpu_candidates() -> list[Numerics]:
    """List what a CPU may compute in, what is usually the fastest first."""
    plain = [_numerics("float32"), _numerics("float32", channels_last=False)]
    return [_numerics("bfloat16"), *plain] if cpu_has_bfloat16() else plain


def _numerics(
    dtype: Literal["float32", "bfloat16"], *, channels_last: bool = True, captured: bool = False
) -> Numerics:
    threads = torch.get_num_threads()
    return Numerics(dtype=dtype, channels_last=channels_last, threads=threads, captured=captured)


def cpu_has_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 natively; False where torch can't tell."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def measured_numerics(candidates: list[Numerics]) -> Numerics:
    """Train a few steps in each arithmetic; take the first unless another is clearly faster."""
    seconds = _timed(candidates)
    fastest = min(range(len(candidates)), key=seconds.__getitem__)
    return candidates[fastest if seconds[fastest] * MARGIN < seconds[0] else 0]


def _timed(candidates: list[Numerics]) -> list[float]:
    cpu = torch.device("cpu")
    trained = [
        (place(initial_model(PRESETS[NET], Default(), 0), numerics, cpu), numerics)
        for numerics in candidates
    ]
    images = torch.zeros(IMAGES, SIZE, SIZE, 3).permute(0, 3, 1, 2)
    labels = torch.zeros(IMAGES, dtype=torch.int64)
    rounds = [
        [_seconds(model, numerics, images, labels) for model, numerics in trained]
        for _ in range(ROUNDS)
    ]
    return [min(times) for times in zip(*rounds[1:], strict=True)]


def _seconds(model: nn.Module, numerics: Numerics, images: Tensor, labels: Tensor) -> float:
    """Time one step, but for the optimizer's part."""
    started = time.perf_counter()
    inputs = images if numerics.channels_last else images.contiguous()
    with autocast(numerics, images.device):
        logits = model(inputs)
    F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - started


def _key() -> str:
    return f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _read() -> Numerics | None:
    """Read an earlier measurement; an invalid one is measured anew."""
    with suppress(ValueError, LookupError, TypeError):
        return Numerics.model_validate(_kept()[_key()])
    return None


def _kept() -> dict[str, object]:
    with suppress(OSError, ValueError, TypeError, RecursionError):
        return dict(json.loads(_path().read_text()))
    return {}


def _write(numerics: Numerics) -> None:
    content = {**_kept(), _key(): numerics.model_dump(mode="json")}
    with suppress(OSError):  # it only saves time
        write_atomic(_path(), json.dumps(content, indent=1))


def _path() -> Path:
    return cache_folder() / "numerics.json"


STEPS, EPOCHS = 4, 4
"""Epochs and steps of each that are timed; the first epoch includes the set-up."""


@dataclass(frozen=True)
class Verdict:
    """What a training would take with torch.compile, and without."""

    plain: float
    """Seconds of the whole training without."""
    compiled: float | None
    """Seconds with, compiling included; None if this network can't be compiled here."""
    why_not: str = ""
    """Why it can't."""

    @property
    def pays(self) -> bool:
        """Whether the whole training is faster with it."""
        return self.compiled is not None and self.compiled < self.plain

    def __str__(self) -> str:
        """Return a description of one line."""
        if self.compiled is None:
            return f"torch.compile: not here: {self.why_not}"
        answer = "used" if self.pays else "not used"
        return (
            f"torch.compile: {answer}: the training would take about {self.compiled:,.0f} s with "
            f"it, compiling included, {self.plain:,.0f} s without"
        )


def worth_compiling(
    arch: Arch,
    images: ImageSet,
    recipe: Recipe,
    numerics: Numerics,
    statistics: Statistics,
    device: torch.device,
) -> Verdict:
    """Time a few steps with and without torch.compile: which training would be faster?"""
    batch = min(recipe.batch_size, len(images))
    steps = recipe.epochs * len(batch_bounds(len(images), batch))
    several = images.take(torch.arange(min(batch * STEPS, len(images)))).to(device)
    few = len(batch_bounds(len(several), batch))

    timed = recipe.for_timing(EPOCHS, recipe.batch_size)

    def whole(compiled: bool) -> float:
        model = initial_model(arch, recipe.init, 0)
        numbers = numerics.changed(compiled=compiled)
        epochs = train(model, several, timed, numbers, 0, statistics=statistics)
        first, *later = [epoch.seconds for epoch in epochs]
        return first - min(later) + steps * min(later) / few

    try:
        compiled, why_not = whole(True), ""
    except Exception as error:  # compilers raise anything
        compiled, why_not = None, first_line(error)
    return Verdict(whole(False), compiled, why_not)

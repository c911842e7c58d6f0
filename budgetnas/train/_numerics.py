"""Choosing the arithmetic that is fastest on a device."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from budgetnas.arch import PRESETS
from budgetnas.files import cache_folder, write_atomic
from budgetnas.recipe import Default, Numerics
from budgetnas.train._device import processor
from budgetnas.train._evaluate import autocast
from budgetnas.train._init import initial_model
from budgetnas.train._place import place

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
        try:
            kept = measured_numerics(cpu_candidates())
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            tell(f"arithmetic: float32; the fastest cannot be measured here: {reason}")
            return _numerics("float32", channels_last=False)
        _write(kept)
    return kept


def cpu_candidates() -> list[Numerics]:
    """List what a CPU may compute in, what is usually the fastest first."""
    plain = [_numerics("float32"), _numerics("float32", channels_last=False)]
    return [_numerics("bfloat16"), *plain] if cpu_has_bfloat16() else plain


def _numerics(dtype: str, *, channels_last: bool = True, captured: bool = False) -> Numerics:
    return Numerics.model_validate(
        {
            "dtype": dtype,
            "channels_last": channels_last,
            "threads": torch.get_num_threads(),
            "captured": captured,
        }
    )


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

"""Choosing a device, and the arithmetic that suits it."""

import platform
from pathlib import Path

import torch

from budgetnas.errors import InputError
from budgetnas.recipe import Numerics


def choose_device(name: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda` or `cuda:N` into a device that is there.

    Raises:
        InputError: If it is not, with those that are.
    """
    present = ["cpu"]
    if torch.cuda.is_available():
        present += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name == "auto":
        return torch.device("cuda" if "cuda" in present else "cpu")
    if name not in present:
        raise InputError(f"--device must be one of auto, {', '.join(present)}, got {name!r}")
    return torch.device(name)


def choose_numerics(device: torch.device) -> Numerics:
    """Choose the arithmetic for a device, from what it can do; the same answer every time."""
    fast_bfloat16 = (
        torch.cuda.is_bf16_supported(including_emulation=False)
        if device.type == "cuda"
        else _cpu_has_bfloat16()
    )
    return Numerics(
        dtype="bfloat16" if fast_bfloat16 else "float32",
        channels_last=True,
        threads=torch.get_num_threads(),
    )


def _cpu_has_bfloat16() -> bool:
    """Say whether the processor multiplies bfloat16 natively; False where torch can't tell."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def use_threads(numerics: Numerics) -> None:
    """Give operations on the CPU as many threads as were chosen."""
    torch.set_num_threads(numerics.threads)


def device_title(device: torch.device) -> str:
    """Name the hardware for people and for the record."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


def hardware(device: torch.device) -> str:
    """Name the hardware as numbers that were measured on it need it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {torch.get_num_threads()} threads"


def _processor() -> str:
    """Name the processor as the system does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
